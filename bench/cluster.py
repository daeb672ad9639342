"""The cluster a benchmark runs on: topics made and removed, offsets looked at from outside."""

import contextlib
from collections.abc import Iterator

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient

from eddy.app.domains import domain as domain_called
from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import DomainTopics, domain_topics
from eddy.streams import topics as kafka_topics
from eddy.streams.connection import Connection

_TIMEOUT_S = 10.0


class Cluster:
    """A Kafka cluster, and what this run made on it.

    Parameters
    ----------
    bootstrap : str
        ``host:port[,...]``, plain text.
    prefix : str
        Begins the name of every topic and group of this run.
    """

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self.bootstrap = bootstrap
        self.prefix = prefix
        self._connection = Connection(bootstrap, properties={"log_level": "2"})
        self._created: list[str] = []

    def make(self, name: str, partitions: int, domain: str = "rides") -> DomainTopics:
        """Create the topics of a case, as ``eddy topics create`` would."""
        definition = domain_called(domain)
        topics = domain_topics(
            domain,
            f"{self.prefix}.{name}",
            forecasts=definition.forecasts,
            decisions=definition.is_labelled,
            partitions=definition.partitions,
            kept_days=definition.kept_days,
        )
        specs = kafka_topics.specs([topics], partitions)
        created, _ = kafka_topics.create(self._connection, specs)
        self._created += [topic for topic in created if topic.startswith(self.prefix)]
        return topics

    def remove(self) -> None:
        """Delete the topics and groups of this run; the shared control topic stays.

        Groups whose members were killed stay until the broker forgets them.
        """
        with contextlib.suppress(ck.KafkaException, MissingResource):
            kafka_topics.delete(self._connection, self._created)
            for group in self._groups():
                with contextlib.suppress(MissingResource):
                    kafka_topics.delete(self._connection, [], [group])
        self._created.clear()

    def _groups(self) -> list[str]:
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})
        listed = admin.list_consumer_groups(request_timeout=_TIMEOUT_S).result().valid
        return [group.group_id for group in listed if group.group_id.startswith(self.prefix)]

    def ends(self, topic: str) -> dict[int, int]:
        """Return the end of every partition, of committed and other records alike."""
        with self._looking(f"{self.prefix}.look") as client:
            return {
                partition: client.get_watermark_offsets(
                    ck.TopicPartition(topic, partition), timeout=_TIMEOUT_S
                )[1]
                for partition in client.list_topics(topic).topics[topic].partitions
            }

    def progress(self, group: str, topic: str) -> "GroupProgress":
        """Look at how far a group has committed."""
        return GroupProgress(self.bootstrap, group, topic, self.ends(topic))

    @contextlib.contextmanager
    def _looking(self, group: str) -> Iterator[ck.Consumer]:
        client = ck.Consumer(_looker(self.bootstrap, group))
        try:
            yield client
        finally:
            client.close()


class GroupProgress:
    """How many events of a topic a group has committed; called again and again.

    It reads offsets only, of transactions that are committed, and joins nothing.
    """

    def __init__(self, bootstrap: str, group: str, topic: str, ends: dict[int, int]) -> None:
        self.total = sum(ends.values())
        self._partitions = [ck.TopicPartition(topic, partition) for partition in ends]
        self._client = ck.Consumer(_looker(bootstrap, group))

    def __call__(self) -> int:
        """Return the number of events committed so far; 0 while the group is not there."""
        try:
            committed = self._client.committed(self._partitions, timeout=_TIMEOUT_S)
        except ck.KafkaException:
            return 0
        return sum(max(partition.offset, 0) for partition in committed)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _looker(bootstrap: str, group: str) -> dict[str, object]:
    # read_uncommitted: else an offset inside an open transaction would make the look wait for it
    return {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "isolation.level": "read_uncommitted",
        "log_level": 2,
    }
