"""The sink connectors: which topic goes into which tables, and Kafka Connect's settings for it.

Each connector writes what a read_committed consumer sees into its tables, exactly once as long as
its coordinator's group has offsets (see `eddy.streams.seeding`). A record that is no JSON object
goes to the connector's dead-letter topic; one whose fields have the wrong types fails the task,
and the watchdog (`eddy lake watch`) sets it aside there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from eddy.lake import tables
from eddy.lake.config import LakeConfig
from eddy.lake.tables import TableSpec
from eddy.schemas.topics import DomainTopics

MASK = "********"
_SECRETS = ("iceberg.catalog.s3.secret-access-key", "iceberg.catalog.jdbc.password")
_BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"


@dataclass(frozen=True, slots=True)
class SinkFeed:
    """A domain whose topics feed the lake."""

    topics: DomainTopics
    event_type: type[msgspec.Struct]


@dataclass(frozen=True, slots=True)
class Connector:
    """One sink connector.

    Attributes
    ----------
    name : str
        In the Connect cluster.
    topics : tuple of str
        What it reads.
    tables : tuple of TableSpec
        Each record goes into all of them.
    control_topic : str
        Where its tasks agree on commits; its alone.
    dead_letters : str
        The topic of records that it cannot write.
    settings : dict of str to str
        As Kafka Connect takes them, secrets too.
    """

    name: str
    topics: tuple[str, ...]
    tables: tuple[TableSpec, ...]
    control_topic: str
    dead_letters: str
    settings: dict[str, str] = field(repr=False)

    @property
    def group(self) -> str:
        """The consumer group that reads the topics."""
        return f"connect-{self.name}"

    @property
    def coordinator_group(self) -> str:
        """The consumer group that reads the control topic; to be seeded before the first start."""
        return f"connect-{self.name}-coord"

    def shown(self) -> dict[str, str]:
        """Return the settings, secrets masked."""
        return {k: MASK if k in _SECRETS else v for k, v in self.settings.items()}

    def without_secrets(self, text: str) -> str:
        """Return a text of the worker's, such as a trace, secrets masked."""
        for key in _SECRETS:
            if secret := self.settings.get(key):
                text = text.replace(secret, MASK)
        return text


def connectors(config: LakeConfig, feeds: Mapping[str, SinkFeed]) -> list[Connector]:
    """Return the connectors of these domains: one a family of topics.

    Parameters
    ----------
    feeds : mapping of str to Feed
        By domain.
    """
    wanted = []
    for domain, feed in feeds.items():
        both = (tables.anomalies(domain), tables.changes(domain))
        wanted.append(_json(config, f"anomalies-{domain}", feed.topics.anomalies, both))
        if config.history:
            history = (tables.history(domain, feed.event_type),)
            wanted.append(_json(config, f"history-{domain}", feed.topics.scored, history))
    rejected = tuple(feed.topics.rejections for feed in feeds.values())
    wanted.append(_connector(config, "rejections", rejected, (tables.rejections(),), _rejections()))
    return wanted


def _json(config: LakeConfig, name: str, topic: str, specs: tuple[TableSpec, ...]) -> Connector:
    settings = {
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "header.converter": _BYTES,
        **_chain(("kafka", _delivery())),
    }
    return _connector(config, name, (topic,), specs, settings)


def _rejections() -> dict[str, str]:
    """Return how a rejection becomes a row: its bytes and its headers, none of them interpreted."""
    headers = ",".join(name for name in tables.REJECTION if name != "payload")
    copied = {"headers": headers, "fields": headers, "operation": "copy"}
    return {
        "value.converter": _BYTES,
        "header.converter": "org.apache.kafka.connect.storage.StringConverter",
        **_chain(
            ("payload", {"type": f"{_TRANSFORMS}.HoistField$Value", "field": "payload"}),
            ("headers", {"type": "io.debezium.transforms.HeaderToValue", **copied}),
            ("kafka", _delivery()),
        ),
    }


_TRANSFORMS = "org.apache.kafka.connect.transforms"


def _delivery() -> dict[str, str]:
    """Return the transform that adds where the record stands.

    Not Iceberg's own KafkaMetadataTransform: its settings are static, those of the last connector
    that started hold for all others of the worker.
    """
    fields = {f"{name}.field": f"kafka_{name}" for name in _PLACE}
    return {"type": f"{_TRANSFORMS}.InsertField$Value", **fields}


_PLACE = ("topic", "partition", "offset", "timestamp")


