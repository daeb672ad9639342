"""Card transactions on a real broker, the product that judges them, and here the same judge."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from eddy.app import wiring
from eddy.app.demo import settings as demo_settings
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.models.domains.transactions.domain import DOMAIN
from eddy.models.judge import Identity, Model
from eddy.models.labels import LabelRecords, Labels
from eddy.schemas import decisions as decision_records
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label
from eddy.schemas.topics import LABELS
from eddy.streams import topics as kafka_topics
from eddy.streams.reading import TopicReader, TopicRecord
from eddy.streams.sender import Sender
from tests.support.decoding import events_of_records
from tests.support.eddy_detector import EddyDetector, detector_settings
from tests.support.toy_world import Detector, World

THEN = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass
class Decided:
    """Every row of the decision records, in the order of offsets."""

    offsets: np.ndarray
    features: np.ndarray
    scores: np.ndarray
    challenger_scores: np.ndarray
    models: list[str]
    challengers: list[str | None]


class TransactionsWorld(World):
    """Topics of one's own with transactions on them, one partition; labels on the common topic."""

    def __init__(
        self, bootstrap: str, folder: Path, policy: dict[str, Any] | None = None, **engine: Any
    ) -> None:
        super().__init__(bootstrap, folder, 1)
        self.prefix = f"cards-{uuid.uuid4().hex[:8]}"
        self.file = folder / "eddy.toml"
        tree = detector_settings(self, {DOMAIN.name: policy or {}}, engine)
        tree["reload_interval_s"] = 0.2
        self.settings = demo_settings.write(self.file, tree)
        self.topics = wiring.topics(self.settings, DOMAIN)
        self.labels: list[Label] = []
        kafka_topics.create(self.connection, kafka_topics.specs([self.topics], 1))

    def put(self, records: Iterable[SimulatedRecord]) -> None:
        """Send transactions."""
        sender = Sender(self.connection)
        for record in records:
            sender.send(self.topics.events, record.payload, record.key, 0)
            self.sent[0].append(record.payload)
            sender.poll()
        sender.flush()

    def say(self, labels: Iterable[Label]) -> None:
        """Send labels."""
        sender = Sender(self.connection)
        for label in labels:
            key = (label.event_id or label.anomaly_id or "").encode()
            sender.send(LABELS, msgspec.json.encode(label), key)
            self.labels.append(label)
            sender.poll()
        sender.flush()

    def run(self) -> Detector:
        detector = EddyDetector(self.folder, self.file)
        self.detectors.append(detector)
        return detector

    # -- what came out, and what should have ---------------------------------------------------

    def published(self) -> list[Anomaly]:
        """Return the anomalies that a read_committed consumer sees, in the order of offsets."""
        found = [
            msgspec.structs.replace(
                msgspec.json.decode(record.value or b"", type=Anomaly), detected_at=THEN
            )
            for record in self.read(self.topics.anomalies)
        ]
        return sorted(found, key=lambda anomaly: anomaly.source.offset)

    def decided(self) -> Decided:
        """Return the decision records, one row for each event."""
        records = [
            decision_records.decode(r.value or b"") for r in self.read(self.topics.decisions or "")
        ]
        records.sort(key=lambda one: int(one.offsets[0]))
        nobody = np.empty(0)
        return Decided(
            offsets=np.concatenate([one.offsets for one in records]),
            features=np.concatenate([one.features for one in records]),
            scores=np.concatenate([one.scores for one in records]),
            challenger_scores=np.concatenate([nobody, *(o.challenger_scores for o in records)]),
            models=[o.model.sha256 for o in records for _ in range(len(o))],
            challengers=[
                o.challenger.sha256 if o.challenger else None
                for o in records
                for _ in range(len(o))
            ],
        )

    def expected(self, model: Model | None = None) -> tuple[list[Anomaly], Any]:
        """Judge the log here in one piece, all labels read ahead; return anomalies, verdicts."""
        records = self.read(self.topics.events)
        assert [r.value for r in records] == self.sent[0]
        events, _ = events_of_records(DOMAIN.event_type, records, self.settings.engine.max_skew_s)
        identity = Identity(self.topics.events, 0, wiring.config_hash(self.settings, DOMAIN))
        judge = DOMAIN.build_judge(
            wiring.policy(self.settings, DOMAIN), model or DOMAIN.default_model(), identity
        )
        judge.learn(columns(self.labels))
        verdicts = judge.judge(events)
        anomalies = verdicts.anomalies(range(len(verdicts.flagged)), THEN)
        written = [msgspec.json.decode(msgspec.json.encode(a), type=Anomaly) for a in anomalies]
        return written, verdicts

    def verify(self, *_: object) -> list[Anomaly]:
        """Hold everything published against what should have been: none lost, none doubled."""
        anomalies, verdicts = self.expected()
        decided = self.decided()
        np.testing.assert_array_equal(decided.offsets, verdicts.events.offsets)
        np.testing.assert_array_equal(decided.features, verdicts.values)
        np.testing.assert_array_equal(decided.scores, verdicts.scores)
        found = self.published()
        assert found == anomalies
        return found

    def read(self, topic: str) -> list[TopicRecord]:
        reader = TopicReader(self.connection)
        found = list(reader.read(topic))
        reader.close()
        return found


def columns(labels: list[Label]) -> LabelRecords:
    """Return labels as one partition of their topic would bring them."""
    return LabelRecords(
        partition=0,
        offsets=np.arange(len(labels)),
        labels=Labels(
            events=np.array([hash_text(one.event_id or "") for one in labels], np.uint64),
            is_fraud=np.array([one.verdict == "fraud" for one in labels], np.bool_),
            labelled_at=np.array([round(one.labelled_at.timestamp() * 1e6) for one in labels]),
        ),
    )
