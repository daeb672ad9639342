"""The engine: judges batches, and commits outputs and offsets as one.

Guarantee: every valid record of an input topic is judged exactly once into the outputs as
read_committed consumers see them; every other record is on the rejections topic, in the same
transaction. A crash, an aborted transaction or a lost partition rolls both back together; state
is then rebuilt from checkpoint and log, so it equals what an uninterrupted run would have.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any, cast

import numpy as np
import structlog

from eddy.models.judge import Model, Reconfigurable, ShadowedJudge
from eddy.schemas.errors import EddyError, FatalError, Unavailable
from eddy.streams.batch import Batch, DecodedRun
from eddy.streams.checkpoints import Checkpoints
from eddy.streams.config import EngineConfig
from eddy.streams.fetchers import TopicPartition
from eddy.streams.label_updates import LabelUpdates
from eddy.streams.lane import Lane
from eddy.streams.membership import Membership
from eddy.streams.metrics import Metrics
from eddy.streams.output import Output
from eddy.streams.partition import Partition
from eddy.streams.publisher import ProducerLost, Publisher, TransactionAborted
from eddy.streams.reader import Reader
from eddy.streams.records import OFFSET_RESET, ReadError, raise_if_refused
from eddy.streams.restore import Restorer
from eddy.streams.retries import retry
from eddy.streams.snapshots import Snapshots
from eddy.streams.transactions import Transactions

log = structlog.get_logger()

_TICKS_AT_ONCE = 8  # the others follow a second later
_PASSING = (TransactionAborted, ProducerLost, Unavailable)


class Engine:
    """Owns the partitions of this process and the one open transaction.

    Coroutines run on one event loop and take turns by a lock; whatever blocks goes to a thread.

    Parameters
    ----------
    lanes : mapping of str to Lane
        By input topic.
    reader_thread : ThreadPoolExecutor
        The one thread that may touch `reader`.
    labels : LabelUpdates, optional
        Where judges learn what is said of their events later.
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
        metrics: Metrics,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        labels: LabelUpdates | None = None,
    ) -> None:
        self._config = config
        self._lanes = dict(lanes)
        self._reader = reader
        self._reader_thread = reader_thread
        self._metrics = metrics
        self._restorer = Restorer(membership, checkpoints, metrics, config)
        self._output = Output(publisher, metrics, clock)
        self._transactions = Transactions(config, publisher, membership, metrics, clock)
        self._snapshots = Snapshots(checkpoints, metrics, config.checkpoint_interval_s, clock)
        self._labels = labels
        self._lock = asyncio.Lock()
        self._epoch = 0
        self._sequence = 0
        self._partitions: dict[TopicPartition, Partition] = {}
        self._caught_up = True
        self._looked_at_clocks = 0.0
        self._recoveries = self._commits_seen = 0
        for lane in self._lanes.values():
            lane.bind(metrics)

    # -- events -------------------------------------------------------------------------------

    async def process(self, batch: Batch) -> None:
        """Judge a batch and publish what it says; commits when it is time to.

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
            partition = self._partitions.get((run.run.topic, run.run.partition))
            if partition is not None and partition.epoch == run.epoch:
                await self._advance(partition, run)
        await self._transactions.publish()
        # a replay gathers nothing: committing that would count as progress
        if not self._transactions.is_empty and self._transactions.due(self._caught_up):
            await self._commit_or_begin_to()

    async def _advance(self, partition: Partition, run: DecodedRun) -> None:
        start = run.first_at_or_after(partition.position)
        limit = partition.lane.route.stop.get(run.run.partition)
        stop = run.run.stop if limit is None else run.first_at_or_after(limit)
        if start >= stop:
            return
        live = min(max(run.first_at_or_after(partition.live_from), start), stop)
        if start < live:
            self._replay(partition, run, start, live)
        if live < stop:
            if not partition.live and not await self._go_live(partition):
                return
            self._judge(partition, run, live, stop)

    def _replay(self, partition: Partition, run: DecodedRun, start: int, stop: int) -> None:
        for begin, end in partition.between_ticks(run, start, stop):
            partition.judge.judge(run.events(begin, end))
        partition.position = int(run.records.offsets[stop - 1]) + 1
        partition.moved(int(run.records.timestamps[stop - 1]))
        partition.lane.counters.replayed.inc(stop - start)
        self._metrics.progressed()

    def _judge(self, partition: Partition, run: DecodedRun, start: int, stop: int) -> None:
        lane, begun = partition.lane, time.perf_counter()
        events = run.events(start, stop)
        verdicts = partition.judge.judge(events)
        lane.counters.scoring.observe(time.perf_counter() - begun)
        rejections = list(run.rejections(start, stop))
        lane.fuse.count(
            stop - start, len(rejections), lane.domain.name, rejections[-1] if rejections else None
        )
        add = self._transactions.add
        add(lambda: self._output.verdicts(lane, verdicts))
        if rejections:
            add(lambda: self._output.rejections(lane, rejections))
        if self._config.publish_scored:
            rows = start + np.flatnonzero(run.columns.valid[start - run.base : stop - run.base])
            add(lambda: self._output.scored(lane, run, rows, events, verdicts))
        self._note(partition, run, start, stop, events.occurred_at)

    def _note(
        self, partition: Partition, run: DecodedRun, start: int, stop: int, times: Any
    ) -> None:
        lane, count = partition.lane, stop - start
        partition.position = int(run.records.offsets[stop - 1]) + 1
        partition.last_timestamp_ms = int(run.records.timestamps[stop - 1])
        partition.moved(partition.last_timestamp_ms)
        self._transactions.advance(partition.place, partition.committable)
        self._transactions.count(lane, count, int(run.records.timestamps[start]))
        lane.counters.consumed.inc(count)
        lane.counters.judged.inc(len(times))
        if len(times):
            lane.counters.watermark.set(float(times.max()) / 1e6)

    async def _go_live(self, partition: Partition) -> bool:
        if partition.needs_more_history:
            await self._rebuild(partition)
            return False
        partition.replay_ticks(partition.live_from)
        partition.live = True
        partition.lane.counters.restore.observe(time.monotonic() - partition.assigned_at)
        return True

    async def _rebuild(self, partition: Partition) -> None:
        start = partition.earlier_start()
        log.info("rebuild_goes_further_back", place=partition.place, start=start)
        self._epoch += 1
        partition.judge = partition.lane.build_judge(partition.place[1])
        if self._labels is not None:
            await asyncio.to_thread(self._labels.catch_up, [partition])
        partition.clock.rewind()
        partition.epoch, partition.position, partition.fetch_from = self._epoch, start, start
        await self._read_from({partition.place: start}, self._epoch)

    # -- transactions -------------------------------------------------------------------------

    async def tick(self) -> None:
        """Commit what is open when its time has come; called on a timer, events or not."""
        async with self._lock:
            try:
                await self._transactions.settle(wait=False)
                await self._let_time_pass()
                if not self._transactions.is_empty and self._transactions.due(self._caught_up):
                    await self._commit()
            except _PASSING as error:
                await self._recover(error)

    async def _let_time_pass(self) -> None:
        """Move the clocks of judges whose partitions bring nothing; once a second is enough."""
        if time.monotonic() - self._looked_at_clocks < 1.0:
            return
        self._looked_at_clocks = time.monotonic()
        for partition in list(self._partitions.values()):
            # what is replayed up to a stop has its own time: the wall clock is none of it
            endless = partition.place[1] not in partition.lane.route.stop
            idle = endless and partition.is_idle(self._config.idle_after_s)
            if idle and self._seen(partition):
                await self._pass(partition)

    async def _pass(self, partition: Partition) -> None:
        if not partition.live and not await self._go_live(partition):
            return
        for verdicts in islice(partition.advance(), _TICKS_AT_ONCE):
            self._transactions.add(partial(self._output.verdicts, partition.lane, verdicts))
            self._transactions.advance(partition.place, partition.committable)

    def _seen(self, partition: Partition) -> bool:
        """Whether all that the partition holds was judged, as of the last fetch."""
        restored = partition.live or partition.position >= partition.live_from
        fetched = self._reader.end_offset(partition.place) is not None
        return restored and fetched and self._read_all

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
                self._snapshots.begin(self._partitions.values())

    async def _recover(self, cause: Exception) -> None:
        """Abort, then rebuild every partition from what is committed; bounded."""
        with suppress(EddyError):
            await self._transactions.settle()
        self._count_recovery(cause)
        self._transactions.forget()
        await asyncio.sleep(0.0 if self._recoveries == 1 else 0.1 * 2**self._recoveries)
        if isinstance(cause, ProducerLost):
            await retry(self._transactions.reconnect)
        await retry(self._transactions.abort)
        await retry(lambda: self._start(list(self._partitions)))

    def _count_recovery(self, cause: Exception) -> None:
        if self._transactions.commits != self._commits_seen:
            self._commits_seen, self._recoveries = self._transactions.commits, 0
        self._recoveries += 1
        self._metrics.recoveries.inc()
        log.warning("recovering", why=str(cause), kind=type(cause).__name__, try_=self._recoveries)
        if not isinstance(cause, _PASSING):
            log.error("unexpected_error", exc_info=cause)
        if self._recoveries > self._config.max_recoveries:
            raise FatalError(
                f"gave up after {self._config.max_recoveries} recoveries in a row, nothing was "
                f"committed meanwhile: {type(cause).__name__}: {cause}"
            ) from cause

    # -- assignment ---------------------------------------------------------------------------

    async def assigned(self, places: Sequence[TopicPartition]) -> None:
        """Take over partitions: restore their state, then read from there."""
        async with self._lock:
            self._metrics.rebalances.inc()
            log.info("partitions_assigned", places=places)
            await retry(lambda: self._start(places))

    async def revoked(self, places: Sequence[TopicPartition]) -> None:
        """Commit what is open, leave checkpoints for the next owner, let go."""
        async with self._lock:
            self._metrics.rebalances.inc()
            log.info("partitions_revoked", places=places)
            try:
                await self._commit()
                await self._snapshots.write(self._owned(places))
            except _PASSING as error:
                await self._let_go(places)
                await self._recover(error)
            else:
                await self._let_go(places)

    async def lost(self, places: Sequence[TopicPartition]) -> None:
        """Abort: others may own these partitions already."""
        async with self._lock:
            await self._let_go(places)
            await self._recover(TransactionAborted(f"partitions lost: {places}"))

    async def _start(self, places: Sequence[TopicPartition]) -> None:
        if not places:
            return
        self._epoch += 1
        epoch = self._epoch
        partitions, initial = await asyncio.to_thread(
            self._restorer.prepare, places, self._lanes, epoch
        )
        if self._labels is not None:
            await asyncio.to_thread(self._labels.catch_up, partitions)
        self._partitions.update((partition.place, partition) for partition in partitions)
        # The beginning is committed at once: a second start must not choose another one.
        for place, position in initial.items():
            self._transactions.advance(place, position)
        await self._read_from({p.place: p.position for p in partitions}, epoch)

    async def _let_go(self, places: Sequence[TopicPartition]) -> None:
        for place in places:
            self._partitions.pop(place, None)
            self._transactions.drop(place)
            with suppress(KeyError):  # not shown yet
                self._metrics.consumer_lag_messages.remove(place[0], str(place[1]))
        await self._on_reader(lambda: self._reader.unassign(places))

    def _owned(self, places: Iterable[TopicPartition]) -> list[Partition]:
        return [self._partitions[place] for place in places if place in self._partitions]

    async def _read_from(self, offsets: Mapping[TopicPartition, int], epoch: int) -> None:
        await self._on_reader(lambda: self._reader.assign(offsets, epoch))

    async def read_errors(self, errors: Sequence[ReadError]) -> None:
        """Act on what a broker said instead of records.

        Raises
        ------
        MissingResource
            Where the credentials are refused.
        """
        for error in errors:
            raise_if_refused(error)
            place = (error.topic, error.partition)
            if error.code in OFFSET_RESET and place in self._partitions:
                async with self._lock:
                    await self._recover(TransactionAborted(f"{place}: {error.text}"))
            else:
                log.warning("read_error", code=error.code, text=error.text, place=place)

    # -- models and policies ------------------------------------------------------------------

    async def reload(self) -> None:
        """Look for new champions and policies, for the judges; no event and no window is lost."""
        for lane in self._lanes.values():
            model = await asyncio.to_thread(lane.poll_model)
            if model is not None:
                async with self._lock:
                    await self._keep_state_before(lane)
                    self._adopt(lane, model)
            challenger = await asyncio.to_thread(lane.poll_challenger)
            if challenger is not None:
                async with self._lock:
                    self._shadow(lane, *challenger)
            found = await asyncio.to_thread(lane.poll_policy)
            if found is not None:
                async with self._lock:
                    await self._keep_state_before(lane)
                    self._govern(lane, *found)

    async def take_labels(self) -> None:
        """Let judges learn what was said of their events meanwhile."""
        if self._labels is None:
            return
        found = await asyncio.to_thread(self._labels.poll)
        if found:
            async with self._lock:  # in a thread: it looks through all that is remembered
                partitions = list(self._partitions.values())
                await asyncio.to_thread(self._labels.teach, partitions, found)

    async def close_labels(self) -> None:
        """End the feed of labels."""
        if self._labels is not None:
            await asyncio.to_thread(self._labels.close)

    def _shadow(self, lane: Lane, model: Model | None) -> None:
        lane.challenger = model
        for partition in self._partitions.values():
            if partition.lane is lane and lane.domain.has_shadow:
                cast("ShadowedJudge", partition.judge).set_challenger(model)
        log.info("challenger", version=None if model is None else model.ref.version)

    async def _keep_state_before(self, lane: Lane) -> None:
        """Leave checkpoints where state depends on the model that judged."""
        timed = [p for p in self._partitions.values() if p.lane is lane and p.timed]
        if timed:
            try:
                await self._commit()
            except _PASSING as error:
                await self._recover(error)
            else:
                await self._snapshots.write(timed)

    def _adopt(self, lane: Lane, model: Model) -> None:
        lane.model = model
        for partition in self._partitions.values():
            if partition.lane is lane:
                partition.judge.set_model(model)
        log.info("model_reloaded", model=model.ref.name, version=model.ref.version)

    def _govern(self, lane: Lane, policy: Any, config_hash: str) -> None:
        lane.policy, lane.config_hash = policy, config_hash
        for partition in self._partitions.values():
            if partition.lane is lane:
                judge = cast("Reconfigurable", partition.judge)
                judge.update_policy(policy, lane.identity(partition.place[1]))

    # -- the end ------------------------------------------------------------------------------

    async def finish(self) -> None:
        """Commit what is open and leave checkpoints; the last call before closing."""
        async with self._lock:
            await self._commit()
            await self._snapshots.write(self._partitions.values())
            await self._let_go(list(self._partitions))

    # -- what can be seen from outside --------------------------------------------------------

    def lag(self) -> dict[TopicPartition, int]:
        """Return the messages between position and end, by partition, as of the last fetch."""
        result = {}
        for place, partition in list(self._partitions.items()):
            end = self._reader.end_offset(place)
            result[place] = 0 if end is None else max(0, end - partition.position)
        return result

    def ends_known(self) -> bool:
        """Whether every owned partition was fetched from at least once."""
        return all(self._reader.end_offset(place) is not None for place in self._partitions)

    @property
    def idle(self) -> bool:
        """Whether all that was read is judged and committed."""
        committed = self._transactions.is_empty and not self._transactions.is_committing
        return self._read_all and committed and not self._lock.locked()

    @property
    def _read_all(self) -> bool:
        return self._sequence == self._reader.sequence

    @property
    def stuck(self) -> bool:
        """Whether a thread waits for ever in a producer that was left behind."""
        return self._transactions.stuck > 0

    @property
    def partitions(self) -> Mapping[TopicPartition, Partition]:
        """The partitions owned now."""
        return self._partitions

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes by input topic."""
        return self._lanes

    async def _on_reader(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._reader_thread, call)
