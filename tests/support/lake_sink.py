"""The sink on a real broker, worker and store: topics of one's own, and the verdict by ids."""

import threading
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import confluent_kafka as ck
import msgspec
from pyiceberg.table import Table

from eddy.app import wiring
from eddy.app.demo import settings as demo_settings
from eddy.app.lake import check as lake_check
from eddy.app.lake import feed
from eddy.app.lake.check import LakeVerdict
from eddy.app.lake.watch import ConnectorWatch
from eddy.app.settings import Settings
from eddy.lake import catalog, tables
from eddy.lake.compaction.compactor import Compactor
from eddy.lake.compaction.day_files import days_of
from eddy.lake.sink.connect import ConnectClient
from eddy.lake.sink.connectors import Connector
from eddy.schemas.anomalies import Anomaly, Entity, ModelRef, Source
from eddy.schemas.topics import domain_topics
from eddy.streams import topics as kafka_topics
from eddy.streams.reading import TopicReader, TopicRecord
from tests.support.brokers import Kafka
from tests.support.lake_world import ObjectStore

ROOT = Path(__file__).parents[2]
MODEL = ModelRef("toy", "1", "0" * 64)


class SinkWorld:
    """Topics, tables and connectors that nobody else has.

    Parameters
    ----------
    store : ObjectStore
        `endpoint` is where this world reaches it, where that is somewhere else.
    """

    def __init__(
        self,
        kafka: Kafka,
        connect_url: str,
        store: ObjectStore,
        folder: Path,
        domains: dict[str, Any],
        *,
        partitions: int = 2,
        endpoint: str | None = None,
        engine: dict[str, Any] | None = None,
        **lake: Any,
    ) -> None:
        self.bootstrap, self.folder = kafka.bootstrap, folder
        self.prefix = f"sink-{uuid.uuid4().hex[:8]}"
        config = store.lake(folder, connect_url=connect_url, **lake)
        self.file = folder / "eddy.toml"
        self.settings: Settings = demo_settings.write(
            self.file,
            {
                "kafka": {"bootstrap_servers": self.bootstrap},
                "engine": {"group": self.prefix, "instance_id": "one", **(engine or {})},
                "storage": {
                    "stack": str(folder / "stack"),
                    "checkpoints_url": str(folder / "checkpoints"),
                    "registry": str(folder / "models"),
                },
                "health": {"port": 0},
                "log": {"format": "json"},
                "topic_prefix": self.prefix,
                "domains": domains,
                "lake": {
                    name: value
                    for name, value in asdict(config).items()
                    if not name.endswith("_file")
                }
                | ({"endpoint": endpoint} if endpoint else {}),
            },
        )
        self.topics = {name: domain_topics(name, self.prefix) for name in domains}
        self.client = ConnectClient(connect_url)
        self.connectors: list[Connector] = []
        chosen = wiring.chosen_domains(self.settings)
        names = [wiring.topics(self.settings, domain) for domain in chosen]
        kafka_topics.create(self.settings.kafka, kafka_topics.specs(names, partitions))
        every = tables.all_tables((domain.name, domain.event_type) for domain in chosen)
        catalog.create(self.settings.lake, every)

    def __enter__(self) -> "SinkWorld":
        return self

    def __exit__(self, *_: object) -> None:
        for one in self.connectors:
            self.client.delete(one.name)

    def feed(self) -> None:
        """Register the connectors; they run when this returns."""
        self.connectors = feed.start(self.settings, lambda _: None)

    def records(self, topic: str) -> list[TopicRecord]:
        """Return what a read_committed consumer sees."""
        reader = TopicReader(self.settings.kafka)
        try:
            return list(reader.read(topic))
        finally:
            reader.close()

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return a table's rows."""
        name = f"{self.settings.lake.namespace}.{table}"
        found = catalog.open_catalog(self.settings.lake).load_table(name).scan().to_arrow()
        rows: list[dict[str, Any]] = found.to_pylist()
        return rows

    def check(self, *, is_compacted: bool = False) -> LakeVerdict:
        """Return the verdict of ``eddy lake check`` on everything there is."""
        return lake_check.check(self.settings, grace_s=0, is_compacted=is_compacted)

    def compact(self) -> None:
        """Compact all days of all tables that the sink feeds, also those that are not over."""
        opened = catalog.open_catalog(self.settings.lake)
        for spec in (spec for one in self.connectors for spec in one.tables):

            def load(spec: tables.TableSpec = spec) -> Table:
                return catalog.load(opened, self.settings.lake, spec)

            Compactor(load, spec, self.folder, open_from=date.max).run(days_of(load()))

    def drain(self, limit_s: float = 90.0) -> LakeVerdict:
        """Wait until nothing is missing and nothing on its way; return the verdict."""
        end = time.monotonic() + limit_s
        while True:
            verdict = self.check()
            late = [one for one in verdict.tables if one.missing or one.pending]
            if not late:
                return verdict
            assert time.monotonic() < end, f"not in the tables within {limit_s} s: {late}"
            time.sleep(0.5)


