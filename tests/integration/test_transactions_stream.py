"""Card transactions through the product: features, labels, decisions, a challenger, all exact."""

import json
import random
import re
import subprocess
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from urllib.request import urlopen

import msgspec
import numpy as np

from eddy.datasets.simulation.record import SimulatedRecord
from eddy.datasets.simulation.transactions.labels import labels
from eddy.datasets.simulation.transactions.stream import TransactionSimulation, simulate
from eddy.models.artefact import encode_parameters
from eddy.models.domains.transactions.default import DEFAULT_PARAMETERS, default_model
from eddy.models.features.names import FEATURES
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.names import CHALLENGER
from eddy.models.registry.registry import Registry
from eddy.schemas.topics import LABELS
from eddy.streams.connection import Connection
from eddy.streams.sender import Sender
from eddy.streams.topics import TopicSpec, cluster_topics, create
from tests.support.eddy_process import EDDY, eddy, environment
from tests.support.transactions_world import TransactionsWorld

START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=60)


def weeks(days: int = 50, **changes: object) -> TransactionSimulation:
    plain = {
        "start": START,
        "days": days,
        "customers": 40,
        "terminals": 20,
        "compromised_terminal_rate": 0.01,
        "compromised_card_rate": 0.01,
    }
    return TransactionSimulation(**(plain | changes))


