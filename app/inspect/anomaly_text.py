"""An anomaly in words: the one line of `tail` and of the demo, and its parts."""

from collections.abc import Iterator
from datetime import timedelta

from rich.text import Text

from eddy.app.controls import harmless
from eddy.schemas.anomalies import Anomaly, Reason

UNKNOWN = "unknown"
SEVERITY_STYLES = {"info": "cyan", "warning": "yellow", "critical": "bold red"}


def number(value: float) -> str:
    """Return a number as people read it: four digits, thousands apart.

    Examples
    --------
    >>> number(12345.6), number(0.123456), number(-3.0)
    ('12,346', '0.1235', '-3')
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def range_text(anomaly: Anomaly, feature: str) -> str:
    """Return the expected range of a feature, or what is known of it."""
    low, high = anomaly.lower.get(feature), anomaly.upper.get(feature)
    if low is not None and high is not None:
        return f"{number(low)}–{number(high)}"
    if low is not None:
        return f"from {number(low)}"
    if high is not None:
        return f"to {number(high)}"
    typical = anomaly.expected.get(feature)
    return f"about {number(typical)}" if typical is not None else UNKNOWN


def who(anomaly: Anomaly) -> str:
    """Return the entity; its type is told where its id does not tell it already."""
    entity = anomaly.entity
    return entity.id if entity.id.startswith(entity.type) else f"{entity.type} {entity.id}"


def side(anomaly: Anomaly, feature: str) -> str:
    """Return on which side of its expected range a feature lies: ↑, ↓, or nothing when inside."""
    value = anomaly.actual[feature]
    if value > anomaly.upper.get(feature, float("inf")):
        return "↑"
    if value < anomaly.lower.get(feature, float("-inf")):
        return "↓"
    return ""


def because(anomaly: Anomaly) -> Iterator[str]:
    """Yield ``feature actual↑ (expected range) +part in the score``, what weighs most first."""
    reasons = {reason.feature: reason for reason in anomaly.reasons}
    features = dict.fromkeys([*anomaly.actual, *reasons])
    for feature in sorted(features, key=lambda name: _weight(reasons.get(name)), reverse=True):
        reason = reasons.get(feature)
        part = "" if reason is None else f" {reason.contribution:+.2f}"
        if feature in anomaly.actual:
            actual = f"{number(anomaly.actual[feature])}{side(anomaly, feature)}"
            expected = range_text(anomaly, feature)
            yield f"{feature} {actual}" + (f" ({expected}){part}" if expected != UNKNOWN else part)
        elif reason is not None:
            yield f"{feature} {number(reason.value)} (about {number(reason.typical)}){part}"


def _weight(reason: Reason | None) -> float:
    return -1.0 if reason is None else abs(reason.contribution)


def interval(anomaly: Anomaly) -> str:
    """Return the interval an anomaly is about, in UTC; its date where it is another one at the end.

    Empty where it is about no interval.
    """
    start, end = anomaly.window_start, anomaly.window_end
    if start is None or end is None:
        return ""
    last = end - timedelta(microseconds=1)  # midnight still is of the day before
    day = "" if last.date() == start.date() and end - start < timedelta(days=1) else f"{end:%m-%d} "
    return f"{start:%Y-%m-%d %H:%M}–{day}{end:%H:%M}"


def against_band(anomaly: Anomaly) -> Iterator[str]:
    """Yield ``feature actual↓ (expected .., band ..)``, then what was only counted, then labels."""
    for feature, value in anomaly.actual.items():
        if feature in anomaly.expected:
            actual = f"{feature} {number(value)}{side(anomaly, feature)}"
            expected = number(anomaly.expected[feature])
            yield f"{actual} (expected {expected}, band {range_text(anomaly, feature)})"
    for feature, value in anomaly.actual.items():
        if feature not in anomaly.expected:
            yield f"{number(value)} {feature.removesuffix('s') if value == 1 else feature}"
    yield from anomaly.labels
    yield from (f"suppressed by {rule}" for rule in anomaly.suppressed_by)


def line(anomaly: Anomaly) -> Text:
    """Return the anomaly as one line: when, how bad, who, and why; its id comes last.

    Control characters of the event are written out.
    """
    anomaly = harmless(anomaly)
    style = SEVERITY_STYLES[anomaly.severity]
    when = interval(anomaly)
    why = against_band(anomaly) if when else because(anomaly)
    text = Text()
    text.append(f"{when or format(anomaly.occurred_at, '%Y-%m-%d %H:%M:%S')} ", "dim")
    text.append(f"{anomaly.severity:<8} {anomaly.score:>6.2f} ", style)
    text.append(f"{who(anomaly):<16} ", "bold")
    text.append(", ".join(why))
    if when or anomaly.op != "open":  # an interval's anomaly lasts: it is told how it stands
        text.append(f"  [{anomaly.op}]", "magenta")
    text.append(f"  {anomaly.anomaly_id}", "dim")
    return text
