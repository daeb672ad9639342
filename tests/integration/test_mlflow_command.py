"""``eddy mlflow``: one command, a server, models in and out of it, and gone again."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from deploy.embedded.machine import free_port, is_free
from deploy.embedded.stack import Stack
from models.registry.artefact import encode_parameters
from models.registry.mlflow import MlflowRegistry
from models.registry.registry import Training

EDDY = Path(sys.executable).parent / "eddy"
NOW = datetime(2024, 3, 1, tzinfo=UTC)


class Radius(msgspec.Struct, frozen=True):
    eps: float


def eddy(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "EDDY_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"} | environment
    return subprocess.run(
        [EDDY, *arguments], env=env, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    port = free_port()
    env = {**os.environ, "EDDY_STORAGE__STACK": str(tmp_path / "stack")}
    with subprocess.Popen(
        [EDDY, "mlflow", "--port", str(port)], env=env, stdout=subprocess.PIPE, text=True
    ) as command:
        try:
            yield command, port
        finally:
            command.kill()
            Stack(tmp_path / "stack").down()


def test_it_starts_keeps_models_and_stops(running, tmp_path) -> None:
    command, port = running
    said = ""
    while "EDDY_STORAGE__REGISTRY" not in said:
        line = command.stdout.readline()
        assert line, said
        said += line
    address = f"mlflow+http://127.0.0.1:{port}"
    assert f'registry = "{address}"' in said
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as page:
        assert b"<title>MLflow</title>" in page.read()

    registry = MlflowRegistry(f"http://127.0.0.1:{port}", lambda: NOW)
    for eps in (0.1, 0.2):
        artefact = encode_parameters(Radius(eps))
        registry.register("toy", artefact, training=Training(trained_at=NOW), metrics={})
    use = {"EDDY_STORAGE__REGISTRY": address}
    assert "toy 2 is the champion" in eddy("promote", "toy", "latest", **use).stdout
    again = eddy("mlflow", "--port", str(port), EDDY_STORAGE__STACK=str(tmp_path / "stack"))
    assert again.returncode == 0, again.stderr
    assert "already runs" in again.stdout
    assert registry.load("toy", "champion", Radius).parameters.eps == 0.2
    log = json.loads(eddy("models", "toy", "--history", "--json", **use).stdout)
    assert [(line["action"], line["after"]) for line in log] == [("set", "2")]

    server = Stack(tmp_path / "stack").status()[0]
    command.send_signal(signal.SIGTERM)
    assert command.wait(60) == 128 + signal.SIGTERM
    assert is_free(port)
    assert not Path(f"/proc/{server.pid}").exists()
    assert Stack(tmp_path / "stack").status() == []
    assert (tmp_path / "stack/logs/mlflow.log").is_file()
