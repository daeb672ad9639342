"""Many records at once into a transaction: natively, and one by one where that cannot be."""

import time

import numpy as np
import pytest
from confluent_kafka import KafkaError, Producer

from eddy.schemas.errors import Unavailable
from eddy.schemas.spans import Spans
from eddy.streams import batch_producer as batches
from eddy.streams.connection import Connection
from eddy.streams.publisher import ProducerLost, Publisher, TransactionAborted
from eddy.streams.reading import TopicReader


@pytest.fixture(params=[True, False], ids=["native", "one by one"])
def native(request):
    return request.param


@pytest.fixture
def publisher(kafka, native, request):
    made = Publisher(Connection(kafka.bootstrap), f"t-{request.node.name}", 10_000, native=native)
    made.connect()
    assert (made._batches is not None) == native
    yield made
    made.close()


def read(kafka, topic, count, limit_s=20.0):
    """Return (partition, key, value) of records; the end of a transaction is not seen at once."""
    reader, end, found = TopicReader(Connection(kafka.bootstrap)), time.monotonic() + limit_s, []
    while len(found) < count and time.monotonic() < end:
        found = [(record.partition, record.key, record.value) for record in reader.read(topic)]
    reader.close()
    return found


def commit(publisher):
    publisher._producer.commit_transaction(10)
    publisher._open = False


def test_records_and_keys_arrive_in_order_as_they_were(kafka, publisher):
    topic = kafka.topic(1)
    values = [b"v%d" % row * (row % 50) for row in range(5_000)]
    values[7], values[8] = None, b""
    keys = [None if row % 3 == 0 else b"k%d" % (row % 11) for row in range(5_000)]
    publisher.begin()
    publisher.produce_many(topic, Spans.of(values), Spans.of(keys))
    publisher.produce_many(topic, Spans.of([]), Spans.of([]))
    commit(publisher)
    got = read(kafka, topic, 5_000)
    assert [(key, value or None) for _, key, value in got] == [
        (key, value or None) for key, value in zip(keys, values, strict=True)
    ]


def test_what_is_aborted_is_never_seen(kafka, publisher):
    topic = kafka.topic(1)
    publisher.begin()
    publisher.produce_many(topic, Spans.of([b"gone"] * 100), Spans.of([None] * 100))
    publisher.abort()
    publisher.begin()
    publisher.produce_many(topic, Spans.of([b"kept"]), Spans.of([None]))
    commit(publisher)
    assert [value for _, _, value in read(kafka, topic, 1)] == [b"kept"]


def test_keys_go_where_single_records_go(kafka, publisher):
    topic = kafka.topic(8)
    keys = [b"key-%d" % row for row in range(200)]
    publisher.begin()
    publisher.produce_many(topic, Spans.of([b"many"] * 200), Spans.of(keys))
    for key in keys:
        publisher.produce(topic, b"one", key)
    commit(publisher)
    places = {key: set() for key in keys}
    for partition, key, _ in read(kafka, topic, 400):
        places[key].add(partition)
    assert all(len(found) == 1 for found in places.values())
    assert len(set.union(*places.values())) == 8


def test_a_full_queue_is_waited_for(kafka, native):
    topic = kafka.topic(2)
    publisher = Publisher(Connection(kafka.bootstrap), f"t-full-{native}", 10_000, native=native)
    publisher._settings["queue.buffering.max.kbytes"] = 64
    publisher.connect()
    keys = [b"%d" % (row % 5) for row in range(3_000)]
    values = [b"%06d" % row + bytes(200) for row in range(3_000)]
    publisher.begin()
    if native:
        codes = publisher._batches.produce(topic, Spans.of(values), Spans.of(keys))
        assert (codes == KafkaError._QUEUE_FULL).any(), "the queue was never full"
        publisher.abort()
        publisher.begin()
    publisher.produce_many(topic, Spans.of(values), Spans.of(keys))
    commit(publisher)
    publisher.close()
    assert sorted(value for _, _, value in read(kafka, topic, 3_000)) == values


def test_without_a_transaction_nothing_is_taken(kafka, publisher):
    with pytest.raises(ProducerLost):
        publisher.produce_many(kafka.topic(1), Spans.of([b"v"]), Spans.of([None]))


def test_a_record_that_is_refused_aborts(kafka, publisher):
    publisher.begin()
    with pytest.raises(TransactionAborted):
        publisher.produce_many(kafka.topic(1), Spans.of([bytes(2_100_000)]), Spans.of([None]))
    publisher.abort()


def test_a_fenced_producer_is_lost(kafka, native):
    topic = kafka.topic(1)
    first, second = (
        Publisher(Connection(kafka.bootstrap), f"t-fenced-{native}", 10_000, native=native)
        for _ in range(2)
    )
    first.connect()
    first.begin()
    second.connect()

    def go_on():
        for _ in range(50):
            first.produce_many(topic, Spans.of([b"v"] * 10), Spans.of([None] * 10))
            first.poll()
            time.sleep(0.05)
        first._guard(lambda: first._producer.commit_transaction(10))

    with pytest.raises(ProducerLost):
        go_on()
    first.close()
    second.close()
    assert read(kafka, topic, 1, limit_s=1.0) == []


def test_the_installed_version_is_known():
    producer = Producer({"bootstrap.servers": "127.0.0.1:1", "client.id": "it-is-me"})
    batch = batches.batch_producer(producer)
    assert batch is not None, "look up the layout of this version's producer and add it"
    assert batch._library.name(batch._handle()).startswith(b"it-is-me#producer-")


def test_an_unknown_version_is_left_alone(monkeypatch):
    monkeypatch.setattr(batches, "_KNOWN", {("0.0.0", 176)})
    producer = Producer({"bootstrap.servers": "127.0.0.1:1"})
    with pytest.raises(Unavailable, match="not known"):
        batches.BatchProducer(producer)
    assert batches.batch_producer(producer) is None


def test_spans_are_chosen_in_their_order():
    spans = Spans.of([b"a", None, b"", b"d"])
    assert spans.texts() == [b"a", None, b"", b"d"]
    assert spans.selected(np.array([False, True, False, True])).texts() == [None, b"d"]
