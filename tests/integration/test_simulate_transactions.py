"""Card transactions and their labels, as the command sends them to a real broker."""

import json
import signal
import time
import uuid
from datetime import UTC, datetime

import msgspec
import pytest

from eddy.datasets.simulation.transactions.stream import TransactionSimulation, labels, simulate
from eddy.schemas.errors import MissingResource
from eddy.schemas.labels import Label
from eddy.schemas.topics import LABELS
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader
from eddy.streams.topics import TopicSpec, create
from tests.support.commands import invoke
from tests.support.eddy_process import environment, start

START = datetime(2026, 1, 5, tzinfo=UTC)
SEED = uuid.uuid4().int % 10**9  # labels of all tests stand on one topic: these are ours
OPTIONS = TransactionSimulation(start=START, days=12, customers=400)
WORDS = ("simulate", "transactions", "--days", 12, "--customers", 400, "--seed", SEED,
         "--start", START.isoformat(), "--rate", 1e6, "--json")  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory, kafka):
    """Topics of one's own, with everything sent."""
    folder, prefix = tmp_path_factory.mktemp("cards"), f"cards.{uuid.uuid4().hex[:8]}"
    env = environment(kafka.bootstrap, folder, topic_prefix=prefix)
    topic = f"{prefix}.events.transactions"
    connection = Connection(kafka.bootstrap)
    create(connection, [TopicSpec(topic, 1), TopicSpec(LABELS, 1)], replication=1)
    sent = json.loads(says(env, *WORDS, "--truth", folder / "truth.jsonl"))
    return {"env": env, "topic": topic, "folder": folder, "sent": sent, "connection": connection}


def says(env, *words):
    done = invoke(*words, env=env)
    assert done.exit_code == 0, done.output
    return done.stdout


def read(world, topic):
    reader = TopicReader(world["connection"])
    try:
        return list(reader.read(topic))
    finally:
        reader.close()


def test_all_transactions_are_sent_in_their_order(world):
    records = list(simulate(SEED, OPTIONS))
    assert [(one.key, one.value) for one in read(world, world["topic"])] == [
        (one.key, one.payload) for one in records
    ]
    assert world["sent"]["records"] == len(records)


def test_labels_known_by_then_are_sent_too(world):
    last_us = max(record.occurred_at_us for record in simulate(SEED, OPTIONS))
    known = [label for at, label in labels(SEED, OPTIONS) if at <= last_us]
    ours = {label.event_id for label in known}
    told = {}
    for record in read(world, LABELS):
        try:
            label = msgspec.json.decode(record.value, type=Label)
        except msgspec.MsgspecError:  # the topic is everybody's
            continue
        if label.event_id in ours:
            assert record.key.decode() == label.event_id
            told.setdefault(label.event_id, []).append(label)
    for label in known:
        assert told[label.event_id].pop(0) == label
    assert not any(told.values())
    assert world["sent"]["labels"] == len(known) > 100


def test_the_truth_is_written_down(world):
    lines = [
        json.loads(line) for line in (world["folder"] / "truth.jsonl").read_text().split("\n")[:-1]
    ]
    frauds = {one.event_id: one.anomaly for one in simulate(SEED, OPTIONS) if one.anomaly}
    assert {line["event_id"]: line["anomaly"] for line in lines} == frauds
    assert world["sent"]["anomalies"] == len(lines) == len(frauds) > 0


def test_without_labels_none_are_sent(world):
    before = len(read(world, LABELS))
    words = ("simulate", "transactions", "--days", 9, "--customers", 20, "--no-labels", "--json")
    sent = json.loads(says(world["env"], *words))
    assert sent["records"] > 200
    assert "labels" not in sent
    assert len(read(world, LABELS)) == before


def test_a_topic_that_is_not_there_is_named(world):
    env = {**world["env"], "EDDY_TOPIC_PREFIX": "nowhere"}
    with pytest.raises(MissingResource, match=r"nowhere\.events\.transactions"):
        says(env, *WORDS)


def test_ctrl_c_ends_it_and_what_was_sent_is_counted(world):
    log, before = world["folder"] / "log", len(read(world, world["topic"]))
    words = ("simulate", "transactions", "--rate", "200", "--json")
    process = start(world["env"], *words, log=log)
    try:
        end = time.monotonic() + 60
        while len(read(world, world["topic"])) == before:
            assert time.monotonic() < end, log.read_text()
            assert process.poll() is None, log.read_text()
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()
    said = log.read_text()
    sent = json.loads(said[said.index("{") :])
    assert sent["records"] == len(read(world, world["topic"])) - before
