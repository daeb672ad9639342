"""An MLflow server is killed while models come in: nothing half is ever seen, and it goes on."""

import os
import random
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from eddy.models.artefact import encode_parameters
from eddy.models.registry.manifest import Training
from eddy.models.registry.mlflow.store import MlflowStore
from eddy.models.registry.registry import Registry
from eddy.sandbox.machine import free_port
from eddy.sandbox.mlflow_server import MlflowServer
from eddy.schemas.errors import Unavailable

pytestmark = pytest.mark.chaos_long  # a server takes long to start
LARGE = bytes(48 * 2**20)


class Radius(msgspec.Struct, frozen=True):
    eps: float


def now() -> datetime:
    return datetime.now(UTC)


def register(registry: Registry, **files: bytes) -> str:
    artefact = encode_parameters(Radius(0.5))
    training = Training(trained_at=now())
    return registry.register("rides", artefact, training=training, metrics={}, files=files)


def kill(server: MlflowServer) -> None:
    """End the server and what it started, as a machine does that loses its power."""
    assert server.pid is not None
    os.killpg(server.pid, signal.SIGKILL)  # a session of its own
    server.kill()


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.002)


def check_whole(registry: Registry) -> int:
    versions, history = registry.versions("rides"), registry.history("rides")
    for version in versions:
        registry.load("rides", version, Radius)
    assert (history[-1].after if history else None) == registry.aliases("rides").get("champion")
    return len(versions)


@pytest.fixture
def server(mlflow_database: Path, tmp_path: Path) -> Iterator[MlflowServer]:
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    with MlflowServer(tmp_path, free_port()) as own:
        yield own


def test_a_server_killed_while_a_file_comes_in(server: MlflowServer) -> None:
    registry = Registry(MlflowStore(server.url), now)
    registry.promote("rides", register(registry))
    raised: list[Exception] = []

    def write() -> None:
        try:
            register(registry, **{"model.skops": LARGE})
        except Unavailable as error:
            raised.append(error)

    before = {path.name for path in (server.directory / "artifacts").rglob("*")}
    writer = threading.Thread(target=write)
    writer.start()
    # the first file of the new run is there: the large one is on its way, or about to be
    wait_for(
        lambda: len({p.name for p in (server.directory / "artifacts").rglob("*")} - before) > 0
    )
    kill(server)
    writer.join()
    assert len(raised) == 1
    with pytest.raises(Unavailable):
        registry.resolve("rides", "champion")
    server.start()
    assert check_whole(registry) == 1
    assert registry.resolve("rides", "latest").version == "1"
    assert registry.resolve("rides", "champion").version == "1"
    registry.promote("rides", register(registry, **{"model.skops": LARGE}))
    assert check_whole(registry) == 2


def test_a_server_killed_at_random(server: MlflowServer) -> None:
    seed = int(os.environ.get("EDDY_TEST_SEED", random.SystemRandom().randrange(10**6)))
    print("seed", seed)
    chance = random.Random(seed)
    registry = Registry(MlflowStore(server.url), now)
    stop = threading.Event()
    done = [0]

    def write() -> None:
        while not stop.is_set():
            try:
                registry.promote("rides", register(registry))
                if chance.random() < 0.3:
                    registry.rollback("rides")
                done[0] += 1
            except Unavailable:
                time.sleep(0.05)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(5):
            goal = done[0] + 3
            wait_for(lambda goal=goal: done[0] >= goal)
            time.sleep(chance.uniform(0, 0.3))
            kill(server)
            server.start()
    finally:
        stop.set()
        writer.join()
    assert check_whole(registry) >= done[0] >= 15
