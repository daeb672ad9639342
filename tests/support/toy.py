"""A toy domain whose every verdict depends on everything its judge has in its window.

The score of event i is 1 + (sum of the last `window` values, itself included) / 1e6, and every
event whose value is a multiple of 50 is flagged. An oracle is one line, and a window that lost or
doubled a single event shows in every score after it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar

import msgspec
import numpy as np

from eddy.models.domain import Domain
from eddy.models.judge import Counts, Events, Identity, Model
from eddy.schemas.anomalies import Anomaly, Entity, ModelRef, Source, interval_id, point_id


class Tick(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event: a number."""

    event_id: str
    occurred_at: datetime
    value: float


class ToyPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    window: int = 1_000
    fail_on: float | None = None
    pause_s: float = 0.0  # for every run, so that faults find work in flight
    interval_s: float | None = None  # count events by interval instead, see `IntervalJudge`


class ToyParameters(msgspec.Struct, frozen=True):
    offset: float = 0.0


REF = ModelRef(name="toy", version="default", sha256="0" * 64)


@dataclass
class ToyVerdicts:
    scores: np.ndarray
    flagged: np.ndarray
    events: Events
    judge: "ToyJudge"
    counts: ClassVar[Counts] = {}

    def anomalies(self, rows: Sequence[int], detected_at: datetime) -> list[Anomaly]:
        return [self._anomaly(int(self.flagged[row]), detected_at) for row in rows]

    def _anomaly(self, i: int, detected_at: datetime) -> Anomaly:
        identity, offset = self.judge.identity, int(self.events.offsets[i])
        tick = self.events.event(i)
        return Anomaly(
            anomaly_id=point_id("toy", "window_sum", identity.topic, identity.partition, offset),
            domain="toy",
            detector="window_sum",
            event_id=tick.event_id,
            entity=Entity("tick", tick.event_id),
            occurred_at=tick.occurred_at,
            detected_at=detected_at,
            score=float(self.scores[i]),
            severity="info",
            confidence=1.0,
            actual={"value": tick.value},
            model=self.judge.model.ref,
            config_hash=identity.config_hash,
            source=Source(identity.topic, identity.partition, offset),
        )


class ToyJudge:
    def __init__(self, policy: ToyPolicy, model: Model, identity: Identity) -> None:
        self.policy, self.model, self.identity = policy, model, identity
        self.kept = np.empty(0)
        self.seen = 0

    def judge(self, events: Events) -> ToyVerdicts:
        values = events.values[:, 0]
        time.sleep(self.policy.pause_s)
        if self.policy.fail_on is not None and (values == self.policy.fail_on).any():
            raise RuntimeError("the toy was told to fail")
        joined = np.concatenate([self.kept, values])
        sums = np.concatenate([[0.0], np.cumsum(joined)])
        ends = np.arange(len(self.kept) + 1, len(joined) + 1)
        begins = np.maximum(ends - self.policy.window, 0)
        scores = 1 + (sums[ends] - sums[begins]) / 1e6 + self.model.parameters.offset
        self.kept = joined[-self.policy.window :]
        self.seen += len(values)
        flagged = np.flatnonzero(values % 50 == 0)
        return ToyVerdicts(scores, flagged, events, self)

    def set_model(self, model: Model) -> None:
        self.model = model

    def snapshot(self) -> bytes:
        return self.kept.tobytes()

    def restore(self, state: bytes) -> None:
        self.kept = np.frombuffer(state)
        self.seen = len(self.kept)

    @property
    def history(self) -> int:
        return self.policy.window

    @property
    def complete(self) -> bool:
        return len(self.kept) >= self.policy.window

    @property
    def entities(self) -> int:
        return len(self.kept)


