"""What the demo's detector says of each domain: its ``/metrics``, told apart by domain."""

import urllib.request
from collections.abc import Iterable

from eddy.scrape import Scrape, parse
from schemas.errors import Unavailable


def figures(url: str, domains: Iterable[str], timeout_s: float = 1.0) -> dict[str, Scrape]:
    """Read ``/metrics`` once and return the figures by domain.

    Raises
    ------
    Unavailable
        Where nobody answers, or not in Prometheus' words.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - our own
            text = answer.read().decode()
        return {domain: parse(_lines_of(text, domain)) for domain in domains}
    except (OSError, ValueError) as error:
        raise Unavailable(f"{url}: {error}") from error


def _lines_of(text: str, domain: str) -> str:
    """Return the lines that speak of a domain, or of its topic."""
    marks = (f'domain="{domain}"', f'topic="events.{domain}"')
    return "".join(
        line for line in text.splitlines(keepends=True) if any(mark in line for mark in marks)
    )
