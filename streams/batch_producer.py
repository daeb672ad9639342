"""Many records of one topic in one call: no Python object for each.

confluent-kafka's own `produce_batch` makes a dictionary and a state for each record, 2 µs of
processor time; librdkafka's takes 0.4. It is called here with the producer that confluent-kafka
made, so that transactions, settings and the partitioner are the same: its handle is the first
field of that object. That layout is nobody's promise, so this is only done for versions where it
was looked up; with others records are produced one by one.
"""

import ctypes
import platform
from importlib.metadata import version
from typing import Any

import confluent_kafka as ck
import numpy as np
from numpy.typing import NDArray

from eddy.schemas.errors import Unavailable
from eddy.schemas.spans import Spans
from eddy.streams.librdkafka import Library

_KNOWN = {("2.16.1", 176)}
"""Versions of confluent-kafka and the bytes of their producer object."""

_ANY_PARTITION = -1
_COPY = 2
# rd_kafka_message_t as eight-byte words, see `eddy.streams.messages`; one more for whoever produces
_PAYLOAD, _LENGTH, _KEY, _KEY_LENGTH, _WORDS = 3, 4, 5, 6, 9


class BatchProducer:
    """Produces for a confluent producer, into its open transaction.

    Raises
    ------
    Unavailable
        With a version of confluent-kafka that is not known; says which.
    """

    def __init__(self, producer: ck.Producer) -> None:
        build = (version("confluent-kafka"), type(producer).__basicsize__)
        if build not in _KNOWN or platform.python_implementation() != "CPython":
            raise Unavailable(f"confluent-kafka {build[0]}: its producer is not known from inside")
        self._library = Library()
        self._producer = producer

    def produce(self, topic: str, values: Spans, keys: Spans) -> NDArray[np.int32]:
        """Queue copies of the records and return librdkafka's code for each: 0 where it took it."""
        count = len(values.lengths)
        messages = np.zeros((count, _WORDS), np.int64)
        _point(messages, _PAYLOAD, _LENGTH, values)
        _point(messages, _KEY, _KEY_LENGTH, keys)
        handle = self._library.topic_new(self._handle(), topic.encode(), None)
        if not handle:
            raise Unavailable(f"{topic}: librdkafka gives no handle")
        try:
            self._library.produce_batch(handle, _ANY_PARTITION, _COPY, messages.ctypes.data, count)
        finally:
            self._library.topic_destroy(handle)
        return messages[:, 0].astype(np.int32)

    def _handle(self) -> int:
        """Return the ``rd_kafka_t`` of the producer."""
        address = id(self._producer) + object.__basicsize__
        handle: int | None = ctypes.c_void_p.from_address(address).value
        if not handle:
            raise Unavailable("the producer is closed")
        return handle


def _point(messages: NDArray[np.int64], address: int, length: int, spans: Spans) -> None:
    present = spans.lengths >= 0
    messages[:, address] = np.where(present, spans.addresses, 0)
    messages[:, length] = np.where(present, spans.lengths, 0)


def batch_producer(producer: Any) -> BatchProducer | None:
    """Return a batch producer, or None where there can be none."""
    try:
        return BatchProducer(producer)
    except Unavailable:
        return None
