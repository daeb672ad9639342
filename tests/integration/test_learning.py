"""``eddy learn`` on a real broker: challengers come of labels, and no label is learned twice."""

import signal
import time
import uuid

import msgspec
import numpy as np
import pytest
from structlog.testing import capture_logs

from eddy.app import settings, wiring
from eddy.app.learning.loop import LearningLoop, decisions_topic
from eddy.app.learning.options import LearningOptions
from eddy.app.retraining.requests import RequestListener
from eddy.models.artefact import digest, encode_parameters
from eddy.models.registry.manifest import Training
from eddy.schemas import decisions as decision_records
from eddy.schemas.errors import MissingResource, UnknownModel
from eddy.schemas.topics import CONTROL, LABELS
from eddy.streams.sender import Sender
from eddy.streams.topics import TopicSpec, create
from eddy.training.online.drift import DriftSettings
from eddy.training.online.learner import LearnerSettings, OnlineLearner
from tests.support.card_days import decisions, labels
from tests.support.eddy_process import environment, start

CARD = "4111111111111111"
QUIET = LearnerSettings(drift=DriftSettings(reference_rows=1_000, every=2))


class World:
    """Topics and state of one's own; ids of events, too, for all share the topic of labels."""

    def __init__(self, kafka, folder):
        self.prefix = f"learn-{uuid.uuid4().hex[:8]}"
        self.folder, self.bootstrap = folder, kafka.bootstrap
        self.settings = settings.load(
            None,
            {
                "kafka.bootstrap_servers": kafka.bootstrap,
                "topic_prefix": self.prefix,
                "storage.checkpoints_url": str(folder / "checkpoints"),
                "storage.registry": str(folder / "models"),
                "storage.stack": str(folder / "stack"),
                "health.port": 0,
            },
        )
        self.topic = decisions_topic(self.settings)
        side = [TopicSpec(LABELS, 4), TopicSpec(CONTROL, 1, {"cleanup.policy": "compact"})]
        create(self.settings.kafka, [TopicSpec(self.topic, 1), *side])
        self.registry = wiring.registry(self.settings)

    def decide(self, *made):
        sender = Sender(self.settings.kafka)
        for one in made:
            sender.send(self.topic, decision_records.encode(one))
        sender.flush()

    def label(self, said):
        sender = Sender(self.settings.kafka)
        for one in said:
            sender.send(LABELS, msgspec.json.encode(one), one.event_id.encode())
        sender.flush()

    def learn(self, **options):
        learning = LearningLoop(
            self.settings, LearningOptions(once=True, **{"learner": QUIET, **options})
        )
        learning.run()
        return learning

    def version(self, which="latest"):
        try:
            return self.registry.resolve("transactions", which)
        except UnknownModel:
            return None


@pytest.fixture
def world(kafka, tmp_path):
    return World(kafka, tmp_path)


def test_labels_make_challengers_and_a_restart_learns_none_twice(world):
    made, is_fraud = decisions(1_000, prefix=world.prefix)
    said = labels(is_fraud, prefix=world.prefix)
    world.decide(made)
    world.label(said[:600])
    world.learn()
    first = world.version("challenger")
    assert (first.version, first.training.rows) == ("1", 600)
    assert first.metrics["average_precision"] > 3 * first.metrics["fraud_share"]
    world.learn()
    assert world.registry.versions("transactions") == ["1"]
    world.label(said[500:])  # a hundred of them once more
    after = world.learn()
    second = world.version("challenger")
    assert (second.version, second.training.rows) == ("2", 1_000)
    assert after.learner.label_queue.counts["repeated"] == 100
    assert "champion" not in world.registry.aliases("transactions")
    expected = OnlineLearner(QUIET)
    expected.decided(made, 0, 0)
    for part in (said[:600], said[500:]):
        expected.labelled(part)
        expected.learn()
    assert second.sha256 == digest(encode_parameters(expected.parameters()))


def test_a_challenger_that_somebody_trained_is_left_alone(world):
    made, is_fraud = decisions(400, prefix=world.prefix)
    learner = OnlineLearner(QUIET)
    learner.decided(made, 0, 0)
    learner.labelled(labels(is_fraud, prefix=world.prefix))
    learner.learn()
    world.registry.register(
        "transactions",
        encode_parameters(learner.parameters()),
        training=Training(trained_at=wiring.datetime.now(wiring.UTC)),
        metrics={},
    )
    world.registry.set_alias("transactions", "challenger", "1")
    other, is_fraud = decisions(400, 1, prefix=world.prefix)
    world.decide(other)
    world.label(labels(is_fraud, prefix=world.prefix))
    world.learn()
    assert world.version().version == "2"
    assert world.version("challenger").version == "1"
    world.registry.promote("transactions", "1")
    world.label(labels(~is_fraud[:50], prefix=world.prefix))
    world.learn(challenger=False)
    assert world.version("challenger").version == "1"
    world.label(labels(is_fraud[:50], prefix=world.prefix))
    world.learn()
    assert world.version("challenger") == world.version()


