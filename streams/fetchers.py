"""Two ways to fetch records from assigned partitions, behind one contract.

Neither joins a group; who owns which partition is `eddy.streams.membership`'s business.
"""

import ctypes
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import Any, Protocol, cast

import confluent_kafka as ck
import numpy as np
import structlog
from numpy.typing import NDArray

from eddy.schemas.decoding import buffers
from eddy.schemas.errors import Unavailable
from eddy.schemas.spans import Spans
from eddy.streams import messages
from eddy.streams.connection import Connection
from eddy.streams.librdkafka import Handle, Library
from eddy.streams.records import ReadError, Records, Run

log = structlog.get_logger()

TopicPartition = tuple[str, int]

# Measured on 3,000,000 records of 246 bytes: the default back-off of 1000 ms halves throughput,
# and the queue must hold more than what is judged while a fetch is under way.
_FETCH = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "isolation.level": "read_committed",
    "auto.offset.reset": "error",
    "queued.min.messages": 200_000,
    "queued.max.messages.kbytes": 262_144,
    "fetch.queue.backoff.ms": 5,
    "fetch.wait.max.ms": 50,
    "fetch.max.bytes": 50_000_000,
    "max.partition.fetch.bytes": 4_000_000,
    "check.crcs": False,
    "log_level": 2,
}


