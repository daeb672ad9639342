"""A consumer group's offsets before its first member joins."""

import time
from collections.abc import Callable
from concurrent.futures import Future

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient

from eddy.schemas.errors import MissingResource
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader

_Futures = dict[str, "Future[ck.ConsumerGroupTopicPartitions]"]

_PATIENCE_S = 60.0
_POLL_S = 0.2
_PASSING = {
    ck.KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    ck.KafkaError.COORDINATOR_NOT_AVAILABLE,
    ck.KafkaError.NOT_COORDINATOR,
}


def seed(connection: Connection, group: str, topic: str) -> bool:
    """Commit the beginning of every partition for a group that has committed nothing of a topic.

    The coordinator of a sink connector begins at the end of its control topic while its group
    has no offsets, and then never hears of rows that were written before it listened: they are
    lost in silence. Done before the connector's first start this cannot happen; done again it
    changes nothing, also where the group has moved on.

    Returns
    -------
    bool
        Whether anything was committed.

    Raises
    ------
    MissingResource
        Where the topic does not exist or the broker refuses.
    """
    reader = TopicReader(connection)
    try:
        begins = {number: low for number, (low, _) in reader.ranges(topic).items()}
    finally:
        reader.close()
    absent = sorted(begins.keys() - committed(connection, group, topic).keys())
    if absent:
        offsets = [ck.TopicPartition(topic, number, begins[number]) for number in absent]
        requests = [ck.ConsumerGroupTopicPartitions(group, offsets)]
        _ask(connection, lambda admin: admin.alter_consumer_group_offsets(requests), group)
    return bool(absent)


def committed(connection: Connection, group: str, topic: str) -> dict[int, int]:
    """Return by partition what a group has committed of a topic; only those where it has.

    Raises
    ------
    MissingResource
        Where the broker does not tell.
    """
    requests = [ck.ConsumerGroupTopicPartitions(group)]
    answer = _ask(connection, lambda admin: admin.list_consumer_group_offsets(requests), group)
    offsets = answer.topic_partitions or []
    return {p.partition: p.offset for p in offsets if p.topic == topic and p.offset >= 0}


def _ask(
    connection: Connection, question: Callable[[AdminClient], _Futures], group: str
) -> ck.ConsumerGroupTopicPartitions:
    """Return the answer; a broker that just started does not know its groups for a moment."""
    admin = AdminClient({**connection.librdkafka(), "log_level": 2})
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            result = question(admin)[group].result(timeout=_PATIENCE_S)
        except ck.KafkaException as error:
            if error.args[0].code() not in _PASSING or time.monotonic() > end:
                raise MissingResource(f"consumer group {group}: {error.args[0].str()}") from error
            time.sleep(_POLL_S)
        else:
            break
    bad = [offset.error for offset in result.topic_partitions or [] if offset.error]
    if bad:
        raise MissingResource(f"consumer group {group}: {bad[0].str()}")
    return result
