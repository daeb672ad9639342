"""Creating and describing topics; nothing is ever created by accident."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from eddy.schemas.errors import MissingResource
from eddy.schemas.topics import CONTROL, LABELS, DomainTopics
from eddy.streams.connection import Connection

_DAY_MS = 86_400_000

DEAD_LETTER_BYTES = 2_100_000
"""The size of a record that a dead-letter topic takes: a published one's 2,000,000, and headers."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """A topic as it should be."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


def specs(
    domains: Iterable[DomainTopics], partitions: int, side_topics: bool = True
) -> list[TopicSpec]:
    """Return the topics of these domains, and those all domains share.

    Event topics carry the broker's clock (`LogAppendTime`): "in the future" is then judged by one
    clock, and the same on every replay.
    """
    result = []
    for topics in domains:
        number = topics.partitions or partitions
        append = _kept(topics.kept_days, **{"message.timestamp.type": _APPEND})
        result += [
            TopicSpec(topics.events, number, append),
            TopicSpec(topics.anomalies, number, _kept(30)),
            TopicSpec(topics.rejections, number, _kept(14)),
            TopicSpec(topics.scored, number, _kept(7)),
        ]
        if topics.forecasts is not None:
            # not compacted: what was forecast of the last weeks is looked at beside what came
            result.append(TopicSpec(topics.forecasts, number, _kept(30)))
        if topics.decisions is not None:
            # as long as labels may take, and a model's training looks back
            result.append(TopicSpec(topics.decisions, number, _kept(120)))
    if side_topics:
        result.append(TopicSpec(LABELS, partitions, _kept(120)))
        result.append(TopicSpec(CONTROL, 1, {"cleanup.policy": "compact"}))
    return result


def sink_specs(control: Iterable[str], dead_letters: Iterable[str]) -> list[TopicSpec]:
    """Return the topics of sink connectors: for agreeing on commits, and for what is set aside.

    One partition each: the order is wanted, the rate is low. The largest record that a topic
    of ours may hold has room in what is set aside, with the headers that say why.
    """
    agreed = [TopicSpec(name, 1, _kept(7)) for name in control]
    aside = _kept(30, **{"max.message.bytes": str(DEAD_LETTER_BYTES)})
    return agreed + [TopicSpec(name, 1, aside) for name in dead_letters]


_APPEND = "LogAppendTime"


def _kept(days: int, **config: str) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * _DAY_MS), **config}


def create(
    connection: Connection, wanted: Iterable[TopicSpec], replication: int = -1
) -> tuple[list[str], list[str]]:
    """Create those topics that do not exist; return the names (created, already there).

    Raises
    ------
    MissingResource
        Where no broker answers or a topic is refused.
    """
    existing = cluster_topics(connection)
    wanted = list(wanted)
    new = [spec for spec in wanted if spec.name not in existing]
    if new:
        admin = _admin(connection)
        futures = admin.create_topics(
            [NewTopic(s.name, s.partitions, replication, config=s.config) for s in new]
        )
        for name, future in futures.items():
            try:
                future.result(timeout=30)
            except ck.KafkaException as error:
                if error.args[0].code() != ck.KafkaError.TOPIC_ALREADY_EXISTS:
                    raise MissingResource(f"topic {name}: {error.args[0].str()}") from error
    return [s.name for s in new], [s.name for s in wanted if s.name in existing]


def delete(connection: Connection, names: Iterable[str], groups: Iterable[str] = ()) -> None:
    """Delete topics and consumer groups; those that do not exist are no error.

    Raises
    ------
    MissingResource
        Where the broker refuses.
    """
    admin = _admin(connection)
    existing = cluster_topics(connection)
    futures = {}
    doomed = [name for name in names if name in existing]
    if doomed:
        futures.update(admin.delete_topics(doomed))
    groups = list(groups)
    if groups:
        futures.update(admin.delete_consumer_groups(groups))
    for name, future in futures.items():
        try:
            future.result(timeout=30)
        except ck.KafkaException as error:
            if error.args[0].code() not in _ABSENT:
                raise MissingResource(f"{name}: {error.args[0].str()}") from error


_ABSENT = {ck.KafkaError.UNKNOWN_TOPIC_OR_PART, ck.KafkaError.GROUP_ID_NOT_FOUND}


def cluster_topics(connection: Connection, timeout_s: float = 10.0) -> Mapping[str, int]:
    """Return the topics of the cluster with their numbers of partitions.

    Raises
    ------
    MissingResource
        Where no broker answers.
    """
    try:
        topics = _admin(connection).list_topics(timeout=timeout_s).topics
    except ck.KafkaException as error:
        raise MissingResource(
            f"kafka.bootstrap_servers: no broker answers at {connection.bootstrap_servers} "
            f"({error.args[0].str()}); start one with `eddy up`, or set "
            "EDDY_KAFKA__BOOTSTRAP_SERVERS"
        ) from error
    return {name: len(topic.partitions) for name, topic in topics.items()}


def _admin(connection: Connection) -> AdminClient:
    return AdminClient({**connection.librdkafka(), "log_level": 2})


def answers(bootstrap_servers: str) -> bool:
    """Whether a broker answers at this address; the readiness of an embedded one."""
    try:
        cluster_topics(Connection(bootstrap_servers), timeout_s=2.0)
    except MissingResource:
        return False
    return True


def check(connection: Connection, names: Iterable[str]) -> None:
    """Raise MissingResource, naming what to do, where one of these topics does not exist."""
    existing = cluster_topics(connection)
    absent = [name for name in names if name not in existing]
    if absent:
        raise MissingResource(
            f"topics do not exist: {', '.join(absent)}; create them with `eddy topics create`"
        )
