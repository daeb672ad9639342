"""The engine: judges batches, and commits outputs and offsets as one.

Guarantee: every valid record of an input topic is judged exactly once into the outputs as
read_committed consumers see them; every other record is on the rejections topic, in the same
transaction. A crash, an aborted transaction or a lost partition rolls both back together; state
is then rebuilt from checkpoint and log, so it equals what an uninterrupted run would have.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice

import structlog

from eddy.schemas.errors import EddyError, FatalError
from eddy.streams.assignment import Assignment
from eddy.streams.batch import Batch, DecodedRun
from eddy.streams.checkpoints import Checkpoints
from eddy.streams.config import EngineConfig
from eddy.streams.fetchers import TopicPartition
from eddy.streams.label_updates import LabelUpdates
from eddy.streams.lane import Lane
from eddy.streams.membership import Membership
from eddy.streams.metrics import Metrics
from eddy.streams.model_updates import poll_updates
from eddy.streams.output import Output
from eddy.streams.partition import JudgedRun, Partition
from eddy.streams.publisher import ProducerLost, Publisher, TransactionAborted
from eddy.streams.reader import Reader
from eddy.streams.records import OFFSET_RESET, ReadError, raise_if_refused
from eddy.streams.recovery import PASSING, Recoveries
from eddy.streams.restore import Restorer
from eddy.streams.retries import retry
from eddy.streams.snapshots import Snapshots
from eddy.streams.transactions import Transactions

log = structlog.get_logger()

_TICKS_AT_ONCE = 8  # the others follow a second later


class Engine:
    """Routes batches to the partitions of this process, and commits what these bring.

    Coroutines run on one event loop and take turns by a lock; whatever blocks goes to a thread.

    Parameters
    ----------
    lanes : mapping of str to Lane
        By input topic.
    reader_thread : ThreadPoolExecutor
        The one thread that may touch `reader`.
    labels : LabelUpdates
        Where judges learn labels of their events.

    Attributes
    ----------
    assignment : Assignment
        The partitions.
    """

    def __init__(
        self,
        config: EngineConfig,
        lanes: Mapping[str, Lane],
        reader: Reader,
        reader_thread: ThreadPoolExecutor,
        membership: Membership,
        publisher: Publisher,
        checkpoints: Checkpoints,
        labels: LabelUpdates,
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        for lane in lanes.values():
            lane.bind(metrics)
        self._config = config
        self._reader = reader
        self._metrics = metrics
        self._output = Output(publisher, metrics, clock, publish_scored=config.publish_scored)
        self._transactions = Transactions(config, publisher, membership, metrics, clock)
        self._snapshots = Snapshots(checkpoints, metrics, config.checkpoint_interval_s, clock)
        self._recoveries = Recoveries(config.max_recoveries, metrics)
        self._labels = labels
        restorer = Restorer(membership, checkpoints, metrics, config)
        self.assignment = Assignment(
            lanes, restorer, reader, reader_thread, self._transactions, labels, metrics
        )
        self._lock = asyncio.Lock()
        self._sequence = 0
        self._caught_up = True
        self._clocks_checked = 0.0

    # -- events -------------------------------------------------------------------------------

    async def process(self, batch: Batch) -> None:
        """Judge a batch and publish the verdicts; commits when it is time to.

        Raises
        ------
        FatalError
            Where the process must end; nothing of the open transaction is committed.
        """
        async with self._lock:
            try:
                await self._process(batch)
            except FatalError:
                raise
            except Exception as error:
                await self._recover(error)
            finally:
                batch.release()

    async def _process(self, batch: Batch) -> None:
        if batch.sequence != self._sequence + 1:
            self._sequence = batch.sequence
            raise TransactionAborted("batches were lost between reader and agent")
        self._sequence = batch.sequence
        self._caught_up = len(batch.records.offsets) < self._config.batch_size // 4
        for run in batch.runs:
            partition = self.assignment.partition_of(run)
            if partition is not None:
                await self._advance(partition, run)
        await self._transactions.publish()
        # a replay gathers nothing: committing that would count as progress
        if not self._transactions.is_empty and self._transactions.due(self._caught_up):
            await self._commit_or_begin_to()

    async def _advance(self, partition: Partition, run: DecodedRun) -> None:
        start, live, stop = partition.rows_to_take(run)
        if start < live:
            partition.replay_rows(run, start, live)
            self._metrics.progressed()
        if live < stop and (partition.live or await self.assignment.go_live(partition)):
            self._gather(partition, partition.judge_rows(run, live, stop))

    def _gather(self, partition: Partition, judged: JudgedRun) -> None:
        self._transactions.add(partial(self._output.judged, judged))
        self._transactions.advance(partition.topic_partition, partition.committable)
        self._transactions.count(judged.lane, judged.records, judged.first_timestamp_ms)

    # -- transactions -------------------------------------------------------------------------

    async def tick(self) -> None:
        """Commit what is open when its time has come; called on a timer, events or not."""
        async with self._lock:
            try:
                await self._transactions.settle(wait=False)
                await self._let_time_pass()
                if not self._transactions.is_empty and self._transactions.due(self._caught_up):
                    await self._commit()
            except PASSING as error:
                await self._recover(error)

    async def _let_time_pass(self) -> None:
        """Move the clocks of judges whose partitions bring nothing; once a second is enough."""
        if time.monotonic() - self._clocks_checked < 1.0:
            return
        self._clocks_checked = time.monotonic()
        for partition in self.assignment.partitions:
            is_read = self._all_judged and self.assignment.is_fetched(partition)
            if is_read and partition.is_idle(self._config.idle_after_s):
                await self._pass_time(partition)

    async def _pass_time(self, partition: Partition) -> None:
        if not partition.live and not await self.assignment.go_live(partition):
            return
        for verdicts in islice(partition.pass_time(), _TICKS_AT_ONCE):
            self._transactions.add(partial(self._output.verdicts, partition.lane, verdicts))
            self._transactions.advance(partition.topic_partition, partition.committable)

    async def _commit_or_begin_to(self) -> None:
        """Commit while the next batch is judged; wait where a checkpoint is due besides."""
        if self._snapshots.due:
            await self._commit()
        else:
            self._transactions.begin_commit()

    async def _commit(self) -> None:
        """Commit what is open and wait: positions and committed offsets are then one."""
        await self._transactions.settle()
        if not self._transactions.is_empty:
            self._transactions.begin_commit()
            await self._transactions.settle()
            if self._snapshots.due:
                self._snapshots.begin(self.assignment.partitions)

    async def _recover(self, cause: Exception) -> None:
        """Abort, then rebuild every partition from what is committed; bounded."""
        with suppress(EddyError):
            await self._transactions.settle()
        self._recoveries.count(cause, self._transactions.commits)
        self._transactions.forget()
        await asyncio.sleep(self._recoveries.pause_s)
        if isinstance(cause, ProducerLost):
            await retry(self._transactions.reconnect)
        await retry(self._transactions.abort)
        await retry(self.assignment.restart)

    # -- rebalances ---------------------------------------------------------------------------

    async def assigned(self, topic_partitions: Sequence[TopicPartition]) -> None:
        """Take over partitions: restore their state, then read from there."""
        async with self._lock:
            self._metrics.rebalances.inc()
            log.info("partitions_assigned", places=topic_partitions)
            await retry(partial(self.assignment.take_over, topic_partitions))

    async def revoked(self, topic_partitions: Sequence[TopicPartition]) -> None:
        """Commit what is open, leave checkpoints for the next owner, let go."""
        async with self._lock:
            self._metrics.rebalances.inc()
            log.info("partitions_revoked", places=topic_partitions)
            try:
                await self._commit()
                await self._snapshots.write(self.assignment.owned(topic_partitions))
            except PASSING as error:
                await self.assignment.let_go(topic_partitions)
                await self._recover(error)
            else:
                await self.assignment.let_go(topic_partitions)

    async def lost(self, topic_partitions: Sequence[TopicPartition]) -> None:
        """Abort: others may own these partitions already."""
        async with self._lock:
            await self.assignment.let_go(topic_partitions)
            await self._recover(TransactionAborted(f"partitions lost: {topic_partitions}"))

    async def read_errors(self, errors: Sequence[ReadError]) -> None:
        """Act on the errors that a broker sent instead of records.

        Raises
        ------
        MissingResource
            Where the credentials are refused.
        """
        for error in errors:
            raise_if_refused(error)
            topic_partition = (error.topic, error.partition)
            if error.code in OFFSET_RESET and topic_partition in self.assignment:
                async with self._lock:
                    await self._recover(TransactionAborted(f"{topic_partition}: {error.text}"))
            else:
                log.warning("read_error", code=error.code, text=error.text, place=topic_partition)

    # -- models, policies and labels ----------------------------------------------------------

    async def reload(self) -> None:
        """Hand new models and policies to the judges; no event and no window is lost."""
        async for update in poll_updates(self.assignment.lanes):
            async with self._lock:
                if update.changes_state:
                    await self._keep_state_before(update.lane)
                update.apply(self.assignment.of_lane(update.lane))

    async def _keep_state_before(self, lane: Lane) -> None:
        """Leave checkpoints where state depends on the model that judged."""
        partitions = self.assignment.of_lane(lane)
        if lane.domain.is_timed and partitions:
            try:
                await self._commit()
            except PASSING as error:
                await self._recover(error)
            else:
                await self._snapshots.write(partitions)

    async def take_labels(self) -> None:
        """Let judges learn the labels that came meanwhile."""
        labels = await asyncio.to_thread(self._labels.poll)
        if labels:
            async with self._lock:  # in a thread: it looks through all that is remembered
                await asyncio.to_thread(self._labels.teach, self.assignment.partitions, labels)

    # -- the end ------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Commit what is open and leave checkpoints; the last call before closing."""
        async with self._lock:
            await self._commit()
            await self._snapshots.write(self.assignment.partitions)
            await self.assignment.let_all_go()

    @property
    def idle(self) -> bool:
        """Whether all that was read is judged and committed."""
        return self._all_judged and self._transactions.is_done and not self._lock.locked()

    @property
    def _all_judged(self) -> bool:
        return self._sequence == self._reader.sequence

    @property
    def stuck(self) -> bool:
        """Whether a thread waits for ever in a producer that was left behind."""
        return self._transactions.stuck > 0
