"""Card transactions on bad days: kill -9 among labels; models that come, go and break."""

import os
import random
import shutil
import time
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import msgspec
import numpy as np
import pytest

from eddy.datasets.simulation.transactions.labels import labels
from eddy.datasets.simulation.transactions.stream import TransactionSimulation, simulate
from eddy.models.artefact import encode_parameters
from eddy.models.domains.transactions.default import DEFAULT_PARAMETERS, default_model
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.names import CHALLENGER
from eddy.models.registry.registry import Registry
from tests.support.transactions_world import TransactionsWorld

SEED = int(os.environ.get("EDDY_TEST_SEED", str(random.SystemRandom().randrange(10**6))))


PARTS = 5


@pytest.fixture
def rng(record_property):
    print(f"seed {SEED} (EDDY_TEST_SEED={SEED} repeats it)")
    record_property("seed", SEED)
    return random.Random(SEED)


def weeks(days: int, customers: int) -> TransactionSimulation:
    """Return some weeks that ended three days ago, with many compromises."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return TransactionSimulation(
        start=today - timedelta(days=days + 3),
        days=days,
        customers=customers,
        terminals=customers // 2,
        compromised_terminal_rate=0.01,
        compromised_card_rate=0.005,
        late_rate=0.02,
        late_s=(600.0, 40_000.0),
        malformed_rate=0.005,
    )


@pytest.mark.timeout(240)
def test_kill_9_keeps_histories_equal_to_those_of_one_piece(kafka, tmp_path, rng):
    options = weeks(45, 600)
    records, verdicts = list(simulate(SEED, options)), list(labels(SEED, options))
    size, hits = len(records) // PARTS, 0
    with TransactionsWorld(kafka.bootstrap, tmp_path, batch_size=50) as world:
        for part in range(PARTS):
            some = records[part * size : (part + 1) * size]
            newest = max(record.occurred_at_us for record in some)
            known = list(takewhile(lambda one, until=newest: one[0] <= until, verdicts))
            verdicts = verdicts[len(known) :]
            # labels first: they are known before the events that they count for
            world.say(label for _, label in known)
            world.put(some)
            detector, before = world.run(), world.lag()
            world.progress_to(before - 1)
            time.sleep(rng.uniform(0.0, 0.05))
            hits += world.lag() > 0
            detector.kill()
            if part == 1:
                shutil.rmtree(world.checkpoints, ignore_errors=True)
        assert hits >= 2, "the kills did not hit work in flight"
        before = detector.said().count("partitions_assigned")
        detector = world.run()
        world.wait_for(
            lambda: detector.said().count("partitions_assigned") > before, "it came back"
        )
        world.drain()
        assert detector.stop() == 0
        assert "state_rebuilt_from_log" in detector.said(), "no checkpoint was missed"
        anomalies = world.verify()
        rejected = world.rejections()
    assert len(anomalies) > 50
    assert len(rejected) > 10


@pytest.mark.timeout(240)
def test_models_are_promoted_rolled_back_and_broken_under_load(kafka, tmp_path, rng):
    options = weeks(30, 400)
    records = list(simulate(SEED, options))
    with TransactionsWorld(kafka.bootstrap, tmp_path, {"history": {}}, batch_size=200) as world:
        registry = Registry(FolderStore(tmp_path / "models"), lambda: datetime.now(UTC))
        good = {default_model().ref.sha256}
        detector = world.run()
        steps = 8
        size = len(records) // steps
        for step in range(steps):
            world.put(records[step * size : (step + 1) * size])
            if step == 0:
                world.drain()
            version = registered(registry, rng.uniform(0.02, 0.2))
            manifest = registry.resolve("transactions", version)
            registry.set_alias("transactions", CHALLENGER, version)
            if step % 4 == 3:
                registry.rollback("transactions", by="chaos")
            else:
                registry.promote("transactions", version, by="chaos")
            if step % 4 == 2:
                corrupt(tmp_path / "models" / "transactions" / "versions" / version, rng)
            else:
                good.add(manifest.sha256)
            time.sleep(2.0)
        world.drain()
        assert detector.stop() == 0
        decided, anomalies = world.decided(), world.published()
        sent = len(world.sent[0]) - len(world.rejections())
    assert "model_not_taken" in detector.said()
    assert len(decided.offsets) == sent
    assert (np.diff(decided.offsets) > 0).all(), "an event was judged twice"
    assert set(decided.models) <= good
    assert len(set(decided.models)) > 3, "the swaps did not hit the stream"
    by_offset = dict(zip(decided.offsets.tolist(), decided.models, strict=True))
    flagged = decided.offsets[decided.scores > 1.0].tolist()
    assert [a.source.offset for a in anomalies] == flagged
    assert all(a.model.sha256 == by_offset[a.source.offset] for a in anomalies)


def registered(registry: Registry, boundary: float) -> str:
    parameters = msgspec.structs.replace(DEFAULT_PARAMETERS, boundary=boundary)
    training = Training(trained_at=datetime.now(UTC))
    return registry.register(
        "transactions", encode_parameters(parameters), training=training, metrics={}
    )


def corrupt(folder: Path, rng: random.Random) -> None:
    file = folder / "model.json"
    content = bytearray(file.read_bytes())
    content[rng.randrange(len(content))] ^= 0x10
    file.chmod(0o644)
    file.write_bytes(bytes(content))
