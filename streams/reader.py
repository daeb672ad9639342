"""The reader: fetches and decodes on a thread of its own, ahead of the agent by a few batches."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eddy.schemas.decoding import Decoder
from eddy.streams.batch import Batch, DecodedRun
from eddy.streams.fetchers import Fetcher, TopicPartition
from eddy.streams.records import ReadError, Records


@dataclass(frozen=True, slots=True)
class PollResult:
    """What one look at the queue brought: a batch, errors, or neither."""

    batch: Batch | None
    errors: list[ReadError]


class Reader:
    """Turns fetched records into decoded batches.

    All methods run on one thread (the caller sees to it), so an assignment never changes while a
    batch is being fetched: every row carries the epoch of the assignment it was fetched under.

    Parameters
    ----------
    fetcher : Fetcher
        Where records come from; closed with the reader.
    decoders : mapping of str to Decoder
        By input topic.
    """

    def __init__(self, fetcher: Fetcher, decoders: Mapping[str, Decoder]) -> None:
        self._fetcher = fetcher
        self._decoders = decoders
        self._epochs: dict[TopicPartition, int] = {}
        self._sequence = 0

    def assign(self, offsets: Mapping[TopicPartition, int], epoch: int) -> None:
        """Fetch these partitions from these offsets on; those already assigned are moved."""
        moved = [partition for partition in offsets if partition in self._epochs]
        if moved:
            self._fetcher.unassign(moved)
        self._fetcher.assign(offsets)
        self._epochs.update(dict.fromkeys(offsets, epoch))

    def unassign(self, partitions: Iterable[TopicPartition]) -> None:
        """Fetch these partitions no longer."""
        gone = [partition for partition in partitions if partition in self._epochs]
        for partition in gone:
            del self._epochs[partition]
        if gone:
            self._fetcher.unassign(gone)

    def read(self, count: int, timeout_ms: int) -> PollResult:
        """Return the next batch, decoded; waits up to `timeout_ms`."""
        records = self._fetcher.fetch(count, timeout_ms)
        if records is None:
            return PollResult(None, [])
        try:
            batch = self._decode(records)
        except BaseException:
            records.release()
            raise
        return PollResult(batch, records.errors)

    def end_offset(self, partition: TopicPartition) -> int | None:
        """Return the end of a partition as of the last fetch, None before the first."""
        return self._fetcher.end_offset(partition)

    @property
    def sequence(self) -> int:
        """The number of the last batch."""
        return self._sequence

    def close(self) -> None:
        """End the fetcher."""
        self._fetcher.close()

    def _decode(self, records: Records) -> Batch:
        runs: list[DecodedRun] = []
        queue = iter(records.runs)
        for topic, start, stop in records.segments():
            decoder = self._decoders[topic]
            decoded = decoder.decode(
                records.addresses[start:stop],
                records.lengths[start:stop],
                records.timestamps[start:stop],
            )
            rejected = {start + row: why for row, why in decoded.rejected}
            covered = start
            while covered < stop:
                run = next(queue)
                covered = run.stop
                of_run = {r: w for r, w in rejected.items() if run.start <= r < run.stop}
                epoch = self._epochs.get((run.topic, run.partition), -1)
                runs.append(
                    DecodedRun(run, epoch, decoded.columns, start, of_run, records, decoder.reread)
                )
        self._sequence += 1
        return Batch(records, runs, self._sequence)
