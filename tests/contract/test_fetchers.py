"""Both fetchers keep the same promises, on a real broker."""

import time

import pytest
from confluent_kafka import Producer

from eddy.streams.connection import Connection
from eddy.streams.fetchers import NativeFetcher, PortableFetcher, open_fetcher


@pytest.fixture(params=["native", "portable"])
def fetcher(request, kafka):
    fetcher = open_fetcher(request.param, Connection(kafka.bootstrap), "test-fetchers")
    assert isinstance(fetcher, NativeFetcher if request.param == "native" else PortableFetcher)
    yield fetcher
    fetcher.close()


def send(kafka, topic, records, partition=0):
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for key, value in records:
        producer.produce(topic, value=value, key=key, partition=partition)
    producer.flush()


def collect(fetcher, count, limit_s=20.0):
    """Return (topic, partition, offset, key, value) of the next records; releases every batch."""
    got, end = [], time.monotonic() + limit_s
    while len(got) < count and time.monotonic() < end:
        records = fetcher.fetch(100, 50)
        if records is None:
            continue
        for run in records.runs:
            got += [
                (
                    run.topic,
                    run.partition,
                    int(records.offsets[i]),
                    records.key(i),
                    records.value(i),
                )
                for i in range(run.start, run.stop)
            ]
        assert (records.timestamps > 0).all()
        records.release()
    return got


def test_records_come_whole_and_in_order(kafka, fetcher):
    topic = kafka.topic(2)
    send(kafka, topic, [(b"k%d" % i, b"v%d" % i) for i in range(250)], 0)
    send(kafka, topic, [(None, b"w"), (b"", None), (b"k", b"")], 1)
    fetcher.assign({(topic, 0): 0, (topic, 1): 0})
    got = collect(fetcher, 253)
    first = [row[2:] for row in got if row[1] == 0]
    assert first == [(i, b"k%d" % i, b"v%d" % i) for i in range(250)]
    second = [row[2:] for row in got if row[1] == 1]
    assert [(o, v) for o, _, v in second] == [(0, b"w"), (1, None), (2, b"")] or [
        (o, v or None) for o, _, v in second
    ] == [(0, b"w"), (1, None), (2, None)]


def test_partitions_come_and_go_without_disturbing_others(kafka, fetcher):
    topic = kafka.topic(3)
    for partition in range(3):
        send(kafka, topic, [(None, b"%d" % i) for i in range(50)], partition)
    fetcher.assign({(topic, 0): 40})
    assert [row[2] for row in collect(fetcher, 10)] == list(range(40, 50))
    fetcher.assign({(topic, 1): 45, (topic, 2): 0})
    got = collect(fetcher, 55)
    assert {(row[1], row[2]) for row in got} == {(1, i) for i in range(45, 50)} | {
        (2, i) for i in range(50)
    }
    fetcher.unassign([(topic, 1)])
    send(kafka, topic, [(None, b"new")], 1)
    send(kafka, topic, [(None, b"new")], 0)
    assert [(row[1], row[2]) for row in collect(fetcher, 1)] == [(0, 50)]
    assert collect(fetcher, 1, limit_s=1.0) == []


def test_an_offset_that_does_not_exist_is_an_error_not_a_jump(kafka, fetcher):
    topic = kafka.topic(1)
    send(kafka, topic, [(None, b"x")])
    fetcher.assign({(topic, 0): 1_000})
    end, errors = time.monotonic() + 20, []
    while not errors and time.monotonic() < end:
        records = fetcher.fetch(10, 100)
        if records is not None:
            errors += records.errors
            assert records.runs == []
            records.release()
    assert errors[0].code in (-140, 1)
    assert (errors[0].topic, errors[0].partition) == (topic, 0)


def test_the_end_is_known_after_a_fetch(kafka, fetcher):
    topic = kafka.topic(1)
    send(kafka, topic, [(None, b"x")] * 7)
    fetcher.assign({(topic, 0): 0})
    collect(fetcher, 7)
    assert fetcher.end_offset((topic, 0)) == 7
