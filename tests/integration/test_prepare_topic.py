"""`eddy prepare transactions --topic` on a broker: decisions and labels as a stream leaves them."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from eddy.models.features.names import FEATURES
from eddy.models.features.transaction_history import HistorySettings
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.decisions import Decisions, encode
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label
from eddy.schemas.topics import LABELS
from eddy.streams.sender import Sender
from eddy.training.transactions.feature_history import FeatureHistory
from eddy.training.transactions.table import FRAUD, GENUINE, UNKNOWN
from eddy.training.transactions.table_files import read_table
from tests.support.commands import invoke

START = datetime(2024, 1, 1, tzinfo=UTC)
MODEL = ModelRef(name="transactions", version="1", sha256="a" * 64, trained_at=None)


def record(names, first):
    n = len(names)
    return encode(
        Decisions(
            topic="events.transactions",
            partition=0,
            model=MODEL,
            challenger=None,
            names=list(FEATURES),
            offsets=np.arange(first, first + n),
            occurred_at=np.arange(n) * 1_000_000 + round(START.timestamp() * 1e6),
            events=np.array([hash_text(name) for name in names], np.uint64),
            cards=np.arange(n, dtype=np.uint64),
            features=np.full((n, len(FEATURES)), float(first)),
            scores=np.full(n, 0.5),
            challenger_scores=np.empty(0),
        )
    )


@pytest.fixture
def side(kafka, monkeypatch, tmp_path):
    """A prefix of one's own, with its topic of decisions and the topic of labels."""
    prefix = f"side{uuid.uuid4().hex[:8]}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDDY_KAFKA__BOOTSTRAP_SERVERS", kafka.bootstrap)
    monkeypatch.setenv("EDDY_TOPIC_PREFIX", prefix)
    return prefix


def prepare(*options):
    arguments = ["prepare", "transactions", "--topic", "--out", "table.parquet", "--json", *options]
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout), read_table(Path("table.parquet"))


def label(name, verdict, days):
    return Label(event_id=name, verdict=verdict, labelled_at=START + timedelta(days=days))


@pytest.fixture
def written(kafka, side):
    """Two decision records and one that repeats some rows; labels, one of them taken back."""
    from confluent_kafka.admin import NewTopic

    from eddy.app.settings import load

    own = f"{side}-e"  # labels are shared with other tests: events of one's own
    topic = f"{side}.decisions.transactions"
    kafka.create_topics(NewTopic(topic, 1, 1))
    if LABELS not in existing(kafka):
        kafka.create_topics(NewTopic(LABELS, 1, 1))
    sender = Sender(load().kafka)
    for names, first in (([0, 1, 2], 0), ([3, 4], 3), ([1, 2], 1)):
        sender.send(topic, record([f"{own}{k}" for k in names], first))
    sender.send(topic, None)  # compaction or a hand has left nothing here
    verdicts = [("0", "fraud", 2), ("1", "genuine", 3), ("0", "genuine", 9), ("4", "fraud", 4)]
    for name, verdict, days in verdicts:
        value = msgspec.json.encode(label(f"{own}{name}", verdict, days))
        sender.send(LABELS, value, f"{own}{name}".encode())
    sender.send(LABELS, b"{", b"x")
    sender.flush(10)
    return own


def existing(kafka):
    from confluent_kafka.admin import AdminClient

    return AdminClient({"bootstrap.servers": kafka.bootstrap}).list_topics(timeout=10).topics


def test_decisions_are_joined_with_the_last_label_before_the_cut_off(written):
    said, table = prepare()
    assert (said["rows"], said["repeated"], said["frauds"], said["labelled"]) == (5, 2, 1, 3)
    by_event = dict(zip(table.events.tolist(), table.is_fraud.tolist(), strict=True))
    found = [by_event[hash_text(f"{written}{k}")] for k in range(5)]
    assert found == [GENUINE, GENUINE, UNKNOWN, UNKNOWN, FRAUD]
    features = dict(zip(table.events.tolist(), table.features[:, 0].tolist(), strict=True))
    assert features[hash_text(f"{written}1")] == 0.0  # of the first record, not of the repeat
    assert table.scores.tolist() == [0.5] * 5
    assert table.history == FeatureHistory.of(HistorySettings())
    said, table = prepare("--labels-until", (START + timedelta(days=5)).isoformat())
    by_event = dict(zip(table.events.tolist(), table.is_fraud.tolist(), strict=True))
    assert by_event[hash_text(f"{written}0")] == FRAUD
    assert said["frauds"] == 2


def test_a_range_without_decisions_is_said(written):
    with pytest.raises(MissingResource, match="no decisions"):
        prepare("--from", "4")
    with pytest.raises(ConfigError, match="--labels-until"):
        prepare("--labels-until", "soon")
