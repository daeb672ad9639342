"""A merchant's alarms: records of episodes folded into what became of each."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from eddy.schemas.anomalies import Anomaly, Severity, interval_id

Span = tuple[datetime, datetime]
State = Literal["open", "closed", "retracted"]

_STATES: dict[str, State] = {
    "open": "open",
    "update": "open",
    "close": "closed",
    "retract": "retracted",
}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One episode as its last record leaves it, from `start` up to but without `end`.

    Attributes
    ----------
    state : {"open", "closed", "retracted"}
        An open one reaches to the end of what is shown.
    score : float
        The worst that was told; 1.0 is the boundary.
    labels : tuple of str
        Of all its records, each once; with what suppressed it, if anything did.
    records : int
        How many were published of it.
    """

    anomaly_id: str
    start: datetime
    end: datetime
    state: State
    severity: Severity
    score: float
    direction: str | None
    labels: tuple[str, ...]
    records: int = 1

    @property
    def text(self) -> str:
        """The alarm in a few words."""
        words = [self.severity, f"{self.score:.2f}", self.direction or "", *self.labels]
        return f"{' '.join(word for word in words if word)} [{self.state}]"


def alarms_of(anomalies: Sequence[Anomaly], intervals: Sequence[Span]) -> tuple[Alarm, ...]:
    """Return the alarms that lie in `intervals`, by their beginning.

    Parameters
    ----------
    anomalies : sequence of Anomaly
        Records of one merchant, in the order they were published.
    intervals : sequence of (start, end)
        What is shown, ascending, without gaps.
    """
    begin, end = intervals[0][0], intervals[-1][1]
    episodes: dict[str, list[Anomaly]] = {}
    for anomaly in anomalies:
        if anomaly.window_start is not None and anomaly.window_end is not None:
            episodes.setdefault(anomaly.anomaly_id, []).append(anomaly)
    ids = _ids(anomalies, intervals)
    alarms = [_alarm(records, ids, end) for records in episodes.values()]
    shown = [
        replace(alarm, start=max(alarm.start, begin), end=min(alarm.end, end))
        for alarm in alarms
        if alarm.start < end and alarm.end > begin
    ]
    return tuple(sorted(shown, key=lambda alarm: (alarm.start, alarm.anomaly_id)))


def _ids(anomalies: Sequence[Anomaly], intervals: Sequence[Span]) -> dict[str, datetime]:
    """Return by id when the episode began: the id is made of it."""
    kinds = {(anomaly.domain, anomaly.detector, anomaly.entity.id) for anomaly in anomalies}
    return {interval_id(*kind, start): start for kind in kinds for start, _ in intervals}


def _alarm(records: Sequence[Anomaly], ids: dict[str, datetime], until: datetime) -> Alarm:
    last = records[-1]
    active = [record for record in records if record.op in ("open", "update")] or records
    spans = [_window(record) for record in active]
    # the record that opens it may be about a late payment in an interval before it
    start = ids.get(last.anomaly_id, min(first for first, _ in spans))
    state = _STATES[last.op]
    worst = max(active, key=lambda record: record.score)
    return Alarm(
        anomaly_id=last.anomaly_id,
        start=start,
        end=until if state == "open" else _end(records, start, max(end for _, end in spans)),
        state=state,
        severity=last.severity,
        score=worst.score,
        direction=last.direction,
        labels=tuple(dict.fromkeys(label for record in records for label in _labels(record))),
        records=len(records),
    )


def _end(records: Sequence[Anomaly], start: datetime, told_until: datetime) -> datetime:
    """Return when an episode that is over ended.

    It closes with the first interval that is no longer part of it; but for a level shift, which
    closes with one that is.
    """
    ends = [told_until]
    for record in records:
        begin, end = _window(record)
        if record.op == "close":
            is_part = "level_shift" in record.labels or begin <= start
            ends.append(end if is_part else begin)
    return max(ends)


def _labels(anomaly: Anomaly) -> list[str]:
    return [*anomaly.labels, *(f"suppressed:{rule}" for rule in anomaly.suppressed_by)]


def _window(anomaly: Anomaly) -> Span:
    assert anomaly.window_start is not None
    assert anomaly.window_end is not None
    return anomaly.window_start, anomaly.window_end
