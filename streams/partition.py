"""The partition: one judge, and how far it has come between replay and live."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from eddy.models.judge import Events, Judge, TimedJudge, Verdicts
from eddy.schemas.rejections import Rejection
from eddy.streams.batch import DecodedRun
from eddy.streams.fetchers import TopicPartition
from eddy.streams.idle_clock import IdleClock
from eddy.streams.lane import Lane
from eddy.streams.publisher import Position


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """What judging the rows ``start:stop`` of a run brought.

    Attributes
    ----------
    lane : Lane
    run : DecodedRun
    start, stop : int
        Rows of the batch.
    events : Events
        The valid ones among the rows.
    verdicts : Verdicts
    rejections : list of Rejection
        Of the other rows.
    """

    lane: Lane
    run: DecodedRun
    start: int
    stop: int
    events: Events
    verdicts: Verdicts
    rejections: list[Rejection]

    @property
    def valid_rows(self) -> NDArray[np.intp]:
        """The rows of the events."""
        base = self.run.base
        return self.start + np.flatnonzero(
            self.run.columns.valid[self.start - base : self.stop - base]
        )

    @property
    def records(self) -> int:
        """How many records were judged, rejected ones included."""
        return self.stop - self.start

    @property
    def first_timestamp_ms(self) -> int:
        """Kafka's timestamp of the first record."""
        return int(self.run.records.timestamps[self.start])


