"""The assignment: the partitions of this process, taken over, fetched from, let go."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from eddy.streams.batch import DecodedRun
from eddy.streams.fetchers import TopicPartition
from eddy.streams.label_updates import LabelUpdates
from eddy.streams.lane import Lane
from eddy.streams.metrics import Metrics
from eddy.streams.partition import Partition
from eddy.streams.reader import Reader
from eddy.streams.restore import Restorer
from eddy.streams.transactions import Transactions

log = structlog.get_logger()


class Assignment:
    """The partitions owned now, each with its judge.

    Changes are made by one coroutine at a time (the engine's lock sees to it); what can be seen
    may be looked at from any thread.

    Parameters
    ----------
    lanes : mapping of str to Lane
        By input topic.
    restorer : Restorer
    reader : Reader
    reader_thread : ThreadPoolExecutor
        The one thread that may touch `reader`.
    transactions : Transactions
        Told of positions to begin at, and of partitions that are no longer ours.
    labels : LabelUpdates
        What judges must know before they go on.
    """

    def __init__(
        self,
        lanes: Mapping[str, Lane],
        restorer: Restorer,
        reader: Reader,
        reader_thread: ThreadPoolExecutor,
        transactions: Transactions,
        labels: LabelUpdates,
        metrics: Metrics,
    ) -> None:
        self._lanes = lanes
        self._restorer = restorer
        self._reader, self._reader_thread = reader, reader_thread
        self._transactions = transactions
        self._metrics = metrics
        self._labels = labels
        self._epoch = 0
        self._partitions: dict[TopicPartition, Partition] = {}

    # -- changes ------------------------------------------------------------------------------

    async def take_over(self, topic_partitions: Sequence[TopicPartition]) -> None:
        """Restore the state of partitions from what is committed, then read from there.

        Raises
        ------
        Unavailable
            Where the broker or the topic of labels does not answer.
        """
        if not topic_partitions:
            return
        self._epoch += 1
        epoch = self._epoch
        partitions, initial = await asyncio.to_thread(
            self._restorer.prepare, topic_partitions, self._lanes, epoch
        )
        await asyncio.to_thread(self._labels.catch_up, partitions)
        self._partitions.update((new.topic_partition, new) for new in partitions)
        # The beginning is committed at once: a second start must not choose another one.
        for topic_partition, position in initial.items():
            self._transactions.advance(topic_partition, position)
        await self._read_from({p.topic_partition: p.position for p in partitions}, epoch)

    async def restart(self) -> None:
        """Restore every partition anew."""
        await self.take_over(list(self._partitions))

    async def let_go(self, topic_partitions: Sequence[TopicPartition]) -> None:
        """Forget partitions and read from them no longer."""
        for topic_partition in topic_partitions:
            self._partitions.pop(topic_partition, None)
            self._transactions.drop(topic_partition)
            with suppress(KeyError):  # not shown yet
                self._metrics.consumer_lag_messages.remove(
                    topic_partition[0], str(topic_partition[1])
                )
        await self._on_reader(lambda: self._reader.unassign(topic_partitions))

    async def let_all_go(self) -> None:
        """Forget every partition."""
        await self.let_go(list(self._partitions))

    async def go_live(self, partition: Partition) -> bool:
        """End a partition's replay; False where it begins again from further back."""
        if not partition.needs_more_history:
            partition.go_live()
            return True
        self._epoch += 1
        partition.rewind(self._epoch)
        log.info(
            "rebuild_goes_further_back", place=partition.topic_partition, start=partition.position
        )
        await asyncio.to_thread(self._labels.catch_up, [partition])
        await self._read_from({partition.topic_partition: partition.position}, self._epoch)
        return False

    async def _read_from(self, offsets: Mapping[TopicPartition, int], epoch: int) -> None:
        await self._on_reader(lambda: self._reader.assign(offsets, epoch))

    async def _on_reader(self, call: Callable[[], None]) -> None:
        await asyncio.get_running_loop().run_in_executor(self._reader_thread, call)

    # -- what can be seen ---------------------------------------------------------------------

    def __contains__(self, topic_partition: TopicPartition) -> bool:
        return topic_partition in self._partitions

    def __getitem__(self, topic_partition: TopicPartition) -> Partition:
        return self._partitions[topic_partition]

    @property
    def partitions(self) -> list[Partition]:
        """The partitions owned now."""
        return list(self._partitions.values())

    @property
    def lanes(self) -> Iterable[Lane]:
        """The lanes, whether partitions of theirs are owned or not."""
        return self._lanes.values()

    def of_lane(self, lane: Lane) -> list[Partition]:
        """Return the partitions of a lane."""
        return [partition for partition in self.partitions if partition.lane is lane]

    def owned(self, topic_partitions: Iterable[TopicPartition]) -> list[Partition]:
        """Return those of these partitions that are owned."""
        return [self._partitions[key] for key in topic_partitions if key in self._partitions]

    def partition_of(self, run: DecodedRun) -> Partition | None:
        """Return the partition that a run belongs to; None where it is stale."""
        partition = self._partitions.get((run.run.topic, run.run.partition))
        return partition if partition is not None and partition.epoch == run.epoch else None

    def is_fetched(self, partition: Partition) -> bool:
        """Whether a partition was fetched from at least once."""
        return self._reader.end_offset(partition.topic_partition) is not None

    def lag(self) -> dict[TopicPartition, int]:
        """Return the messages between position and end, by partition, as of the last fetch."""
        result = {}
        for partition in self.partitions:
            end = self._reader.end_offset(partition.topic_partition)
            result[partition.topic_partition] = (
                0 if end is None else max(0, end - partition.position)
            )
        return result
