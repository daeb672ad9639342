"""The explanation of one anomaly: found on its topic, with the event it speaks of."""

from collections.abc import Iterator, Sequence

import msgspec
from rich.console import Group, RenderableType
from rich.highlighter import JSONHighlighter
from rich.table import Table
from rich.text import Text

from eddy.app.controls import escape_json, harmless, plain
from eddy.app.inspect.anomaly_text import SEVERITY_STYLES, interval, number, side, who
from eddy.schemas.anomalies import Anomaly, Reason
from eddy.schemas.errors import MissingResource
from eddy.streams.reading import TopicReader, TopicRecord

BAR_CELLS = 12
"""How long the longest bar is, on each side of the axis."""


class AnomalyExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """An anomaly and the event it is about.

    Attributes
    ----------
    event : Raw, optional
        The event's bytes as they stand on the source topic; None where they are no longer kept.
    event_missing : str
        Why there is no event.
    updates : int
        How many records of this anomaly there are; `anomaly` is the last one.
    """

    anomaly: Anomaly
    event: msgspec.Raw | None = None
    event_missing: str = ""
    updates: int = 1


def explain(reader: TopicReader, topics: Sequence[str], wanted: str) -> AnomalyExplanation:
    """Find an anomaly by its id, or by the id of its event.

    Raises
    ------
    MissingResource
        Where there is none.
    """
    anomalies = [anomaly for topic in topics for anomaly in _search(reader, topic, wanted)]
    if not anomalies:
        raise MissingResource(
            f"no anomaly {wanted} on {', '.join(topics)}; `eddy tail --from-beginning` shows "
            "those there are. Why an event was not flagged cannot be told yet"
        )
    last = anomalies[-1]
    updates = sum(1 for anomaly in anomalies if anomaly.anomaly_id == last.anomaly_id)
    event, missing = _event(reader, last)
    return AnomalyExplanation(anomaly=last, event=event, event_missing=missing, updates=updates)


def _search(reader: TopicReader, topic: str, wanted: str) -> Iterator[Anomaly]:
    needle = wanted.encode()
    for record in reader.read(topic):
        if needle in (record.value or b""):  # decoding them all would take ten times as long
            anomaly = msgspec.json.decode(record.value or b"", type=Anomaly)
            if wanted in (anomaly.anomaly_id, anomaly.event_id):
                yield anomaly


def _event(reader: TopicReader, anomaly: Anomaly) -> tuple[msgspec.Raw | None, str]:
    source = anomaly.source
    try:
        record = _record(reader, source.topic, source.partition, source.offset)
    except MissingResource:
        return None, f"{source.topic} is no topic here; it was replayed from a file of that name"
    if record is None or record.value is None:
        return None, f"{source.topic} no longer keeps it"
    return msgspec.Raw(record.value), ""


def _record(reader: TopicReader, topic: str, partition: int, offset: int) -> TopicRecord | None:
    others = dict.fromkeys(reader.ranges(topic), 0)
    records = reader.read(topic, {partition: offset}, {**others, partition: offset + 1})
    return next((record for record in records if record.offset == offset), None)


def render(explanation: AnomalyExplanation) -> RenderableType:
    """Return the explanation for people; control characters of the event are written out."""
    anomaly = harmless(explanation.anomaly)
    facts = _facts(anomaly, explanation.updates)
    parts: list[RenderableType] = [_title(anomaly), facts, Text(), _ranges(anomaly)]
    if anomaly.reasons:
        parts += [Text(), _reasons(anomaly.reasons)]
    parts += [Text(), Text("the event", "bold")]
    if explanation.event is None:
        parts.append(Text(plain(f"not shown: {explanation.event_missing}"), "dim"))
    else:
        event = escape_json(msgspec.json.format(bytes(explanation.event), indent=2))
        parts.append(JSONHighlighter()(event.decode()))
    return Group(*parts)


def bar(share: float, cells: int = BAR_CELLS) -> str:
    """Return a signed bar around an axis; `share` from -1 to 1 of the longest one.

    Examples
    --------
    >>> bar(0.5, 4), bar(-1.0, 4)
    ('    │██  ', '████│    ')
    """
    length = round(min(abs(share), 1.0) * cells)
    full, empty = "█" * length, " " * cells
    return f"{full:>{cells}}│{empty}" if share < 0 else f"{empty}│{full:<{cells}}"


def _title(anomaly: Anomaly) -> Text:
    style = SEVERITY_STYLES[anomaly.severity]
    text = Text("anomaly ").append(anomaly.anomaly_id, "bold")
    text.append(f"  {anomaly.severity}", style)
    return text.append(f"  score {anomaly.score:.2f} (1.00 is the boundary)")


def _facts(anomaly: Anomaly, updates: int) -> Table:
    model, source = anomaly.model, anomaly.source
    delay_s = (anomaly.detected_at - anomaly.occurred_at).total_seconds()
    trained = f", trained {model.trained_at:%Y-%m-%d %H:%M}" if model.trained_at else ", untrained"
    percentile = "" if anomaly.percentile is None else f", percentile {anomaly.percentile:.3f}"
    table = Table.grid(padding=(0, 2))
    for name, value in (
        ("about", who(anomaly)),
        ("event", anomaly.event_id or "none"),
        *([("interval", interval(anomaly))] if anomaly.window_start else []),
        ("occurred", f"{anomaly.occurred_at:%F %T} UTC, detected {delay_s:,.1f} s later"),
        ("confidence", f"{anomaly.confidence:.2f}{percentile}"),
        ("detector", f"{anomaly.detector} ({anomaly.domain}), configuration {anomaly.config_hash}"),
        ("model", f"{model.name} {model.version} ({model.sha256[:12] or 'no file'}){trained}"),
        ("labels", ", ".join(anomaly.labels) or "none"),
        ("source", f"{source.topic} partition {source.partition} offset {source.offset}"),
        ("state", f"{anomaly.op}, {updates} record(s) of it"),
    ):
        table.add_row(Text(name, "dim"), Text(value))
    return table


def _ranges(anomaly: Anomaly) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("feature")
    for name in ("actual", "expected", "lower", "upper"):
        table.add_column(name, justify="right")
    bounds = (anomaly.expected, anomaly.lower, anomaly.upper)
    for feature, value in anomaly.actual.items():
        mark = side(anomaly, feature)
        shown = [number(known[feature]) if feature in known else "–" for known in bounds]
        table.add_row(
            Text(feature), Text(f"{number(value)}{mark}", "bold red" if mark else ""), *shown
        )
    return table


def _reasons(reasons: Sequence[Reason]) -> Table:
    longest = max(abs(reason.contribution) for reason in reasons) or 1.0
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("reason")
    table.add_column("value", justify="right")
    table.add_column("typical", justify="right")
    table.add_column("contribution", justify="right")
    table.add_column("")
    for reason in sorted(reasons, key=lambda reason: -abs(reason.contribution)):
        style = "red" if reason.contribution > 0 else "green"
        table.add_row(
            Text(reason.feature),
            number(reason.value),
            number(reason.typical),
            f"{reason.contribution:+.2f}",
            Text(bar(reason.contribution / longest), style),
        )
    return table