class Fetcher(Protocol):
    """Fetches from manually assigned partitions; all calls come from one thread."""

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Add partitions, each from its offset on."""
        ...

    def unassign(self, partitions: Iterable[TopicPartition]) -> None:
        """Remove partitions."""
        ...

    def fetch(self, count: int, timeout_ms: int) -> Records | None:
        """Return up to `count` records, or None where none came in time."""
        ...

    def end_offset(self, partition: TopicPartition) -> int | None:
        """Return the end of a partition as of the last fetch, None before the first."""
        ...

    def close(self) -> None:
        """End the consumer."""
        ...


def open_fetcher(kind: str, connection: Connection, group: str) -> Fetcher:
    """Return the fetcher `kind` names; ``auto`` takes the native one where it can be had.

    Raises
    ------
    Unavailable
        Where ``native`` is asked for and the wheel's library is not found.
    """
    settings = {**connection.librdkafka(), "group.id": f"{group}-fetch", **_FETCH}
    if kind == "portable":
        return PortableFetcher(settings)
    try:
        return NativeFetcher(settings)
    except Unavailable as error:
        if kind == "native":
            raise
        log.warning("native_reader_unavailable", why=str(error), instead="portable")
        return PortableFetcher(settings)


class NativeFetcher:
    """librdkafka's batch call through ctypes: no Python object per record."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._library = Library()
        self._handle = Handle(self._library, settings)
        self._timestamp = self._library.address("message_timestamp")
        self._destroy = self._library.address("message_destroy")
        self._names: dict[int, str] = {}

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Add partitions, each from its offset on."""
        self._handle.assign(offsets)

    def unassign(self, partitions: Iterable[TopicPartition]) -> None:
        """Remove partitions."""
        self._handle.unassign(partitions)
        # Topic handles may be freed and their addresses used again.
        self._names.clear()

    def fetch(self, count: int, timeout_ms: int) -> Records | None:
        """Return up to `count` records, or None where none came in time."""
        pointers = np.empty(count, np.int64)
        n = self._library.consume_batch_queue(
            self._handle.queue, timeout_ms, pointers.ctypes.data, count
        )
        return self._records(pointers, int(n)) if n > 0 else None

    def end_offset(self, partition: TopicPartition) -> int | None:
        """Return the end of a partition as of the last fetch, None before the first."""
        marks = self._handle.watermarks(*partition)
        return marks[1] if marks else None

    def close(self) -> None:
        """End the consumer; every batch must have been released."""
        self._handle.close()

    def _records(self, pointers: NDArray[np.int64], n: int) -> Records:
        codes, partitions = np.empty(n, np.int32), np.empty(n, np.int32)
        topics, offsets, timestamps, addresses, lengths = np.empty((5, n), np.int64)
        messages.unpack(
            pointers,
            n,
            self._timestamp,
            codes,
            topics,
            partitions,
            offsets,
            timestamps,
            addresses,
            lengths,
        )

        def value(row: int) -> bytes | None:
            if not addresses[row]:
                return None
            return ctypes.string_at(int(addresses[row]), int(lengths[row]))

        def release() -> None:
            messages.destroy(pointers, n, self._destroy)

        runs, errors = self._runs(codes, topics, partitions, value)
        return Records(
            runs=runs,
            errors=errors,
            offsets=offsets,
            timestamps=timestamps,
            addresses=addresses,
            lengths=lengths,
            value=value,
            key=lambda row: messages.key_of(int(pointers[row])),
            release=release,
            keys=lambda rows: messages.keys_of(pointers[rows]),
        )

    def _runs(
        self, codes: NDArray[np.int32], topics: NDArray[np.int64], partitions: Any, value: Any
    ) -> tuple[list[Run], list[ReadError]]:
        changes = np.flatnonzero(
            (np.diff(topics) != 0) | (np.diff(partitions) != 0) | (np.diff(codes) != 0)
        )
        edges = [0, *(changes + 1).tolist(), len(codes)]
        runs, errors = [], []
        for start, stop in pairwise(edges):
            topic, partition = self._name(int(topics[start])), int(partitions[start])
            code = int(codes[start])
            if code == 0:
                runs.append(Run(topic, partition, start, stop))
            else:
                text = (value(start) or b"").decode(errors="replace")
                text = text or self._library.err2str(code).decode()
                errors.append(ReadError(code, text, topic, partition))
        return runs, errors

    def _name(self, handle: int) -> str:
        if not handle:
            return ""
        if handle not in self._names:
            self._names[handle] = self._library.topic_name(handle).decode()
        return self._names[handle]


class PortableFetcher:
    """confluent-kafka's ordinary consumer: a Python object per record, works everywhere."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._consumer = ck.Consumer(dict(settings))

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Add partitions, each from its offset on."""
        self._consumer.incremental_assign(
            [ck.TopicPartition(topic, part, offset) for (topic, part), offset in offsets.items()]
        )

    def unassign(self, partitions: Iterable[TopicPartition]) -> None:
        """Remove partitions."""
        self._consumer.incremental_unassign(
            [ck.TopicPartition(topic, partition) for topic, partition in partitions]
        )

    def fetch(self, count: int, timeout_ms: int) -> Records | None:
        """Return up to `count` records, or None where none came in time."""
        # consume() waits the whole time-out when fewer come, and beyond 1,000 it gets slower.
        if not self._consumer.assignment():
            time.sleep(timeout_ms / 1e3)
            return None
        polled = self._consumer.consume(min(count, 1_000), timeout_ms / 1e3)
        while 0 < len(polled) < count and len(polled) % 1_000 == 0:
            more = self._consumer.consume(1_000, 0)
            if not more:
                break
            polled += more
        return _portable_records(polled) if polled else None

    def end_offset(self, partition: TopicPartition) -> int | None:
        """Return the end of a partition as of the last fetch, None before the first."""
        try:
            _, high = self._consumer.get_watermark_offsets(
                ck.TopicPartition(*partition), cached=True
            )
        except ck.KafkaException:
            return None
        return high if high >= 0 else None

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()


def _portable_records(polled: list[ck.Message]) -> Records:
    # Loops over methods run in C: a comprehension would cost three times as much.
    failures = list(map(ck.Message.error, polled))
    errors = [
        ReadError(error.code(), error.str(), m.topic() or "", m.partition() or 0)
        for m, error in zip(polled, failures, strict=True)
        if error
    ]
    rows = [m for m, error in zip(polled, failures, strict=True) if not error] if errors else polled
    payloads = list(map(ck.Message.value, rows))
    keep, addresses, lengths = buffers(payloads)
    n = len(rows)
    stamps = map(itemgetter(1), map(ck.Message.timestamp, rows))

    def release() -> None:
        # The closure is what keeps the payloads' memory alive.
        _ = keep

    return Records(
        runs=_portable_runs(rows),
        errors=errors,
        offsets=np.fromiter(map(ck.Message.offset, rows), np.int64, n),
        timestamps=np.fromiter(stamps, np.int64, n),
        addresses=addresses,
        lengths=lengths,
        value=lambda row: payloads[row],
        key=lambda row: rows[row].key(),
        release=release,
        keys=lambda numbers: Spans.of([rows[row].key() for row in numbers.tolist()]),
    )


def _portable_runs(rows: Sequence[ck.Message]) -> list[Run]:
    n = len(rows)
    partitions = np.fromiter(map(ck.Message.partition, rows), np.int32, n)
    names = cast("list[str]", list(map(ck.Message.topic, rows)))  # None only for errors
    numbers = {name: number for number, name in enumerate(set(names))}
    topics = np.fromiter(map(numbers.__getitem__, names), np.int32, n)
    changes = np.flatnonzero((np.diff(topics) != 0) | (np.diff(partitions) != 0)) + 1
    edges = [0, *changes.tolist(), n] if n else []
    return [Run(names[a], int(partitions[a]), a, b) for a, b in pairwise(edges)]