def _chain(*steps: tuple[str, dict[str, str]]) -> dict[str, str]:
    settings = {"transforms": ",".join(name for name, _ in steps)}
    for name, step in steps:
        settings |= {f"transforms.{name}.{key}": value for key, value in step.items()}
    return settings


def _connector(
    config: LakeConfig,
    short: str,
    topics: tuple[str, ...],
    specs: tuple[TableSpec, ...],
    more: dict[str, str],
) -> Connector:
    name = f"{config.connect_prefix}-{short}"
    control, dead = f"lake.control.{name}", f"lake.dlq.{name}"
    written = ",".join(f"{config.namespace}.{spec.name}" for spec in specs)
    settings = {
        "connector.class": "org.apache.iceberg.connect.IcebergSinkConnector",
        "tasks.max": "1",
        "topics": ",".join(topics),
        "key.converter": _BYTES,
        "iceberg.tables": written,
        # what the tables are is declared in one place, and that is not a record
        "iceberg.tables.auto-create-enabled": "false",
        "iceberg.tables.evolve-schema-enabled": "false",
        **_commits(config, control),
        **_errors(dead),
        **_catalog(config),
        **_store(config),
        **more,
    }
    return Connector(name, topics, specs, control, dead, settings)


def _commits(config: LakeConfig, control: str) -> dict[str, str]:
    return {
        # without it rows of aborted transactions land in the tables
        "consumer.override.isolation.level": "read_committed",
        "consumer.override.auto.offset.reset": "earliest",
        "consumer.override.session.timeout.ms": "10000",
        "iceberg.kafka.session.timeout.ms": "10000",
        # a coordinator whose task failed lives on for a while, silent: for so long, instead of five
        # minutes, it keeps its successor from hearing of rows that are written
        "iceberg.kafka.max.poll.interval.ms": "15000",
        # a dead worker's open transaction ends soon, or its successor waits for it
        "iceberg.kafka.transaction.timeout.ms": "15000",
        "iceberg.control.topic": control,
        "iceberg.control.commit.interval-ms": str(round(config.commit_interval_s * 1e3)),
        # a task may miss the first call to commit; nothing is committed until this has passed
        "iceberg.control.commit.timeout-ms": "10000",
        "iceberg.control.commit.threads": "1",
    }


def _errors(dead_letters: str) -> dict[str, str]:
    return {
        "errors.tolerance": "all",
        "errors.log.enable": "true",
        "errors.log.include.messages": "false",
        "errors.deadletterqueue.topic.name": dead_letters,
        # it exists: the factor only keeps Connect from asking for three copies of it
        "errors.deadletterqueue.topic.replication.factor": "1",
        "errors.deadletterqueue.context.headers.enable": "true",
        # else a large record would be set aside without a copy
        "producer.override.max.request.size": "2100000",
    }


def _catalog(config: LakeConfig) -> dict[str, str]:
    settings = {
        "iceberg.catalog": config.catalog_name,
        "iceberg.catalog.warehouse": config.warehouse,
    }
    if config.catalog == "glue:":
        return {**settings, "iceberg.catalog.type": "glue"}
    settings |= {"iceberg.catalog.type": "jdbc", "iceberg.catalog.jdbc.schema-version": "V1"}
    if config.catalog.startswith("sqlite:///"):
        file = Path(config.catalog.removeprefix("sqlite:///")).absolute()
        return {**settings, "iceberg.catalog.uri": f"jdbc:sqlite:{file}?busy_timeout=15000"}
    parts = urlsplit(config.catalog)
    place = f"{parts.hostname}:{parts.port or 5432}{parts.path}"
    optional = {
        "iceberg.catalog.uri": f"jdbc:postgresql://{place}",
        "iceberg.catalog.jdbc.user": parts.username or "",
        "iceberg.catalog.jdbc.password": config.catalog_password,
    }
    return {**settings, **{key: value for key, value in optional.items() if value}}


def _store(config: LakeConfig) -> dict[str, str]:
    """Return how the connector reaches the store; what is empty it finds in its environment."""
    optional = {
        "iceberg.catalog.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "iceberg.catalog.client.region": config.region,
        "iceberg.catalog.s3.endpoint": config.endpoint,
        "iceberg.catalog.s3.path-style-access": "true" if config.endpoint else "",
        "iceberg.catalog.s3.access-key-id": config.access_key_id,
        "iceberg.catalog.s3.secret-access-key": config.secret_access_key,
        # with the default of 5 an outage of seconds fails the task
        "iceberg.catalog.s3.retry.num-retries": "12",
    }
    return {key: value for key, value in optional.items() if value}
