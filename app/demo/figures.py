"""What the demo's detector says of each domain: its ``/metrics``, told apart by domain."""

from collections.abc import Iterable

from eddy.app.inspect.scrape import Scrape, scrape_by


def figures(url: str, domains: Iterable[str], timeout_s: float = 1.0) -> dict[str, Scrape]:
    """Read ``/metrics`` once and return the figures by domain.

    Raises
    ------
    Unavailable
        Where nobody answers, or not in Prometheus' words.
    """

    def by_domain(text: str) -> dict[str, str]:
        return {domain: _lines_of(text, domain) for domain in domains}

    return scrape_by(url, by_domain, timeout_s)


def _lines_of(text: str, domain: str) -> str:
    """Return the lines that speak of a domain, or of its topic."""
    marks = (f'domain="{domain}"', f'topic="events.{domain}"')
    return "".join(
        line for line in text.splitlines(keepends=True) if any(mark in line for mark in marks)
    )
