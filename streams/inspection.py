"""What a cluster says of itself: topics' settings, whether they are served, its clock."""

import time
from collections.abc import Iterable, Mapping

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from eddy.schemas.errors import MissingResource
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader
from eddy.streams.topics import TopicSpec

_POLL_S = 0.05


def differences(connection: Connection, wanted: Iterable[TopicSpec]) -> dict[str, str]:
    """Return what is set otherwise than wanted, by topic, in words; only existing topics.

    Raises
    ------
    MissingResource
        Where the broker does not tell.
    """
    specs = {spec.name: spec for spec in wanted if spec.config}
    if not specs:
        return {}
    admin = AdminClient({**connection.librdkafka(), "log_level": 2})
    resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in specs]
    result = {}
    for resource, future in admin.describe_configs(resources, request_timeout=10).items():
        try:
            entries = future.result(timeout=15)
        except ck.KafkaException as error:
            raise MissingResource(f"topic {resource.name}: {error.args[0].str()}") from error
        text = _difference(specs[resource.name].config, {k: e.value for k, e in entries.items()})
        if text:
            result[resource.name] = text
    return result


def _difference(wanted: Mapping[str, str], real: Mapping[str, str | None]) -> str:
    other = [
        f"{key} is {real.get(key)} instead of {value}"
        for key, value in wanted.items()
        if real.get(key) != value
    ]
    return ", ".join(other)


def wait_until_served(connection: Connection, topics: Iterable[str], timeout_s: float) -> None:
    """Wait until every partition of new topics answers: a leader is named before it serves.

    Raises
    ------
    MissingResource
        Where one does not in time.
    """
    end = time.monotonic() + timeout_s
    reader = TopicReader(connection)
    try:
        for topic in topics:
            while not _is_served(reader, topic):
                if time.monotonic() > end:
                    raise MissingResource(f"topic {topic} is not served after {timeout_s:g} s")
                time.sleep(_POLL_S)
    finally:
        reader.close()


def _is_served(reader: TopicReader, topic: str) -> bool:
    try:
        reader.ranges(topic)
    except (ck.KafkaException, MissingResource):
        return False
    return True


def newest_timestamp_ms(connection: Connection, topic: str) -> int | None:
    """Return the largest timestamp among the last records of a topic; None where there are none.

    On a topic with ``LogAppendTime`` this is the broker's clock when it took the record.
    """
    reader = TopicReader(connection)
    try:
        ranges = reader.ranges(topic)
        last = {number: max(low, high - 1) for number, (low, high) in ranges.items()}
        return max((record.timestamp_ms for record in reader.read(topic, last)), default=None)
    finally:
        reader.close()
