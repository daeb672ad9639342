"""Payments on a real broker, the product that judges them, and in this process the same judge."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zlib import crc32

import confluent_kafka as ck
import msgspec
import numpy as np

from eddy.app import wiring
from eddy.app.demo import settings as demo_settings
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.models.checks.judges import part
from eddy.models.domains.tpv.domain import DOMAIN
from eddy.models.judge import Identity
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.forecasts import Forecast
from eddy.streams import topics as kafka_topics
from eddy.streams.idle_clock import Tick, note_in
from eddy.streams.reading import TopicReader, TopicRecord
from eddy.streams.sender import Sender
from tests.support.decoding import events_of_records
from tests.support.eddy_detector import EddyDetector, detector_settings
from tests.support.toy_world import Detector, World

THEN = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Said:
    """What was published, or should have been: by merchant in order, and the rejected records."""

    anomalies: dict[str, list[Anomaly]] = field(default_factory=lambda: defaultdict(list))
    forecasts: dict[str, list[Forecast]] = field(default_factory=lambda: defaultdict(list))
    rejected: list[tuple[int, int]] = field(default_factory=list)

    def every(self) -> list[Anomaly]:
        return [anomaly for told in self.anomalies.values() for anomaly in told]


class TpvWorld(World):
    """Topics of one's own with payments on them."""

    def __init__(
        self,
        bootstrap: str,
        folder: Path,
        partitions: int,
        policy: dict[str, Any],
        **engine: Any,
    ) -> None:
        super().__init__(bootstrap, folder, partitions)
        self.file = folder / "eddy.toml"
        self.settings = demo_settings.write(
            self.file, detector_settings(self, {DOMAIN.name: policy}, engine)
        )
        self.topics = wiring.topics(self.settings, DOMAIN)
        kafka_topics.create(self.connection, kafka_topics.specs([self.topics], partitions))

    def put(self, records: Iterable[SimulatedRecord]) -> None:
        """Send payments, those of a merchant to one partition."""
        sender = Sender(self.connection)
        for record in records:
            partition = self.partition_of(record.key)
            sender.send(self.topics.events, record.payload, record.key, partition)
            self.sent[partition].append(record.payload)
            sender.poll()
        sender.flush()

    def partition_of(self, merchant: bytes) -> int:
        return crc32(merchant) % self.partitions

    def run(self) -> Detector:
        detector = EddyDetector(self.folder, self.file)
        self.detectors.append(detector)
        return detector

    def ticks(self) -> dict[int, list[Tick]]:
        """Return the steps of time without payments, as they are kept with the offsets."""
        group = self.settings.engine.group
        consumer = ck.Consumer({"bootstrap.servers": self.bootstrap, "group.id": group})
        places = [ck.TopicPartition(self.topics.events, n) for n in range(self.partitions)]
        found = {p.partition: note_in(p.metadata or "") for p in consumer.committed(places, 15)}
        consumer.close()
        return {partition: note.ticks for partition, note in found.items()}

    # -- what came out, and what should have ---------------------------------------------------

    def published(self) -> Said:
        """Return what a read_committed consumer sees."""
        said = Said()
        for record in self._read(self.topics.anomalies):
            one = msgspec.json.decode(record.value or b"", type=Anomaly)
            said.anomalies[one.entity.id].append(msgspec.structs.replace(one, detected_at=THEN))
        for record in self._read(self.topics.forecasts or ""):
            forecast = msgspec.json.decode(record.value or b"", type=Forecast)
            said.forecasts[forecast.merchant_id].append(forecast)
        said.rejected = sorted((p, o) for p, o, _, _ in self.rejections())
        return said

    def expected(self) -> Said:
        """Judge each partition's log in this process, in one piece."""
        said, ticks = Said(), self.ticks()
        logs: dict[int, list[TopicRecord]] = {n: [] for n in range(self.partitions)}
        for record in self._read(self.topics.events):
            logs[record.partition].append(record)
        for partition, records in logs.items():
            assert [r.value for r in records] == self.sent[partition]
            self._judge(partition, records, ticks[partition], said)
        said.rejected.sort()
        return said

    def verify(self, *_: object) -> Said:
        """Hold everything published against what should have been: none lost, none doubled."""
        published, expected = self.published(), self.expected()
        assert published.anomalies == expected.anomalies
        assert published.forecasts == expected.forecasts
        assert published.rejected == expected.rejected
        return published

    def _read(self, topic: str) -> list[TopicRecord]:
        reader = TopicReader(self.connection)
        found = list(reader.read(topic))
        reader.close()
        return found

    def _judge(
        self, partition: int, records: list[TopicRecord], ticks: list[Tick], said: Said
    ) -> None:
        events, rejected = events_of_records(
            DOMAIN.event_type, records, self.settings.engine.max_skew_s
        )
        said.rejected += [(partition, offset) for offset in rejected]
        identity = Identity(
            self.topics.events, partition, wiring.config_hash(self.settings, DOMAIN)
        )
        judge = DOMAIN.build_judge(
            wiring.policy(self.settings, DOMAIN), DOMAIN.default_model(), identity
        )
        start = 0
        for tick in ticks:
            stop = int(np.searchsorted(events.offsets, tick.offset))
            _take(said, judge.judge(part(events, start, stop)))
            _take(said, judge.advance(tick.watermark_us))
            start = stop
        _take(said, judge.judge(part(events, start, len(events))))


def _take(said: Said, verdicts: Any) -> None:
    for anomaly in verdicts.anomalies(range(len(verdicts.flagged)), THEN):
        # as it is written: what JSON cannot tell apart is not told apart here
        written = msgspec.json.decode(msgspec.json.encode(anomaly), type=Anomaly)
        said.anomalies[anomaly.entity.id].append(written)
    for forecast in verdicts.forecasts():
        written = msgspec.json.decode(msgspec.json.encode(forecast), type=Forecast)
        said.forecasts[forecast.merchant_id].append(written)
