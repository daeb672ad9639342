"""The feed of labels: what people say of events later, read by every process for all its judges.

Guarantee: each judge takes in each label once, and remembers in its own state how far it has come;
no offset of this topic is ever committed. Whatever is no label is counted and passed over: the
topic keeps it.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from operator import itemgetter

import msgspec
import numpy as np
import structlog

from eddy.models.labels import LabelRecords, Labels
from eddy.schemas.labels import Label
from eddy.streams.connection import Connection
from eddy.streams.metrics import Metrics
from eddy.streams.reading import TopicReader, TopicRecord

log = structlog.get_logger()

_MOST_AT_ONCE = 50_000

Positions = Mapping[int, int]
"""By partition: the next offset."""


class LabelFeed:
    """Reads the topic of labels; used by one thread at a time.

    Parameters
    ----------
    domains : iterable of str
        Whose labels are wanted.
    """

    def __init__(
        self, connection: Connection, topic: str, domains: Iterable[str], metrics: Metrics
    ) -> None:
        self._connection, self._topic = connection, topic
        self._domains = frozenset(domains)
        self._metrics = metrics
        self._decode = msgspec.json.Decoder(Label).decode
        self._reader: TopicReader | None = None
        self._positions: dict[int, int] = {}

    @property
    def positions(self) -> Positions:
        """How far `poll` has come."""
        return self._positions

    def begin_at(self, positions: Positions) -> None:
        """Let the first `poll` begin here instead of at the beginning of the topic."""
        if not self._positions:
            self._positions = dict(positions)

    def ends(self) -> dict[int, int]:
        """Return where the topic ends now.

        Raises
        ------
        MissingResource
            Where the topic cannot be read now.
        """
        if self._reader is None:
            self._reader = TopicReader(self._connection)
        ranges = self._reader.ranges(self._topic)
        for number, (low, high) in ranges.items():
            at = self._positions.get(number, low)
            if not low <= at <= high:
                # deleted and made anew, or kept for too short a time
                log.error(
                    "labels_lost", topic=self._topic, partition=number, at=at, low=low, high=high
                )
                self._metrics.feedback.labels("lost").inc(max(low - at, 0))
                self._positions[number] = low
        return {number: high for number, (_, high) in ranges.items()}

    def poll(self) -> list[tuple[str, LabelRecords]]:
        """Return what came since the last time, by domain; waits for the broker, not for labels.

        Nothing until `begin_at` was called.

        Raises
        ------
        MissingResource
            Where the topic cannot be read now.
        """
        if not self._positions:  # nobody has caught up yet: who does reads all there is
            return []
        until = self.ends()
        records = list(self._read(self._positions, until, count=True))
        self._positions.update(until)
        return records

    def between(self, start: Positions, stop: Positions) -> Iterator[tuple[str, LabelRecords]]:
        """Yield what lies between two positions; blocks on the broker.

        Raises
        ------
        MissingResource
            Where the topic cannot be read now.
        """
        yield from self._read(start, stop, count=False)

    def close(self) -> None:
        """End the reader."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _read(
        self, start: Positions, stop: Positions, *, count: bool
    ) -> Iterator[tuple[str, LabelRecords]]:
        if all(start.get(number, 0) >= end for number, end in stop.items()):
            return
        assert self._reader is not None
        records = self._reader.read(self._topic, dict(start), dict(stop))
        while batch := list(islice(records, _MOST_AT_ONCE)):
            yield from self._columns(batch, count=count)

    def _columns(
        self, records: list[TopicRecord], *, count: bool
    ) -> Iterator[tuple[str, LabelRecords]]:
        rows = [
            (label.domain, record.partition, record.offset, label)
            for record in records
            if (label := self._label(record, count=count)) is not None
            and label.is_fraud is not None
            and label.domain in self._domains
        ]
        # by domain and partition; within a partition the order of offsets stays
        by_partition = itemgetter(0, 1)
        for (domain, number), group in groupby(sorted(rows, key=by_partition), key=by_partition):
            _, _, offsets, labels = zip(*group, strict=True)
            yield (
                domain,
                LabelRecords(number, np.array(offsets, np.int64), Labels.of(labels, domain)),
            )

    def _label(self, record: TopicRecord, *, count: bool) -> Label | None:
        if record.value is None:
            return None
        try:
            label = self._decode(record.value)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            if count:
                self._metrics.feedback.labels("refused").inc()
                # the message of a decoder may quote the record
                where, why = _position(record), type(error).__name__
                log.warning("label_refused", place=where, why=why, what_to_do=_MEND)
            return None
        if count:
            outcome = label.verdict if label.event_id is not None else "unresolved"
            self._metrics.feedback.labels(outcome).inc()
        return label


_MEND = "send one JSON object as in docs/reference/label.schema.json"


def _position(record: TopicRecord) -> str:
    return f"{record.topic}-{record.partition}-{record.offset}"