class IntervalJudge:
    """Counts events by interval of event time, and events that come after theirs was closed.

    Every closed interval is published with both counts, also an empty one: whether an event was
    counted or came too late tells whether the clock was where it was in the first run.
    """

    def __init__(self, policy: ToyPolicy, model: Model, identity: Identity) -> None:
        self.model, self.identity = model, identity
        self.length_us = int((policy.interval_s or 1) * 1e6)
        self.watermark_us: int | None = None
        self.begin_us = self.count = self.late = 0

    @property
    def due_us(self) -> int | None:
        return None if self.watermark_us is None else self.begin_us + self.length_us

    def judge(self, events: Events) -> "IntervalVerdicts":
        closed: list[tuple[int, int, int]] = []
        for at in events.occurred_at.tolist():
            if self.watermark_us is None:
                self.watermark_us = self.begin_us = at
            closed += self._pass(at)
            if at < self.begin_us:
                self.late += 1
            else:
                self.count += 1
        return IntervalVerdicts(np.full(len(events), np.nan), closed, self)

    def advance(self, watermark_us: int) -> "IntervalVerdicts":
        return IntervalVerdicts(np.empty(0), self._pass(watermark_us), self)

    def _pass(self, watermark_us: int) -> list[tuple[int, int, int]]:
        assert self.watermark_us is not None
        self.watermark_us = max(self.watermark_us, watermark_us)
        closed = []
        while self.begin_us + self.length_us <= self.watermark_us:
            closed.append((self.begin_us, self.count, self.late))
            self.begin_us, self.count = self.begin_us + self.length_us, 0
        return closed

    def set_model(self, model: Model) -> None:
        self.model = model

    def snapshot(self) -> bytes:
        return msgspec.json.encode([self.watermark_us, self.begin_us, self.count, self.late])

    def restore(self, state: bytes) -> None:
        self.watermark_us, self.begin_us, self.count, self.late = msgspec.json.decode(state)

    history, complete = 10_000, False

    @property
    def entities(self) -> int:
        return self.count


@dataclass
class IntervalVerdicts:
    scores: np.ndarray
    closed: list[tuple[int, int, int]]
    judge: IntervalJudge
    counts: ClassVar[Counts] = {}

    @property
    def flagged(self) -> np.ndarray:
        return np.zeros(len(self.closed), np.int64)

    def anomalies(self, rows: Sequence[int], detected_at: datetime) -> list[Anomaly]:
        return [self._anomaly(*self.closed[row], detected_at) for row in rows]

    def _anomaly(self, begin_us: int, count: int, late: int, detected_at: datetime) -> Anomaly:
        identity = self.judge.identity
        start = datetime.fromtimestamp(begin_us / 1e6, UTC)
        entity = str(identity.partition)
        return Anomaly(
            anomaly_id=interval_id("toy", "interval", entity, start),
            domain="toy",
            detector="interval",
            entity=Entity("partition", entity),
            occurred_at=start,
            detected_at=detected_at,
            score=1.0,
            severity="info",
            confidence=1.0,
            actual={"count": count, "late": late},
            model=self.judge.model.ref,
            config_hash=identity.config_hash,
            source=Source(identity.topic, identity.partition, 0),
        )


def _judge(policy: ToyPolicy, model: Model, identity: Identity) -> "ToyJudge | IntervalJudge":
    return (IntervalJudge if policy.interval_s else ToyJudge)(policy, model, identity)


TOY = Domain(
    name="toy",
    event_type=Tick,
    policy_type=ToyPolicy,
    parameters_type=ToyParameters,
    default_model=lambda: Model(REF, ToyParameters()),
    build_judge=_judge,
)
TIMED_TOY = replace(TOY, is_timed=True)


def toy(policy: ToyPolicy) -> Domain:
    """Return the row of the toy whose judges such a policy builds."""
    return TIMED_TOY if policy.interval_s else TOY


def ticks(start: int, count: int) -> list[bytes]:
    """Values repeat with period 997, so that integer sums stay exact in floats."""
    return [
        b'{"event_id":"t%d","occurred_at":"2026-01-01T00:00:00Z","value":%d}' % (i, (i * 7) % 997)
        for i in range(start, start + count)
    ]


def oracle(values: Sequence[float], window: int = 1_000) -> dict[int, float]:
    """Return row -> score of what must be flagged."""
    sums = np.concatenate([[0.0], np.cumsum(np.asarray(values, float))])
    return {
        i: 1 + (sums[i + 1] - sums[max(0, i + 1 - window)]) / 1e6
        for i, value in enumerate(values)
        if value % 50 == 0
    }


NOW = datetime(2026, 1, 1, tzinfo=UTC)