class Watching:
    """``eddy lake watch`` in a thread of this process, for as long as the ``with`` does."""

    def __init__(self, world: SinkWorld) -> None:
        self._watch = ConnectorWatch(world.settings, check_every_s=0, since_s=3600, grace_s=0)
        self._thread = threading.Thread(target=self._watch.run)

    def __enter__(self) -> "Watching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watch.stop()
        self._thread.join(timeout=90)
        assert not self._thread.is_alive()

    def counted(self, name: str) -> float:
        """Return a metric, over all connectors."""
        samples = [s for family in self._watch.metrics.registry.collect() for s in family.samples]
        return sum(sample.value for sample in samples if sample.name == name)


class Load:
    """Anomalies sent in transactions at a steady rate from a thread; every tenth is aborted.

    What stands on the topic afterwards is what counts: this remembers nothing.
    """

    def __init__(self, world: SinkWorld, domain: str, seconds: float, rate: int = 450) -> None:
        self._topic = world.topics[domain].anomalies
        self._domain, self._seconds, self._rate = domain, seconds, rate
        self._settings = {
            "bootstrap.servers": world.bootstrap,
            "transactional.id": f"{world.prefix}-load",
            "transaction.timeout.ms": 20_000,
            "log_level": 0,
        }
        self.committed = 0
        self.is_done = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def join(self) -> None:
        """Wait for its end."""
        self._thread.join()

    def _run(self) -> None:
        size, began, number = 50, time.monotonic(), 0
        producer = self._producer()
        while time.monotonic() - began < self._seconds:
            try:
                producer.begin_transaction()
                for one in range(number, number + size):
                    value = anomaly(self._domain, one // 2, "open" if one % 2 == 0 else "close")
                    producer.produce(self._topic, encode(value), value.entity.id.encode())
                if number // size % 10 == 9:
                    producer.abort_transaction(30)
                else:
                    producer.commit_transaction(30)
                    self.committed += size
                number += size
            except ck.KafkaException:
                producer = self._producer()
            time.sleep(max(0.0, began + number / self._rate - time.monotonic()))
        self.is_done.set()

    def _producer(self) -> ck.Producer:
        while True:
            producer = ck.Producer(self._settings)
            try:
                producer.init_transactions(10)
            except ck.KafkaException:
                continue
            return producer


encode = msgspec.json.Encoder().encode


def anomaly(domain: str, number: int, op: str = "open", **fields: Any) -> Anomaly:
    """Return an anomaly; the same number, the same one."""
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=37 * number)
    given: dict[str, Any] = {
        "anomaly_id": f"{domain}-{number}",
        "op": op,
        "domain": domain,
        "detector": "toy",
        "entity": Entity("vendor", f"vendor-{number % 97}"),
        "occurred_at": at,
        "detected_at": at,
        "score": 1.5 + number % 7,
        "severity": "warning",
        "confidence": 0.5,
        "actual": {"distance_km": float(number)},
        "model": MODEL,
        "config_hash": "abc",
        "source": Source(f"events.{domain}", 0, number),
    }
    return Anomaly(**{**given, **fields})


def wait_for(condition: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Wait until something is so."""
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {limit_s} s"
        time.sleep(0.05)


def send(world: SinkWorld, topic: str, values: Iterable[bytes | None], partition: int = 0) -> None:
    """Send records as anybody may."""
    producer = ck.Producer({"bootstrap.servers": world.bootstrap})
    for value in values:
        producer.produce(topic, value, b"key", partition=partition)
    assert producer.flush(30) == 0
