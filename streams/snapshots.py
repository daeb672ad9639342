"""Snapshots: the state of judges, taken between two batches and stored beside the stream."""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import datetime

import structlog

from eddy.schemas.errors import Unavailable
from eddy.streams.checkpoints import Checkpoints
from eddy.streams.metrics import Metrics
from eddy.streams.partition import Partition

log = structlog.get_logger()

_Snapshot = tuple[Partition, tuple[int, int], bytes]


class Snapshots:
    """Writes checkpoints on a timer, at most one round at a time.

    Call right after a commit: positions and committed offsets are one then. Snapshots are taken
    at once, compressed and written by a thread while events flow on.

    Parameters
    ----------
    interval_s : float
        Between two rounds.
    clock : callable
        Gives the time that a checkpoint bears.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        metrics: Metrics,
        interval_s: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._checkpoints = checkpoints
        self._metrics = metrics
        self._interval_s = interval_s
        self._clock = clock
        self._last = time.monotonic()
        self._round: asyncio.Task[None] | None = None

    @property
    def due(self) -> bool:
        """Whether the interval has passed."""
        return time.monotonic() - self._last >= self._interval_s

    def begin(self, partitions: Iterable[Partition]) -> None:
        """Take snapshots and let a thread write them; does nothing while the last round goes on."""
        if self._round is None or self._round.done():
            self._last = time.monotonic()
            taken = _taken(partitions)
            self._round = asyncio.create_task(asyncio.to_thread(self._write, taken))

    async def write(self, partitions: Iterable[Partition]) -> None:
        """Take snapshots and write them, after the round that is under way."""
        if self._round is not None:
            await self._round
        await asyncio.to_thread(self._write, _taken(partitions))

    def _write(self, snapshots: Iterable[_Snapshot]) -> None:
        for partition, mark, state in snapshots:
            try:
                partition.state_bytes = self._checkpoints.write(
                    *partition.topic_partition,
                    mark[0],
                    state,
                    state_hash=partition.lane.state_hash,
                    model_version=partition.lane.model.ref.version,
                    now=self._clock(),
                )
            except Unavailable as error:
                # Not fatal: a crash now costs a longer replay, no event.
                self._metrics.checkpoints.labels("failed").inc()
                log.warning("checkpoint_failed", place=partition.topic_partition, why=str(error))
            else:
                partition.checkpointed = mark
                self._metrics.checkpoints.labels("written").inc()


def _taken(partitions: Iterable[Partition]) -> list[_Snapshot]:
    return [
        (partition, partition.mark, partition.judge.snapshot())
        for partition in partitions
        if partition.live and partition.mark != partition.checkpointed
    ]
