"""The partition: one judge, and how far it has come between replay and live."""

import time
from dataclasses import dataclass, field

from models.judge import Judge
from streams.fetchers import TopicPartition
from streams.lane import Lane


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
    live: bool = False
    last_timestamp_ms: int = -1
    state_bytes: int = 0
    checkpointed: int = -1
    assigned_at: float = field(default_factory=time.monotonic)

    @property
    def needs_more_history(self) -> bool:
        """Whether a rebuild ended before the judge had seen all it depends on."""
        return self.rebuilt and self.fetch_from > self.low and not self.judge.complete

    def earlier_start(self) -> int:
        """Return where to begin the rebuild again, four times as far back."""
        return max(self.low, self.live_from - 4 * max(self.live_from - self.fetch_from, 1))
