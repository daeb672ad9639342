"""A group's offsets before its first member, on a real broker."""

import uuid

import confluent_kafka as ck
import pytest

from eddy.schemas.errors import MissingResource
from eddy.streams.connection import Connection
from eddy.streams.seeding import committed, seed


@pytest.fixture
def connection(kafka):
    return Connection(kafka.bootstrap)


@pytest.fixture
def group():
    return f"connect-{uuid.uuid4().hex[:8]}-coord"


def test_every_partition_gets_its_beginning_once(kafka, connection, group):
    topic = kafka.topic(3)
    assert committed(connection, group, topic) == {}
    assert seed(connection, group, topic)
    assert committed(connection, group, topic) == {0: 0, 1: 0, 2: 0}
    assert not seed(connection, group, topic)


def test_a_group_that_moved_on_stays_there(kafka, connection, group):
    topic = kafka.topic(2)
    consumer = ck.Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer.commit(offsets=[ck.TopicPartition(topic, 1, 7)], asynchronous=False)
    consumer.close()
    assert seed(connection, group, topic)
    assert committed(connection, group, topic) == {0: 0, 1: 7}


def test_a_topic_that_is_not_there_is_named(connection, group):
    with pytest.raises(MissingResource, match=r"no\.such\.topic"):
        seed(connection, group, "no.such.topic")
