"""The rows a model learns from: decoded as the stream decodes them, from files or from a topic.

So a model never sees a row that the detector would reject, nor one spelled otherwise.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from eddy.app import wiring
from eddy.app.domains.row import DomainRow
from eddy.app.replay.offsets import offsets
from eddy.app.settings import Settings
from eddy.app.training.trained_model import TrainingSource
from eddy.models.arrays import Floats
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.errors import MissingResource
from eddy.streams.reading import TopicReader, TopicRecord

OnRead = Callable[[int], None]
"""Called with how many more records were read."""

_BATCH = 8_000


class TrainingRows:
    """Collects columns of valid events, and counts the others.

    Parameters
    ----------
    row : DomainRow
        Whose events.
    columns : sequence of str
        Number fields of its event type, in the order wanted.
    max_skew_s : float
        As the stream has it; matters for topics only, whose records carry a time.
    """

    def __init__(self, row: DomainRow, columns: Sequence[str], max_skew_s: float) -> None:
        self._row = row
        self._decoder = Decoder(row.domain.event_type, max_skew_s)
        numbers = self._decoder.program.numbers
        self._columns = [numbers.index(name) for name in columns]
        self._parts: list[Floats] = []
        self.rejected = 0

    def add(self, payloads: Sequence[bytes | None], times_ms: Sequence[int] | None = None) -> None:
        """Decode records and keep the valid ones.

        Parameters
        ----------
        payloads : sequence of bytes or None
        times_ms : sequence of int, optional
            The records' timestamps; unknown where not given.
        """
        kept, addresses, lengths = buffers(payloads)
        times = np.full(len(payloads), -1) if times_ms is None else np.asarray(times_ms)
        columns = self._decoder.decode(addresses, lengths, times).columns
        del kept  # the addresses point into it
        valid = columns.valid
        self._parts.append(columns.values[valid][:, self._columns])
        self.rejected += int(np.sum(~valid))

    def values(self) -> Floats:
        """Return the rows in the order they were added; shape (n, len(columns))."""
        return np.concatenate(self._parts or [np.empty((0, len(self._columns)))])

    def read(
        self, settings: Settings, source: TrainingSource, on_read: OnRead, zone: str = "UTC"
    ) -> None:
        """Add the rows of a source; `zone` is that of times without an offset by default."""
        if not source.topic:
            self.read_files(source.files, source.zone or zone, on_read)
            return
        topic = wiring.topics(settings, self._row.domain).events
        reader = TopicReader(settings.kafka)
        try:
            start, stop = (offsets(reader, topic, bound) for bound in (source.start, source.stop))
            self.read_topic(reader, topic, start, stop, on_read)
        finally:
            reader.close()

    def read_files(self, paths: Iterable[Path], zone: str, on_read: OnRead) -> None:
        """Add the rows of files, one file after the other."""
        read = self._row.file_reader()
        for path in paths:
            for payloads in read(path, zone=zone):
                self.add(payloads)
                on_read(len(payloads))

    def read_topic(
        self,
        reader: TopicReader,
        topic: str,
        start: dict[int, int],
        stop: dict[int, int],
        on_read: OnRead,
    ) -> None:
        """Add a range of a topic, partition after partition: as each partition's judge sees it.

        Raises
        ------
        MissingResource
            Where the range is empty.
        """
        is_empty = True
        for number in sorted(reader.ranges(topic)):
            others = {n: 0 for n in reader.ranges(topic) if n != number}
            records = reader.read(topic, start, {**stop, **others})
            for batch in _batches(records):
                is_empty = False
                self.add([r.value for r in batch], [r.timestamp_ms for r in batch])
                on_read(len(batch))
        if is_empty:
            raise MissingResource(f"{topic} holds no records in this range; see `eddy simulate`")


def _batches(records: Iterable[TopicRecord]) -> Iterator[Sequence[TopicRecord]]:
    batch: list[TopicRecord] = []
    for record in records:
        batch.append(record)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