@dataclass(slots=True)
class Partition:
    """State of one owned partition.

    Attributes
    ----------
    topic_partition : TopicPartition
        Which one.
    lane : Lane
        What its topic's records are, and what they are judged with.
    judge : Judge
    epoch : int
        The assignment it is fetched under; batches of older ones are dropped.
    position : int
        The next offset to judge.
    live_from : int
        The committed offset at assignment; what stands before it is judged without output.
    fetch_from : int
        Where the replay began.
    low : int
        The first offset that the broker still keeps.
    rebuilt : bool
        Whether the state comes from the log alone, without a checkpoint.
    clock : IdleClock
        What makes time pass for a judge that needs it.
    live : bool
        Whether the replay has ended: what is judged is published.
    last_timestamp_ms : int
        Kafka's timestamp of the last record judged live, -1 before the first.
    state_bytes : int
        Size of the last checkpoint.
    checkpointed : tuple
        The `mark` of the last checkpoint.
    assigned_at : float
        By `time.monotonic`.
    """

    topic_partition: TopicPartition
    lane: Lane
    judge: Judge
    epoch: int
    position: int
    live_from: int
    fetch_from: int
    low: int
    rebuilt: bool
    clock: IdleClock = field(default_factory=IdleClock)
    live: bool = False
    last_timestamp_ms: int = -1
    state_bytes: int = 0
    checkpointed: tuple[int, int] = (-1, 0)
    assigned_at: float = field(default_factory=time.monotonic)

    @property
    def number(self) -> int:
        """Its number in the topic."""
        return self.topic_partition[1]

    @property
    def end(self) -> int | None:
        """The offset before which judging stops, None where it goes on without an end."""
        return self.lane.route.stop.get(self.number)

    @property
    def mark(self) -> tuple[int, int]:
        """What the state depends on: the position, and the last tick."""
        return self.position, self.clock.last_us

    @property
    def committable(self) -> Position:
        """What is to be committed of this partition."""
        return Position(self.position, self.clock.note)

    # -- records -------------------------------------------------------------------------------

    def rows_to_take(self, run: DecodedRun) -> tuple[int, int, int]:
        """Return (start, live, stop): rows to replay up to `live`, to judge live from there on."""
        start = run.first_at_or_after(self.position)
        stop = run.run.stop if self.end is None else run.first_at_or_after(self.end)
        live = min(max(run.first_at_or_after(self.live_from), start), stop)
        return start, live, stop

    def replay_rows(self, run: DecodedRun, start: int, stop: int) -> None:
        """Let the judge learn from rows that were judged before; nothing is published."""
        for begin, end in self._between_ticks(run, start, stop):
            self.judge.judge(run.events(begin, end))
        self._move_past(run, stop)
        self.lane.counters.replayed.inc(stop - start)

    def judge_rows(self, run: DecodedRun, start: int, stop: int) -> JudgedRun:
        """Judge rows, and go on behind them.

        Raises
        ------
        CircuitOpen
            Where nearly all records of late were rejected.
        """
        lane, begun = self.lane, time.perf_counter()
        events = run.events(start, stop)
        verdicts = self.judge.judge(events)
        lane.counters.scoring.observe(time.perf_counter() - begun)
        rejections = list(run.rejections(start, stop))
        lane.circuit_breaker.count(
            stop - start, len(rejections), lane.domain.name, rejections[-1] if rejections else None
        )
        self.last_timestamp_ms = self._move_past(run, stop)
        lane.counters.consumed.inc(stop - start)
        lane.counters.judged.inc(len(events))
        if len(events):
            lane.counters.watermark.set(float(events.occurred_at.max()) / 1e6)
        return JudgedRun(lane, run, start, stop, events, verdicts, rejections)

    def _move_past(self, run: DecodedRun, stop: int) -> int:
        """Set the position behind the last of these rows; return its timestamp."""
        self.position = int(run.records.offsets[stop - 1]) + 1
        timestamp_ms = int(run.records.timestamps[stop - 1])
        if self.lane.domain.is_timed:
            self.clock.moved(self._timed_judge, timestamp_ms)
        return timestamp_ms

    # -- from replay to live -------------------------------------------------------------------

    @property
    def is_restored(self) -> bool:
        """Whether all that was judged before is replayed."""
        return self.live or self.position >= self.live_from

    @property
    def needs_more_history(self) -> bool:
        """Whether a rebuild ended before the judge had seen all it depends on."""
        return self.rebuilt and self.fetch_from > self.low and not self.judge.complete

    def go_live(self) -> None:
        """End the replay."""
        self._replay_ticks(self.live_from)
        self.live = True
        self.lane.counters.restore.observe(time.monotonic() - self.assigned_at)

    def rewind(self, epoch: int) -> None:
        """Begin the rebuild again with a fresh judge, four times as far back."""
        before = 4 * max(self.live_from - self.fetch_from, 1)
        self.fetch_from = self.position = max(self.low, self.live_from - before)
        self.judge = self.lane.build_judge(self.number)
        self.clock.rewind()
        self.epoch = epoch

    # -- time, for judges that know it ---------------------------------------------------------

    def is_idle(self, after_s: float) -> bool:
        """Whether time must be made to pass.

        Never for what is replayed up to a stop: it has its own time.
        """
        knows_time = self.lane.domain.is_timed and self.end is None
        return knows_time and self.is_restored and self.clock.is_idle(after_s)

    def pass_time(self) -> Iterator[Verdicts]:
        """Let time pass by the wall clock; what is yielded is to be published."""
        return self.clock.advance(self._timed_judge, self.position)

    @property
    def _timed_judge(self) -> TimedJudge:
        return cast("TimedJudge", self.judge)

    def _replay_ticks(self, up_to: int) -> None:
        """Take again what passed without records up to an offset."""
        if self.lane.domain.is_timed:
            self.clock.replay(self._timed_judge, up_to)

    def _between_ticks(self, run: DecodedRun, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut rows where ticks were taken before; each is taken again when its turn comes."""
        if not self.lane.domain.is_timed:
            yield start, stop
            return
        while start < stop:
            tick = self.clock.next_replay()
            end = stop if tick is None else max(start, min(stop, run.first_at_or_after(tick)))
            if start < end:
                yield start, end
            if end < stop and tick is not None:
                self._replay_ticks(tick)
            start = end
