"""The transactional producer: outputs and consumed offsets become visible together or not at all.

Guarantee: what was produced since `begin` is seen by read_committed consumers if and only if
`commit` succeeded. A crash loses the open transaction only; the next process with the same
transactional id aborts it at once.
"""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import confluent_kafka as ck
import numpy as np
from numpy.typing import NDArray

from eddy.schemas.errors import EddyError, Unavailable
from eddy.schemas.spans import Spans
from eddy.streams.batch_producer import BatchProducer, batch_producer
from eddy.streams.connection import Connection
from eddy.streams.fetchers import TopicPartition

_MOST_QUEUED = 500_000
_LOST = {
    ck.KafkaError._FATAL,
    ck.KafkaError._FENCED,
    ck.KafkaError._STATE,
    ck.KafkaError.INVALID_PRODUCER_EPOCH,
    ck.KafkaError.PRODUCER_FENCED,
}


class TransactionAborted(EddyError):
    """The transaction cannot be committed; nothing of it will ever be seen."""


class ProducerLost(EddyError):
    """The producer is unusable; a new one can take its place.

    Either the broker gave up on the transaction while this process or the broker was away, or
    another process runs with the same transactional id.
    """


class Position(NamedTuple):
    """How far a partition is judged.

    Attributes
    ----------
    offset : int
        The next one to read.
    note : str
        Metadata that is committed with it.
    """

    offset: int
    note: str = ""


class Publisher:
    """Produces into one transaction at a time.

    Parameters
    ----------
    connection : Connection
        The cluster.
    transactional_id : str
        Stable over restarts of the same instance.
    timeout_ms : int
        The broker aborts the transaction of a silent process after this time.
    native : bool
        Whether librdkafka may be called past confluent-kafka, where that can be done.
    """

    def __init__(
        self,
        connection: Connection,
        transactional_id: str,
        timeout_ms: int,
        *,
        native: bool = True,
    ) -> None:
        self._settings = connection.librdkafka(
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            linger_ms=5,
            compression_type="lz4",
            queue_buffering_max_messages=_MOST_QUEUED,
        )
        self._settings["log_level"] = 2
        self._settings["message.max.bytes"] = 2_000_000
        self._native = native
        self._producer: Any = None
        self._batches: BatchProducer | None = None
        self._stuck: list[Any] = []
        self._open = False

    def connect(self, timeout_s: float = 30.0) -> None:
        """Make a producer and fence any predecessor with the same id.

        Raises
        ------
        Unavailable
            Where the coordinator does not answer in time.
        """
        self.close()
        self._producer = ck.Producer(self._settings)
        self._batches = batch_producer(self._producer) if self._native else None
        try:
            self._producer.init_transactions(timeout_s)
        except ck.KafkaException as error:
            raise Unavailable(f"transaction coordinator: {error.args[0].str()}") from error

    def begin(self) -> None:
        """Open a transaction where none is open."""
        if not self._open:
            self._guard(self._producer.begin_transaction)
            self._open = True

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> None:
        """Add a record to the open transaction; waits where the queue is full."""
        while True:
            try:
                if headers:
                    self._producer.produce(topic, value=value, key=key, headers=list(headers))
                else:
                    self._producer.produce(topic, value=value, key=key)
            except BufferError:
                self.poll(0.05)
            except ck.KafkaException as error:
                raise _translate(error) from error
            else:
                return

    def produce_many(self, topic: str, values: Spans, keys: Spans) -> None:
        """Add records to the open transaction, in order; waits where the queue is full.

        Raises
        ------
        TransactionAborted, ProducerLost
            Where a record is refused; some may then be in the transaction.
        """
        if self._batches is None:
            for value, key in zip(values.texts(), keys.texts(), strict=True):
                self.produce(topic, value, key)
            return
        while len(values.lengths):
            self._wait_for_room(len(values.lengths))
            codes = self._batches.produce(topic, values, keys)
            refused = codes != 0
            if refused.any():
                _raise_unless_full(codes[refused])
                self.poll(0.05)
            values, keys = values.selected(refused), keys.selected(refused)

    def _wait_for_room(self, count: int) -> None:
        """Wait until the queue takes so many records at once: else they could change places."""
        while len(self._producer) and len(self._producer) + count > _MOST_QUEUED:
            self.poll(0.05)

    def poll(self, timeout_s: float = 0.0) -> None:
        """Let the producer serve its events; once a batch.

        Raises
        ------
        ProducerLost
            Where it has become unusable meanwhile.
        """
        try:
            self._producer.poll(timeout_s)
        except ck.KafkaException as error:
            raise _translate(error) from error

    def commit(self, positions: Mapping[TopicPartition, Position], group: Any) -> None:
        """Commit outputs and offsets as one.

        Parameters
        ----------
        positions : mapping of (topic, partition) to Position
            How far each partition is judged.
        group : consumer group metadata
            Of the membership consumer; the broker refuses members that were replaced.

        Raises
        ------
        TransactionAborted, ProducerLost
            Where it did not happen.
        """
        offsets = [
            ck.TopicPartition(topic, number, position.offset, metadata=position.note)
            if position.note
            else ck.TopicPartition(topic, number, position.offset)
            for (topic, number), position in positions.items()
        ]
        self._guard(lambda: self._producer.send_offsets_to_transaction(offsets, group, 10))
        self._guard(lambda: self._producer.commit_transaction(10))
        self._open = False

    def abort(self) -> None:
        """Abort the open transaction, if there is one.

        Raises
        ------
        ProducerLost
            Where the producer must be replaced to do so.
        """
        if self._producer is None:
            raise ProducerLost("the producer was left behind")
        if not self._open:
            return
        self._open = False
        try:
            self._guard(lambda: self._producer.abort_transaction(10))
        except (TransactionAborted, Unavailable) as error:
            raise ProducerLost(str(error)) from error

    def abandon(self) -> None:
        """Forget a producer that a call is stuck in; `connect` makes the next one."""
        self._open = False
        self._stuck.append(self._producer)  # destroying it would wait for the stuck call
        self._producer = self._batches = None

    def close(self) -> None:
        """Let the producer go; an open transaction is aborted by the broker or by a successor."""
        self._open = False
        if self._producer is not None:
            self._producer.purge()
            with suppress(ck.KafkaException):  # a fatal error that nobody looked at before
                self._producer.poll(0)
            self._producer = self._batches = None

    def _guard(self, call: Any, attempts: int = 3) -> None:
        for attempt in range(attempts):
            try:
                call()
            except ck.KafkaException as error:
                retriable = error.args[0].retriable() and not error.args[0].txn_requires_abort()
                if not retriable or attempt == attempts - 1:
                    raise _translate(error) from error
                time.sleep(0.1 * 2**attempt)
            else:
                return


def _raise_unless_full(codes: NDArray[np.int32]) -> None:
    """Raise what the codes of refused records stand for, unless that passes by itself."""
    others = codes[codes != ck.KafkaError._QUEUE_FULL]
    if len(others):
        error = ck.KafkaException(ck.KafkaError(int(others[0])))
        raise _translate(error) from error


def _translate(error: ck.KafkaException) -> EddyError:
    reason = error.args[0]
    if reason.fatal() or reason.code() in _LOST:
        return ProducerLost(reason.str())
    return TransactionAborted(reason.str())
