"""Reading topics outside the engine: to show, to explain, to compare. Commits nothing."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import confluent_kafka as ck

from eddy.schemas.errors import MissingResource
from eddy.streams.connection import Connection

_ATTEMPTS = 6
_WAIT_S, _STUCK_S = 0.5, 60.0
_HOPELESS = frozenset(
    {
        ck.KafkaError.UNKNOWN_TOPIC_OR_PART,
        ck.KafkaError._UNKNOWN_TOPIC,
        ck.KafkaError._UNKNOWN_PARTITION,
        ck.KafkaError.TOPIC_AUTHORIZATION_FAILED,
        ck.KafkaError._AUTHENTICATION,
    }
)


@dataclass(frozen=True, slots=True)
class TopicRecord:
    """One record as read; `timestamp_ms` is Kafka's."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: dict[str, bytes] = field(default_factory=dict)


class TopicReader:
    """Reads topics as a read_committed consumer does, without joining a group.

    Parameters
    ----------
    isolation : str
        ``read_uncommitted`` also shows what was never committed.
    batch : int
        Records in memory at a time; fewer where they are large.
    """

    def __init__(
        self, connection: Connection, isolation: str = "read_committed", batch: int = 2_000
    ) -> None:
        self._batch = batch
        settings = connection.librdkafka(
            group_id=f"eddy-read-{uuid.uuid4()}",
            enable_auto_commit=False,
            isolation_level=isolation,
            auto_offset_reset="earliest",
            enable_partition_eof=True,
            fetch_wait_max_ms=50,
        )
        settings["log_level"] = 2
        self._consumer = ck.Consumer(settings)

    def ranges(self, topic: str) -> dict[int, tuple[int, int]]:
        """Return (first kept, next) offsets by partition.

        Raises
        ------
        MissingResource
            Where the topic does not exist or no broker answers.
        """
        try:
            known = self._consumer.list_topics(topic, timeout=10).topics[topic]
        except ck.KafkaException as error:
            raise MissingResource(f"{topic}: {error.args[0].str()}") from error
        if known.error is not None:
            raise MissingResource(
                f"topic {topic} does not exist ({known.error.str()}); see `eddy topics create`"
            )
        return {number: self._range(topic, number) for number in known.partitions}

    def _range(self, topic: str, number: int) -> tuple[int, int]:
        # A partition has no leader for a moment after its topic was created.
        for attempt in range(_ATTEMPTS):
            try:
                low, high = self._consumer.get_watermark_offsets(
                    ck.TopicPartition(topic, number), timeout=10
                )
            except ck.KafkaException as error:
                if attempt == _ATTEMPTS - 1:
                    raise MissingResource(f"{topic}[{number}]: {error.args[0].str()}") from error
                time.sleep(0.1 * 2**attempt)
            else:
                return int(low), int(high)
        raise AssertionError

    def offsets_at(self, topic: str, timestamp_ms: int) -> dict[int, int]:
        """Return by partition the first offset at or after a time; the end where there is none.

        Raises
        ------
        MissingResource
            Where the topic does not exist, or a partition's broker does not answer.
        """
        ranges = self.ranges(topic)
        requests = [ck.TopicPartition(topic, number, timestamp_ms) for number in ranges]
        try:
            answers = self._consumer.offsets_for_times(requests, timeout=10)
        except ck.KafkaException as error:
            raise MissingResource(f"{topic}: {error.args[0].str()}") from error
        for answer in answers:
            # its offset is below 0 then, as where there is no record that young
            if answer.error is not None:
                raise MissingResource(f"{topic}[{answer.partition}]: {answer.error.str()}")
        return {a.partition: a.offset if a.offset >= 0 else ranges[a.partition][1] for a in answers}

    def read(
        self, topic: str, start: dict[int, int] | None = None, stop: dict[int, int] | None = None
    ) -> Iterator[TopicRecord]:
        """Yield the records of a topic up to its end as of now, or up to `stop`."""
        ranges = self.ranges(topic)
        begin = {n: max(low, (start or {}).get(n, low)) for n, (low, _) in ranges.items()}
        until = {n: min(high, (stop or {}).get(n, high)) for n, (_, high) in ranges.items()}
        unfinished = {n for n in ranges if begin[n] < until[n]}
        self._consumer.assign([ck.TopicPartition(topic, n, begin[n]) for n in unfinished])
        empty = 0
        while unfinished:
            messages = self._consumer.consume(self._batch, _WAIT_S)
            empty = 0 if any(not message.error() for message in messages) else empty + 1
            if empty * _WAIT_S > _STUCK_S:
                raise MissingResource(f"{topic}: nothing came for {_STUCK_S:.0f} s before its end")
            for message in messages:
                if message.error():
                    _finish_or_raise(message, unfinished)
                    continue
                record = _record(message)
                if record.partition in unfinished and record.offset < until[record.partition]:
                    yield record
                if record.offset >= until[record.partition] - 1:
                    unfinished.discard(record.partition)
        self._consumer.unassign()

    def follow(
        self, topics: list[str], from_beginning: bool, stopped: Callable[[], bool]
    ) -> Iterator[TopicRecord | None]:
        """Yield records as they come, None when nothing came for a moment."""
        start = []
        for topic in topics:
            for number, (low, high) in self.ranges(topic).items():
                start.append(ck.TopicPartition(topic, number, low if from_beginning else high))
        self._consumer.assign(start)
        while not stopped():
            messages = self._consumer.consume(500, 0.2)
            for message in messages:
                if not message.error():
                    yield _record(message)
            if not messages:
                yield None

    def close(self) -> None:
        """End the consumer."""
        self._consumer.close()


def _finish_or_raise(message: Any, unfinished: set[int]) -> None:
    error = message.error()
    if error.code() == ck.KafkaError._PARTITION_EOF:
        unfinished.discard(message.partition())
    elif error.code() == ck.KafkaError._ALL_BROKERS_DOWN:
        raise MissingResource(f"kafka: {error.str()}")
    elif error.code() in _HOPELESS or (not error.retriable() and error.fatal()):
        raise MissingResource(f"{message.topic()}: {error.str()}")


def _record(message: Any) -> TopicRecord:
    headers = {name: value or b"" for name, value in message.headers() or []}
    return TopicRecord(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        headers,
    )