def test_features_labels_and_decisions_are_those_of_one_piece(kafka, tmp_path) -> None:
    seed, options = random.SystemRandom().randrange(10**6), weeks()
    print(f"seed {seed}")
    records, verdicts = list(simulate(seed, options)), list(labels(seed, options))
    with TransactionsWorld(kafka.bootstrap, tmp_path, batch_size=500) as world:
        for part in range(3):
            some = records[part * len(records) // 3 : (part + 1) * len(records) // 3]
            newest = max(record.occurred_at_us for record in some)
            known = list(takewhile(lambda one, until=newest: one[0] <= until, verdicts))
            verdicts = verdicts[len(known) :]
            # labels first: they are known before the events that they count for
            world.say(label for _, label in known)
            world.put(some)
            detector = world.run()
            world.drain()
            assert detector.stop() == 0
        assert "label_refused" not in detector.said()
        anomalies = world.verify()
        features = world.decided().features
    assert len(anomalies) > 20
    assert (features[:, FEATURES.index("terminal_risk_30d")] > 0).sum() > 50
    assert {anomaly.entity.type for anomaly in anomalies} == {"card"}


def registered(world: TransactionsWorld, boundary: float) -> str:
    """Register the default model with another boundary; return its version."""
    registry = Registry(FolderStore(world.folder / "models"), lambda: datetime.now(UTC))
    parameters = msgspec.structs.replace(DEFAULT_PARAMETERS, boundary=boundary)
    training = Training(trained_at=datetime.now(UTC))
    return registry.register(
        "transactions", encode_parameters(parameters), training=training, metrics={}
    )


def metrics_of(log: str) -> str:
    """Return what the detector that wrote this log says at ``/metrics``."""
    port = re.findall(r'"health_port": ?(\d+)', log)[-1]
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def figures(text: str, name: str) -> dict[str, float]:
    """Return the samples of a metric by their labels, as they are written."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def labels_learned(detector, role: str) -> float:
    counts = figures(metrics_of(detector.said()), "eddy_labels_total")
    return sum(count for key, count in counts.items() if role in key)


def fine(record: SimulatedRecord) -> bool:
    return record.malformed is None


def test_a_challenger_scores_in_the_shadow_until_it_is_promoted(kafka, tmp_path) -> None:
    seed, options = random.SystemRandom().randrange(10**6), weeks(20, customers=60)
    print(f"seed {seed}")
    records, verdicts = list(simulate(seed, options)), list(labels(seed, options))
    half = len(records) // 2
    with TransactionsWorld(kafka.bootstrap, tmp_path) as world:
        registry = Registry(FolderStore(tmp_path / "models"), lambda: datetime.now(UTC))
        version = registered(world, 0.02)
        registry.set_alias("transactions", CHALLENGER, version)
        world.put(records[:half])
        detector = world.run()
        world.drain()
        world.say([label for _, label in verdicts])
        about = {
            json.loads(record.payload)["event_id"] for record in records[:half] if fine(record)
        }
        told = sum(label.event_id in about for _, label in verdicts)
        world.wait_for(lambda: labels_learned(detector, "champion") == told, "labels learned")
        seen = metrics_of(detector.said())
        sha256 = registry.promote("transactions", version).sha256
        world.wait_for(lambda: '"challenger"' in detector.said(), "the challenger stepped up")
        world.put(records[half:])
        world.drain()
        assert detector.stop() == 0
        anomalies, decided = world.published(), world.decided()
        said = subprocess.run(
            [EDDY, "models", "compare", "--config", str(world.file), "--json"],
            capture_output=True, check=True, timeout=120,
        ).stdout  # fmt: skip
        compared = json.loads(said)

    default = default_model().ref.sha256
    shadowed = np.array([one is not None for one in decided.challengers])
    assert set(decided.models) == {default, sha256}
    assert {one for one in decided.challengers if one} == {sha256}
    assert set(np.array(decided.models)[shadowed]) == {default}, "it shadowed itself"
    # the same model with a lower boundary: its scores are the champion's, stretched
    factor = DEFAULT_PARAMETERS.boundary / 0.02
    np.testing.assert_allclose(
        decided.challenger_scores, decided.scores[shadowed] * factor, rtol=1e-12
    )
    flagged = decided.scores > 1.0
    assert [a.source.offset for a in anomalies] == decided.offsets[flagged].tolist()
    assert {a.model.sha256 for a in anomalies} == {default, sha256}

    disagree = int(((decided.challenger_scores > 1) != flagged[shadowed]).sum())
    outcomes = figures(seen, "eddy_shadow_events_total")
    assert outcomes['domain="transactions",outcome="disagree"'] == disagree > 0
    ratio = figures(seen, "eddy_shadow_disagreement_ratio")['name="transactions"']
    assert ratio == disagree / shadowed.sum()
    counted = figures(seen, "eddy_scores_total")
    for role, scores in (("champion", decided.scores), ("challenger", decided.challenger_scores)):
        above = [n for key, n in counted.items() if role in key and key.endswith(ABOVE_ONE)]
        assert sum(above) == (scores[: shadowed.sum()] > 1.0).sum()
    learned = figures(seen, "eddy_labels_total")
    hits = {
        role: learned.get(f'domain="transactions",outcome="found",role="{role}"', 0)
        for role in ("champion", "challenger")
    }
    assert hits["challenger"] >= hits["champion"] > 0
    costs = figures(seen, "eddy_label_cost_total")
    assert compared["events"] == shadowed.sum()
    assert compared["only_champion"] + compared["only_challenger"] == disagree
    assert compared["champion"]["alerts"] == flagged[shadowed].sum()
    assert sum(compared["challenger"]["histogram"].values()) == shadowed.sum()
    assert compared["challenger"]["found"] >= compared["champion"]["found"] > 0
    assert compared["labelled"] > compared["frauds"] > 0
    for role in ("champion", "challenger"):
        assert costs[f'domain="transactions",role="{role}"'] > 0
    assert 0 < figures(seen, "eddy_alert_precision_ratio")['domain="transactions"'] <= 1


ABOVE_ONE = tuple(f'upto="{name}"' for name in ("1.5", "3", "10", "+Inf"))


def test_labels_that_are_none_are_passed_over_and_counted(kafka, tmp_path) -> None:
    records = list(simulate(3, weeks(2)))
    with TransactionsWorld(kafka.bootstrap, tmp_path) as world:
        world.put(records)
        detector = world.run()
        world.drain()
        sender = Sender(world.connection)
        for payload in (b"no json", b'{"verdict":"fraud"}', b'{"event_id":"x","verdict":"maybe"}'):
            sender.send(LABELS, payload, b"key")
        sender.flush()
        key = 'verdict="refused"'
        world.wait_for(
            lambda: figures(metrics_of(detector.said()), "eddy_feedback_total").get(key) == 3,
            "three refused labels",
        )
        assert detector.stop() == 0
        assert detector.said().count("label_refused") == 3
        assert "no json" not in detector.said()


def test_the_doctor_says_what_several_partitions_cost(kafka, tmp_path) -> None:
    prefix, file = f"split-{random.randrange(10**9)}", tmp_path / "eddy.toml"
    file.write_text(f'topic_prefix = "{prefix}"\n[domains.transactions]\n')
    env = environment(kafka.bootstrap, tmp_path)
    events = TopicSpec(f"{prefix}.events.transactions", 3, {"retention.ms": "3888000000"})
    create(Connection(kafka.bootstrap), [events], 1)
    assert eddy(env, "topics", "create", "--config", str(file)).returncode == 0
    said = eddy(env, "doctor", "--config", str(file), "--json").stdout
    (check,) = [one for one in json.loads(said) if one["name"] == "topics"]
    assert check["outcome"] == "warn"
    assert "more partitions than one" in check["detail"]
    partitions = cluster_topics(Connection(kafka.bootstrap))
    assert partitions[f"{prefix}.decisions.transactions"] == 1