def test_killed_anywhere_it_learns_every_label_once(world):
    parts = [decisions(500, seed, first=500 * seed, prefix=world.prefix) for seed in range(2)]
    env = environment(
        world.bootstrap,
        world.folder,
        topic_prefix=world.prefix,
        engine__checkpoint_interval_s=0.1,
    )
    log = world.folder / "learn.log"
    words = ("learn", "transactions", "--register-every", "100", "--genuine-after-days", "0")
    expected = OnlineLearner(LearnerSettings(genuine_after_days=None))
    for number, (made, is_fraud) in enumerate(parts):
        process = start(env, *words, log=log)
        try:
            said = labels(is_fraud, 500 * number, prefix=world.prefix)
            world.decide(made)
            world.label(said)
            expected.decided(made, 0, number)
            expected.labelled(said)
            expected.learn()
            until(lambda wanted=500 * (number + 1): rows_of(world) >= wanted, log)
            is_last = number == len(parts) - 1
            process.send_signal(signal.SIGTERM if is_last else signal.SIGKILL)
            assert process.wait(30) == (0 if is_last else -signal.SIGKILL)
        finally:
            process.kill()
            process.wait()
    again = world.learn(learner=expected.settings, register_rows=10**9)
    assert again.learner.rows == 1_000
    assert again.learner.label_queue.counts["repeated"] == 0
    assert digest(encode_parameters(expected.parameters())) == world.version().sha256


def rows_of(world):
    found = world.version()
    return found.training.rows if found else 0


def until(holds, log, limit_s=60):
    end = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.1)


def test_drift_asks_for_a_retraining_once_in_a_while(world):
    requests = RequestListener(world.settings.kafka, "transactions")
    try:
        for part in range(3):
            factor = (1.0, 3.0, 9.0)[part]
            made, _ = decisions(
                6_000, part, first=6_000 * part, amount_factor=factor, prefix=world.prefix
            )
            world.decide(*cut(made))
        learning = LearningLoop(
            world.settings,
            LearningOptions(once=True, learner=QUIET, requests_retraining=True),
        )
        written = checkpoints_of(learning)
        learning.run()
        # a crash after any of them loses no decision, and takes none twice
        assert written
        assert all(read == learned for read, learned in written)
        asked = learning.metrics.registry.get_sample_value
        labelled = {"name": "transactions", "what": "amount"}
        assert asked("eddy_drift_detected_total", labelled) == 2
        assert asked("eddy_retrain_requests_total", {"name": "transactions"}) == 1
        assert "drift amount" in requests.poll()
        assert requests.poll() is None
    finally:
        requests.close()


def checkpoints_of(learning):
    """Note of each checkpoint how many records of decisions were read, and how many taken in."""
    topic = learning._decisions
    taken, found = [], []
    decided, write = learning.learner.decided, learning._checkpoints.write

    def deciding(made, partition, offset):
        taken.append(offset)
        return decided(made, partition, offset)

    def writing(progress, at):
        found.append((sum(progress.positions[topic].values()), len(taken)))
        return write(progress, at)

    learning.learner.decided, learning._checkpoints.write = deciding, writing
    return found


def cut(made):
    columns = ("offsets", "occurred_at", "events", "cards", "features", "scores")
    return [
        msgspec.structs.replace(
            made, **{name: getattr(made, name)[at : at + 2_000] for name in columns}
        )
        for at in range(0, len(made), 2_000)
    ]


def test_noise_on_the_topics_is_passed_over_and_counted(world):
    made, is_fraud = decisions(300, prefix=world.prefix)
    sender = Sender(world.settings.kafka)
    sender.send(world.topic, b"no decisions")
    sender.send(LABELS, b"no label")
    sender.send(LABELS, msgspec.json.encode({"event_id": "e", "verdict": CARD, "labelled_at": 0}))
    sender.flush()
    world.decide(made)
    world.label(labels(is_fraud, prefix=world.prefix))
    with capture_logs() as logs:
        learning = world.learn()
    refused = [one for one in logs if one["event"] == "record_refused"]
    assert {one["place"].rpartition("-")[0] for one in refused} >= {f"{world.topic}-0"}
    assert CARD not in str(logs)
    assert learning.learner.rows == 300
    sample = learning.metrics.registry.get_sample_value
    assert sample("eddy_learning_records_refused_total", {"topic": world.topic}) == 1
    assert sample("eddy_learning_records_refused_total", {"topic": LABELS}) >= 2
    assert np.isfinite(sample("eddy_learning_auc_ratio", {"name": "transactions"}))


def test_topics_that_are_not_there_are_named(world):
    elsewhere = world.settings.model_copy(update={"topic_prefix": "nowhere"})
    with pytest.raises(MissingResource, match=r"nowhere\.decisions\.transactions"):
        LearningLoop(elsewhere, LearningOptions())
