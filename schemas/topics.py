"""Topic names: dots, never underscores; one place that spells them."""

import msgspec

LABELS = "labels"
CONTROL = "control"


class DomainTopics(msgspec.Struct, frozen=True):
    """The topics of one domain.

    Attributes
    ----------
    forecasts, decisions : str, optional
        Only where the domain makes some.
    partitions : int, optional
        Of `events` and what comes of it, where the domain must see all events together.
    kept_days : int
        How long `events` is kept.
    """

    events: str
    anomalies: str
    rejections: str
    scored: str
    forecasts: str | None = None
    decisions: str | None = None
    partitions: int | None = None
    kept_days: int = 7


def domain_topics(
    domain: str,
    prefix: str = "",
    *,
    forecasts: bool = False,
    decisions: bool = False,
    partitions: int | None = None,
    kept_days: int = 7,
) -> DomainTopics:
    """Return the topic names of `domain`; a non-empty `prefix` puts them into a side namespace."""
    head = f"{prefix}." if prefix else ""
    return DomainTopics(
        events=f"{head}events.{domain}",
        anomalies=f"{head}anomalies.{domain}",
        rejections=f"{head}rejections.{domain}",
        scored=f"{head}scored.{domain}",
        forecasts=f"{head}forecasts.{domain}" if forecasts else None,
        decisions=f"{head}decisions.{domain}" if decisions else None,
        partitions=partitions,
        kept_days=kept_days,
    )
