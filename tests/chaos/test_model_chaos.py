"""Champions come, go and break under load: nothing is lost, every output names one good model."""

import json
import os
import random
import time
import uuid
from collections import Counter
from datetime import UTC, datetime

import msgspec

from eddy.datasets.simulation.rides import RideSimulation, simulate
from eddy.models.artefact import encode_parameters
from eddy.models.domains.rides.default import DEFAULT_PARAMETERS, default_model
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry
from eddy.schemas.anomalies import Anomaly
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader
from eddy.streams.sender import Sender
from tests.support.eddy_process import eddy, environment, start
from tests.support.offsets import wait_until_committed

SEED = int(os.environ.get("EDDY_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_models_change_under_load(kafka, tmp_path):
    print(f"seed {SEED} (EDDY_TEST_SEED={SEED} repeats it)")
    rng, prefix = random.Random(SEED), f"swap{uuid.uuid4().hex[:6]}"
    env = environment(
        kafka.bootstrap, tmp_path, topic_prefix=prefix, engine__group=prefix,
        reload_interval_s=0.2, engine__publish_scored="true", engine__batch_size=200,
    )  # fmt: skip
    assert eddy(env, "topics", "create", "--partitions", "2").returncode == 0
    registry = Registry(FolderStore(tmp_path / "models"), lambda: datetime.now(UTC))
    detector = start(env, "run", log=tmp_path / "log")
    good, sent = {default_model().ref.sha256}, 0
    sender = Sender(Connection(kafka.bootstrap))
    settings = RideSimulation(start=NOW, rides=24_000, malformed_rate=0.0)
    records = [record.payload for record in simulate(SEED, settings)]
    for step in range(6):
        for number, record in enumerate(records[step * 3_000 : (step + 1) * 3_000]):
            sender.send(f"{prefix}.events.rides", record, partition=number % 2)
            sent += 1
        sender.flush()
        if step == 0:
            wait_until_committed(kafka.bootstrap, prefix, f"{prefix}.events.rides", 2, sent)
        eps = 0.6 + 0.1 * rng.random() + 0.1 * step
        parameters = msgspec.structs.replace(DEFAULT_PARAMETERS, eps=eps)
        training = Training(trained_at=NOW)
        version = registry.register(
            "rides", encode_parameters(parameters), training=training, metrics={}
        )
        manifest = registry.promote("rides", version)
        if step % 3 == 2:
            corrupt(tmp_path / "models" / "rides" / "versions" / version, rng)
        else:
            good.add(manifest.sha256)
        time.sleep(1.0)
    wait_until_committed(kafka.bootstrap, prefix, f"{prefix}.events.rides", 2, sent)
    detector.terminate()
    assert detector.wait(30) == 0

    used = verify(kafka.bootstrap, prefix, sent, good)
    assert len(used) > 2, f"the swaps did not hit the stream: {used}"
    assert "model_not_taken" in (tmp_path / "log").read_text()


def corrupt(folder, rng):
    file = folder / "model.json"
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 0x10
    file.chmod(0o644)
    file.write_bytes(bytes(content))


def verify(bootstrap, prefix, sent, good):
    """Every event was scored once, and every output names a model that was good."""
    reader = TopicReader(Connection(bootstrap))
    places, models = Counter(), Counter()
    for record in reader.read(f"{prefix}.scored.rides"):
        scored = json.loads(record.value)
        places[scored["source"]["partition"], scored["source"]["offset"]] += 1
        models[scored["model"]["sha256"]] += 1
    anomalies = [
        msgspec.json.decode(record.value, type=Anomaly)
        for record in reader.read(f"{prefix}.anomalies.rides")
    ]
    reader.close()
    assert len(places) == sent
    assert set(places.values()) == {1}
    assert set(models) <= good
    assert {anomaly.model.sha256 for anomaly in anomalies} <= good
    assert len({anomaly.anomaly_id for anomaly in anomalies}) == len(anomalies) > 0
    return models
