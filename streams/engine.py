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
from typing import Any

import numpy as np
import structlog

from models.judge import Model
from schemas.errors import EddyError, FatalError, MissingResource, Unavailable
from streams.batch import Batch, DecodedRun
from streams.checkpoints import Checkpoints
from streams.config import EngineConfig
from streams.fetchers import TopicPartition
from streams.lane import Lane
from streams.membership import Membership
from streams.metrics import Metrics
from streams.output import Output
from streams.partition import Partition
from streams.publisher import ProducerLost, Publisher, TransactionAborted
from streams.reader import Reader
from streams.records import OFFSET_RESET, ReadError, raise_if_refused
from streams.restore import Restorer

log = structlog.get_logger()

OUTAGE_LIMIT_S = 900.0
PUBLISHER_PATIENCE = 1.5


class Engine:
    """Owns the partitions of this process and the one open transaction.

    Coroutines run on one event loop and take turns by a lock; whatever blocks goes to a thread.

    Parameters
    ----------
    lanes : mapping of str to Lane
        By input topic.
    reader_thread : ThreadPoolExecutor
        The one thread that may touch `reader`.
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
    ) -> None:
        self._config = config
        self._lanes = dict(lanes)
        self._reader = reader
        self._reader_thread = reader_thread
        self._membership = membership
        self._publisher = publisher
        self._checkpoints = checkpoints
        self._metrics = metrics
        self._clock = clock
        self._restorer = Restorer(membership, checkpoints, metrics, config)
        self._output = Output(publisher, metrics, clock)
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._lock = asyncio.Lock()
        self._epoch = 0
        self._sequence = 0
        self._partitions: dict[TopicPartition, Partition] = {}
        self._offsets: dict[TopicPartition, int] = {}
        self._uncommitted = 0
        self._caught_up = True
        self._unpublished: list[Callable[[], None]] = []
        self._committing: asyncio.Task[None] | None = None
        self._oldest_ms: dict[str, int] = {}
        self._last_commit = self._last_checkpoint = time.monotonic()
        self._recoveries = 0
        self.stuck = 0
        self._checkpoint_task: asyncio.Task[None] | None = None
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
        # Judging went on while the last transaction was being committed; publishing cannot.
        await self._settle()
        self._publisher.begin()
        for publish in self._unpublished:
            publish()
        self._unpublished.clear()
        self._publisher.poll()
        if self._due():
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
        partition.judge.judge(run.events(start, stop))
        partition.position = int(run.records.offsets[stop - 1]) + 1
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
        self._unpublished.append(lambda: self._output.anomalies(lane, verdicts))
        if rejections:
            self._unpublished.append(lambda: self._output.rejections(lane, rejections))
        if self._config.publish_scored:
            rows = start + np.flatnonzero(run.columns.valid[start - run.base : stop - run.base])
            self._unpublished.append(lambda: self._output.scored(lane, run, rows, events, verdicts))
        self._note(partition, run, start, stop, events.occurred_at)

    def _note(
        self, partition: Partition, run: DecodedRun, start: int, stop: int, times: Any
    ) -> None:
        lane, count = partition.lane, stop - start
        partition.position = int(run.records.offsets[stop - 1]) + 1
        partition.last_timestamp_ms = int(run.records.timestamps[stop - 1])
        self._offsets[partition.place] = partition.position
        self._uncommitted += count
        lane.counters.consumed.inc(count)
        lane.counters.judged.inc(len(times))
        first = int(run.records.timestamps[start])
        name = lane.domain.name
        self._oldest_ms[name] = min(self._oldest_ms.get(name, first), first)
        if len(times):
            lane.counters.watermark.set(float(times.max()) / 1e6)

    async def _go_live(self, partition: Partition) -> bool:
        if partition.needs_more_history:
            await self._rebuild(partition)
            return False
        partition.live = True
        partition.lane.counters.restore.observe(time.monotonic() - partition.assigned_at)
        return True

    async def _rebuild(self, partition: Partition) -> None:
        start = partition.earlier_start()
        log.info("rebuild_goes_further_back", place=partition.place, start=start)
        self._epoch += 1
        partition.judge = partition.lane.build_judge(partition.place[1])
        partition.epoch, partition.position, partition.fetch_from = self._epoch, start, start
        await self._read_from({partition.place: start}, self._epoch)

    # -- transactions -------------------------------------------------------------------------

    def _due(self) -> bool:
        if self._uncommitted >= self._config.commit_max_events:
            return True
        interval_s = self._config.commit_interval_ms / 1e3
        # With nothing waiting, half the interval: latency counts then, not throughput.
        waited_s = time.monotonic() - self._last_commit
        return waited_s >= (interval_s / 2 if self._caught_up else interval_s)

    async def tick(self) -> None:
        """Commit what is open when its time has come; called on a timer, events or not."""
        async with self._lock:
            try:
                if self._committing is not None and self._committing.done():
                    await self._settle()
                if self._offsets and self._due():
                    await self._commit()
            except (TransactionAborted, ProducerLost, Unavailable) as error:
                await self._recover(error)

    async def _commit_or_begin_to(self) -> None:
        """Commit while the next batch is judged; wait where a checkpoint is due besides."""
        if self._checkpoint_due():
            await self._commit()
        else:
            self._begin_commit()

    async def _commit(self) -> None:
        """Commit what is open and wait: positions and committed offsets are then one."""
        await self._settle()
        if self._offsets:
            self._begin_commit()
            await self._settle()
            if self._checkpoint_due():
                self._start_checkpoint()

    def _begin_commit(self) -> None:
        self._publisher.begin()
        offsets, oldest = dict(self._offsets), dict(self._oldest_ms)
        self._forget_open()
        self._committing = asyncio.create_task(self._send_commit(offsets, oldest))

    async def _settle(self) -> None:
        """Wait for the commit under way, if there is one, and raise what it raised."""
        task, self._committing = self._committing, None
        if task is not None:
            await task

    async def _send_commit(
        self, offsets: Mapping[TopicPartition, int], oldest_ms: Mapping[str, int]
    ) -> None:
        begun = self._last_commit = time.monotonic()
        await self._publishing(lambda: self._publisher.commit(offsets, self._membership.metadata()))
        self._metrics.transaction.observe(time.monotonic() - begun)
        now_ms = self._clock().timestamp() * 1e3
        for name, oldest in oldest_ms.items():
            lane = next(lane for lane in self._lanes.values() if lane.domain.name == name)
            if oldest >= 0:
                lane.counters.latency.observe(max(0.0, (now_ms - oldest) / 1e3))
        self._recoveries = 0
        self._metrics.progressed()

    def _checkpoint_due(self) -> bool:
        waited_s = time.monotonic() - self._last_checkpoint
        return waited_s >= self._config.checkpoint_interval_s

    def _forget_open(self) -> None:
        """Begin to count anew: what was open is on its way, or will never be."""
        self._offsets.clear()
        self._oldest_ms.clear()
        self._uncommitted = 0

    async def _recover(self, cause: Exception) -> None:
        """Abort, then rebuild every partition from what is committed; bounded."""
        with suppress(EddyError):
            await self._settle()
        self._unpublished.clear()
        self._recoveries += 1
        self._metrics.recoveries.inc()
        log.warning("recovering", why=str(cause), kind=type(cause).__name__, try_=self._recoveries)
        if not isinstance(cause, (TransactionAborted, ProducerLost, Unavailable)):
            log.error("unexpected_error", exc_info=cause)
        if self._recoveries > self._config.max_recoveries:
            raise FatalError(
                f"gave up after {self._config.max_recoveries} recoveries in a row, nothing was "
                f"committed meanwhile: {type(cause).__name__}: {cause}"
            ) from cause
        await asyncio.sleep(0.0 if self._recoveries == 1 else 0.1 * 2**self._recoveries)
        if isinstance(cause, ProducerLost):
            await self._patiently(lambda: self._publishing(self._publisher.connect))
        await self._patiently(self._abort)
        self._forget_open()
        await self._patiently(lambda: self._start(list(self._partitions)))

    async def _abort(self) -> None:
        try:
            await self._publishing(self._publisher.abort)
        except ProducerLost:
            await self._publishing(self._publisher.connect)

    async def _patiently(self, attempt: Callable[[], Any]) -> None:
        """Try until the cluster answers; gives up after `OUTAGE_LIMIT_S`."""
        begun, pause = time.monotonic(), 0.25
        while True:
            try:
                await attempt()
            except Unavailable as error:
                if time.monotonic() - begun > OUTAGE_LIMIT_S:
                    raise MissingResource(
                        f"kafka: no answer for {OUTAGE_LIMIT_S:.0f} s: {error}"
                    ) from error
                log.warning("waiting_for_kafka", why=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, 5.0)
            else:
                return

    # -- assignment ---------------------------------------------------------------------------

    async def assigned(self, places: Sequence[TopicPartition]) -> None:
        """Take over partitions: restore their state, then read from there."""
        async with self._lock:
            self._metrics.rebalances.inc()
            log.info("partitions_assigned", places=places)
            await self._patiently(lambda: self._start(places))

    async def revoked(self, places: Sequence[TopicPartition]) -> None:
        """Commit what is open, leave checkpoints for the next owner, let go."""
        async with self._lock:
            self._metrics.rebalances.inc()
            log.info("partitions_revoked", places=places)
            try:
                await self._commit()
                await self._finish_checkpoint()
                await self._write_checkpoints(places)
            except (TransactionAborted, ProducerLost, Unavailable) as error:
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
        partitions, initial = await self._off_loop(
            lambda: self._restorer.prepare(places, self._lanes, epoch)
        )
        self._partitions.update((partition.place, partition) for partition in partitions)
        # The beginning is committed at once: a second start must not choose another one.
        self._offsets.update(initial)
        await self._read_from({p.place: p.position for p in partitions}, epoch)

    async def _let_go(self, places: Sequence[TopicPartition]) -> None:
        for place in places:
            self._partitions.pop(place, None)
            self._offsets.pop(place, None)
            with suppress(KeyError):  # not shown yet
                self._metrics.consumer_lag_messages.remove(place[0], str(place[1]))
        await self._on_reader(lambda: self._reader.unassign(places))

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

    # -- models -------------------------------------------------------------------------------

    async def reload_models(self) -> None:
        """Look for new champions and hand them to the judges; no event and no window is lost."""
        for lane in self._lanes.values():
            model = await asyncio.to_thread(lane.poll_model)
            if model is not None:
                async with self._lock:
                    self._adopt(lane, model)

    def _adopt(self, lane: Lane, model: Model) -> None:
        lane.model = model
        for partition in self._partitions.values():
            if partition.lane is lane:
                partition.judge.adopt(model)
        log.info("model_reloaded", model=model.ref.name, version=model.ref.version)

    # -- checkpoints and the end --------------------------------------------------------------

    def _start_checkpoint(self) -> None:
        # Right after a commit positions and committed offsets are one: snapshots are taken now,
        # compressed and written by a thread while events flow on.
        if self._checkpoint_task is None or self._checkpoint_task.done():
            self._last_checkpoint = time.monotonic()
            writes = self._snapshots(list(self._partitions))
            self._checkpoint_task = asyncio.create_task(asyncio.to_thread(self._write, writes))

    async def _finish_checkpoint(self) -> None:
        if self._checkpoint_task is not None:
            await self._checkpoint_task

    async def _write_checkpoints(self, places: Sequence[TopicPartition]) -> None:
        await asyncio.to_thread(self._write, self._snapshots(places))

    def _snapshots(self, places: Sequence[TopicPartition]) -> list[tuple[Partition, int, bytes]]:
        chosen = [self._partitions[place] for place in places if place in self._partitions]
        return [
            (partition, partition.position, partition.judge.snapshot())
            for partition in chosen
            if partition.live and partition.position != partition.checkpointed
        ]

    def _write(self, snapshots: list[tuple[Partition, int, bytes]]) -> None:
        for partition, offset, state in snapshots:
            try:
                partition.state_bytes = self._checkpoints.write(
                    *partition.place,
                    offset,
                    state,
                    config_hash=partition.lane.config_hash,
                    model_version=partition.lane.model.ref.version,
                    now=self._clock(),
                )
            except Unavailable as error:
                # Not fatal: a crash now costs a longer replay, no event.
                self._metrics.checkpoints.labels("failed").inc()
                log.warning("checkpoint_failed", place=partition.place, why=str(error))
            else:
                partition.checkpointed = offset
                self._metrics.checkpoints.labels("written").inc()

    async def finish(self) -> None:
        """Commit what is open and leave checkpoints; the last call before closing."""
        async with self._lock:
            await self._commit()
            await self._finish_checkpoint()
            await self._write_checkpoints(list(self._partitions))
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
        read_all = self._sequence == self._reader.sequence
        busy = self._offsets or self._committing is not None or self._lock.locked()
        return read_all and not busy

    @property
    def partitions(self) -> Mapping[TopicPartition, Partition]:
        """The partitions owned now."""
        return self._partitions

    @property
    def lanes(self) -> Mapping[str, Lane]:
        """The lanes by input topic."""
        return self._lanes

    async def _off_loop(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def _publishing(self, call: Callable[[], Any]) -> None:
        """Run a call of the publisher's, with a limit that librdkafka does not keep by itself.

        Seen with 2.16: `send_offsets_to_transaction` never returns when the broker was restarted
        under it, whatever its time-out. The producer is then left behind with the thread that
        waits in it; its successor has the same transactional id and fences it.
        """
        limit_s = PUBLISHER_PATIENCE * self._config.transaction_timeout_ms / 1e3
        work = asyncio.ensure_future(self._off_loop(call))
        done, _ = await asyncio.wait([work], timeout=limit_s)
        if done:
            work.result()
            return
        self.stuck += 1
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self._publisher.abandon()
        raise ProducerLost(f"the producer did not answer within {limit_s:.0f} s")

    async def _on_reader(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._reader_thread, call)
