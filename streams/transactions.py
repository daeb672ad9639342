"""Transactions: outputs and offsets gathered while batches are judged, committed as one.

::

    judged  -- add -->  gathered  -- publish -->  in the producer  -- begin_commit -->  committed

Judging goes on while a commit is under way; publishing waits for it.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import structlog

from eddy.schemas.errors import Unavailable
from eddy.streams.config import EngineConfig
from eddy.streams.fetchers import TopicPartition
from eddy.streams.lane import Lane
from eddy.streams.membership import Membership
from eddy.streams.metrics import Metrics
from eddy.streams.publisher import Position, ProducerLost, Publisher

log = structlog.get_logger()

PATIENCE = 1.5
CONNECT_LIMIT_S = 45.0
"""Longer than `Publisher.connect` waits by itself: only what never returns is left behind."""


class Transactions:
    """The transaction of this process: one is gathered, at most one more is being committed.

    Attributes
    ----------
    commits : int
        Transactions committed so far.
    stuck : int
        Producers left behind with a thread that waits in them for ever.
    """

    def __init__(
        self,
        config: EngineConfig,
        publisher: Publisher,
        membership: Membership,
        metrics: Metrics,
        clock: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._publisher = publisher
        self._membership = membership
        self._metrics = metrics
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._positions: dict[TopicPartition, Position] = {}
        self._oldest_ms: dict[Lane, int] = {}
        self._events = 0
        self._unpublished: list[Callable[[], None]] = []
        self._committing: asyncio.Task[None] | None = None
        self._last_commit = time.monotonic()
        self.commits = self.stuck = 0

    # -- gathering ----------------------------------------------------------------------------

    def add(self, publish: Callable[[], None]) -> None:
        """Let `publish` produce into the transaction when its turn comes."""
        self._unpublished.append(publish)

    def advance(self, topic_partition: TopicPartition, position: Position) -> None:
        """Commit how far a partition is judged."""
        self._positions[topic_partition] = position

    def count(self, lane: Lane, events: int, first_ms: int) -> None:
        """Count records of the transaction; `first_ms` is the first one's timestamp."""
        self._events += events
        self._oldest_ms[lane] = min(self._oldest_ms.get(lane, first_ms), first_ms)

    def drop(self, topic_partition: TopicPartition) -> None:
        """Do not commit a partition that is no longer ours."""
        self._positions.pop(topic_partition, None)

    def forget(self) -> None:
        """Begin to gather anew: what was gathered is on its way, or will never be."""
        self._positions.clear()
        self._oldest_ms.clear()
        self._events = 0
        self._unpublished.clear()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not self._positions

    @property
    def is_done(self) -> bool:
        """Whether all is committed, and that known."""
        return self.is_empty and self._committing is None

    def due(self, caught_up: bool) -> bool:
        """Whether it is time to commit; with nothing waiting, after half the interval.

        Latency counts then, not throughput.
        """
        if self._events >= self._config.commit_max_events:
            return True
        interval_s = self._config.commit_interval_ms / 1e3
        return time.monotonic() - self._last_commit >= (interval_s / 2 if caught_up else interval_s)

    # -- committing ---------------------------------------------------------------------------

    async def publish(self) -> None:
        """Hand what was gathered to the producer, once the commit under way has ended."""
        await self.settle()
        self._hand_over()
        self._publisher.poll()

    def _hand_over(self) -> None:
        self._publisher.begin()
        for publish in self._unpublished:
            publish()
        self._unpublished.clear()

    def begin_commit(self) -> None:
        """Commit what was gathered, while whoever calls goes on; none may be under way."""
        self._hand_over()
        positions, oldest = dict(self._positions), dict(self._oldest_ms)
        self.forget()
        self._committing = asyncio.create_task(self._commit(positions, oldest))

    async def settle(self, *, wait: bool = True) -> None:
        """Raise what the commit under way raised; with `wait`, after it has ended."""
        task = self._committing
        if task is not None and (wait or task.done()):
            self._committing = None
            await task

    async def _commit(
        self, positions: Mapping[TopicPartition, Position], oldest_ms: Mapping[Lane, int]
    ) -> None:
        begun = self._last_commit = time.monotonic()
        await self._limited(lambda: self._publisher.commit(positions, self._membership.metadata()))
        self.commits += 1
        self._metrics.transaction.observe(time.monotonic() - begun)
        now_ms = self._clock().timestamp() * 1e3
        for lane, oldest in oldest_ms.items():
            if oldest >= 0:
                lane.counters.latency.observe(max(0.0, (now_ms - oldest) / 1e3))
        self._metrics.progressed()

    async def abort(self) -> None:
        """Take back what is in the producer; a producer that cannot is replaced."""
        try:
            await self._limited(self._publisher.abort)
        except ProducerLost:
            await self.reconnect()

    async def reconnect(self) -> None:
        """Replace the producer; its successor fences it.

        Raises
        ------
        Unavailable
            Where the coordinator does not answer.
        """
        try:
            await self._limited(self._publisher.connect, CONNECT_LIMIT_S)
        except ProducerLost as error:
            raise Unavailable(str(error)) from error

    async def _limited(self, call: Callable[[], Any], least_s: float = 0.0) -> None:
        """Run a call of the publisher's, with a limit that librdkafka does not keep by itself.

        Seen with 2.16: `send_offsets_to_transaction` never returns when the broker was restarted
        under it, whatever its time-out. The producer is then left behind with the thread that
        waits in it; its successor has the same transactional id and fences it.
        """
        limit_s = max(PATIENCE * self._config.transaction_timeout_ms / 1e3, least_s)
        work = asyncio.get_running_loop().run_in_executor(self._thread, call)
        done, _ = await asyncio.wait([work], timeout=limit_s)
        if done:
            work.result()
            return
        self.stuck += 1
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._publisher.abandon()
        raise ProducerLost(f"the producer did not answer within {limit_s:.0f} s")
