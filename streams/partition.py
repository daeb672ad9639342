"""The partition: one judge, and how far it has come between replay and live."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from eddy.models.judge import Judge, TimedJudge, Verdicts
from eddy.streams.batch import DecodedRun
from eddy.streams.fetchers import TopicPartition
from eddy.streams.idle_clock import IdleClock
from eddy.streams.lane import Lane
from eddy.streams.publisher import Position


@dataclass(slots=True)
class Partition:
    """State of one owned partition.

    Attributes
    ----------
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
    """

    place: TopicPartition
    lane: Lane
    judge: Judge
    epoch: int
    position: int
    live_from: int
    fetch_from: int
    low: int
    rebuilt: bool
    clock: IdleClock = field(default_factory=IdleClock)
    timed: bool = field(init=False)
    live: bool = False
    last_timestamp_ms: int = -1
    state_bytes: int = 0
    checkpointed: tuple[int, int] = (-1, 0)
    assigned_at: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.timed = self.lane.domain.is_timed

    @property
    def mark(self) -> tuple[int, int]:
        """What the state depends on: the position, and the last tick."""
        return self.position, self.clock.last_us

    @property
    def needs_more_history(self) -> bool:
        """Whether a rebuild ended before the judge had seen all it depends on."""
        return self.rebuilt and self.fetch_from > self.low and not self.judge.complete

    def earlier_start(self) -> int:
        """Return where to begin the rebuild again, four times as far back."""
        return max(self.low, self.live_from - 4 * max(self.live_from - self.fetch_from, 1))

    @property
    def committable(self) -> Position:
        """What is to be committed of this partition."""
        return Position(self.position, self.clock.note)

    # -- time, for judges that know it ---------------------------------------------------------

    def moved(self, timestamp_ms: int) -> None:
        """Note that records came, the last of them with this timestamp."""
        if self.timed:
            self.clock.moved(self._timed_judge, timestamp_ms)

    def is_idle(self, after_s: float) -> bool:
        """Whether time must be made to pass."""
        return self.timed and self.clock.is_idle(after_s)

    def advance(self) -> Iterator[Verdicts]:
        """Let time pass by the wall clock; what is yielded is to be published."""
        return self.clock.advance(self._timed_judge, self.position)

    def replay_ticks(self, up_to: int) -> None:
        """Take again what passed without records up to an offset."""
        if self.timed:
            self.clock.replay(self._timed_judge, up_to)

    @property
    def _timed_judge(self) -> TimedJudge:
        return cast("TimedJudge", self.judge)

    def between_ticks(self, run: DecodedRun, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """Cut rows where ticks were taken before; each is taken again when its turn comes."""
        if not self.timed:
            yield start, stop
            return
        while start < stop:
            tick = self.clock.next_replay()
            end = stop if tick is None else max(start, min(stop, run.first_at_or_after(tick)))
            if start < end:
                yield start, end
            if end < stop and tick is not None:
                self.replay_ticks(tick)
            start = end
