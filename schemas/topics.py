"""Topic names: dots, never underscores; one place that spells them."""

import msgspec

LABELS = "labels"
CONTROL = "control"


class DomainTopics(msgspec.Struct, frozen=True):
    """The topics of one domain; `forecasts` only where it forecasts."""

    events: str
    anomalies: str
    rejections: str
    scored: str
    forecasts: str | None = None


def domain_topics(domain: str, prefix: str = "", *, forecasts: bool = False) -> DomainTopics:
    """Return the topic names of `domain`; a non-empty `prefix` puts them into a side namespace."""
    head = f"{prefix}." if prefix else ""
    return DomainTopics(
        events=f"{head}events.{domain}",
        anomalies=f"{head}anomalies.{domain}",
        rejections=f"{head}rejections.{domain}",
        scored=f"{head}scored.{domain}",
        forecasts=f"{head}forecasts.{domain}" if forecasts else None,
    )
