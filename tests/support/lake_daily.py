"""A small lake as the sink leaves it, for the daily run: topics, tables, and rows of two days.

No Connect worker runs: its rows are written by what writes them in its place after poison
(`eddy.lake.sink.repair`), and its offsets are committed as it commits them.
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import boto3
import confluent_kafka as ck
import msgspec
from moto.server import ThreadedMotoServer

from eddy.app import settings, wiring
from eddy.app.domains import domain
from eddy.app.lake.connectors import connectors
from eddy.app.lake.dead_letters import delivered
from eddy.app.lake.tables import every_table
from eddy.app.settings import Settings
from eddy.lake import catalog
from eddy.lake.sink import repair
from eddy.lake.sink.connectors import Connector
from eddy.streams import topics
from eddy.streams.reading import TopicReader
from eddy.streams.sender import Sender
from tests.support.brokers import Kafka
from tests.support.lake_jobs import keep, streamed

DAY, NEXT_DAY = "2026-01-19", "2026-01-20"
_KEYS = ("key", "secret")


@dataclass(frozen=True)
class DailyLake:
    """What there is to do.

    Attributes
    ----------
    environment : dict of str to str
        For processes that are to use it; no other settings are in it.
    anomalies : int
        That ended on the day, each of which was opened and closed: two rows.
    """

    environment: dict[str, str]
    settings: Settings
    anomalies: int

    def rows(self, table: str) -> list[dict[str, object]]:
        """Return a table's rows."""
        opened = catalog.open_catalog(self.settings.lake)
        loaded = opened.load_table(f"{self.settings.lake.namespace}.{table}")
        return list(loaded.scan().to_arrow().to_pylist())

    def objects(self) -> set[str]:
        """Return the keys of the bucket's objects that are for other systems."""
        return {
            one["Key"]
            for page in _s3(self.settings)
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self.settings.lake.bucket, Prefix="exports/")
            for one in page.get("Contents", [])
        }


@contextmanager
def daily_lake(kafka: Kafka, folder: Path) -> Iterator[DailyLake]:
    """Build the lake; everything of it is its own but the broker."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        own = _variables(kafka, folder, f"http://{host}:{port}")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("EDDY_", "AIRFLOW"))}
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(kept | own)
        try:
            loaded = settings.load()
        finally:
            os.environ.clear()
            os.environ.update(before)
        yield _filled(loaded, kept | own)
    finally:
        server.stop()


def _variables(kafka: Kafka, folder: Path, endpoint: str) -> dict[str, str]:
    mine = uuid.uuid4().hex[:8]
    given = {
        "KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "TOPIC_PREFIX": f"daily.{mine}",
        "STORAGE__REGISTRY": str(folder / "models"),
        "DOMAINS__RIDES__WINDOW_RIDES": "150",
        "DOMAINS__RIDES__MIN_WINDOW": "60",
        "LAKE__CATALOG": f"sqlite:///{folder}/catalog.db",
        "LAKE__ENDPOINT": endpoint,
        "LAKE__ACCESS_KEY_ID": _KEYS[0],
        "LAKE__SECRET_ACCESS_KEY": _KEYS[1],
        "LAKE__WAREHOUSE": f"s3://{mine}/warehouse",
        "LAKE__CONNECT_PREFIX": f"daily-{mine}",
    }
    return {f"EDDY_{name}": value for name, value in given.items()}


def _filled(loaded: Settings, environment: dict[str, str]) -> DailyLake:
    _s3(loaded).create_bucket(Bucket=loaded.lake.bucket)
    catalog.create(loaded.lake, every_table())
    found = streamed(7, 1_400, start=datetime(2026, 1, 18, tzinfo=UTC), rides_per_day=600)
    keep(loaded.lake, found.rows)
    sinks = connectors(loaded)
    row = domain("rides")
    wanted = topics.specs([wiring.topics(loaded, row)], partitions=1)
    wanted += topics.sink_specs([s.control_topic for s in sinks], [s.dead_letters for s in sinks])
    topics.create(loaded.kafka, wanted)
    sink = next(one for one in sinks if one.name.endswith("anomalies-rides"))
    sender = Sender(loaded.kafka)
    for anomaly in found.anomalies:
        for op in ("open", "close"):
            said = msgspec.json.encode(msgspec.structs.replace(anomaly, op=op))
            sender.send(sink.topics[0], said, anomaly.entity.id.encode())
    sender.flush()
    _sink(loaded, sink)
    ended = [one for one in found.anomalies if f"{one.occurred_at.astimezone(UTC):%F}" == DAY]
    return DailyLake(environment, loaded, len(ended))


def _sink(loaded: Settings, sink: Connector) -> None:
    """Write the rows of a connector's topic, and commit its offsets."""
    reader = TopicReader(loaded.kafka)
    try:
        records = [delivered(record) for record in reader.read(sink.topics[0])]
        repair.append(loaded.lake, sink, records)
        ends = {number: high for number, (_, high) in reader.ranges(sink.topics[0]).items()}
    finally:
        reader.close()
    consumer = ck.Consumer({**loaded.kafka.librdkafka(), "group.id": sink.group})
    places = [ck.TopicPartition(sink.topics[0], number, high) for number, high in ends.items()]
    consumer.commit(offsets=places, asynchronous=False)
    consumer.close()


def _s3(loaded: Settings) -> "boto3.client":
    return boto3.client(
        "s3",
        endpoint_url=loaded.lake.endpoint,
        region_name=loaded.lake.region,
        aws_access_key_id=_KEYS[0],
        aws_secret_access_key=_KEYS[1],
    )
