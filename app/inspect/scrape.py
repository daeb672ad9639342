"""A scrape: what a detector's ``/metrics`` says, as the few figures people look at."""

import urllib.request
from collections.abc import Callable, Mapping

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from eddy.schemas.errors import Unavailable


class Scrape(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one moment, over all domains and partitions."""

    consumed: int = 0
    judged: int = 0
    anomalies: int = 0
    lag: int = 0
    rejected: Mapping[str, int] = {}

    @property
    def rejections(self) -> int:
        """All rejections, whatever the reason."""
        return sum(self.rejected.values())


def scrape(url: str, timeout_s: float = 1.0) -> Scrape:
    """Read ``/metrics``.

    Raises
    ------
    Unavailable
        Where nobody answers, or not in Prometheus' words.
    """
    return scrape_by(url, lambda text: {"": text}, timeout_s)[""]


def scrape_by(
    url: str, part: Callable[[str], Mapping[str, str]], timeout_s: float = 1.0
) -> dict[str, Scrape]:
    """Read ``/metrics`` once, part what it says under names, and return each part's figures.

    Raises
    ------
    Unavailable
        Where nobody answers, or not in Prometheus' words.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - our own
            text = answer.read().decode()
        return {name: parse(exposition) for name, exposition in part(text).items()}
    except (OSError, ValueError) as error:
        raise Unavailable(f"{url}: {error}") from error


def parse(text: str) -> Scrape:
    """Return the figures in a Prometheus exposition."""
    sums: dict[str, float] = {}
    rejected: dict[str, int] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "eddy_rejections_total":
                reason = sample.labels["reason"]
                rejected[reason] = rejected.get(reason, 0) + int(sample.value)
            else:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
    return Scrape(
        consumed=int(sums.get("eddy_events_consumed_total", 0)),
        judged=int(sums.get("eddy_events_judged_total", 0)),
        anomalies=int(sums.get("eddy_anomalies_total", 0)),
        lag=int(sums.get("eddy_consumer_lag_messages", 0)),
        rejected=rejected,
    )
