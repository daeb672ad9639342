"""``eddy mlflow``: one command, a server, and models in and out of it by the other commands.

That it ends its server when it is ended is looked at by the fixture that runs it.
"""

import json
import urllib.request
from datetime import UTC, datetime

import msgspec
import pytest

from eddy.app.promotion import champion
from eddy.models.artefact import encode_parameters
from eddy.models.registry.manifest import Training
from eddy.models.registry.mlflow.store import MlflowStore
from eddy.models.registry.registry import Registry
from eddy.sandbox.machine import free_port
from eddy.sandbox.stack import Stack
from eddy.schemas.errors import MissingResource
from tests.support.commands import invoke

NOW = datetime(2024, 3, 1, tzinfo=UTC)


class Radius(msgspec.Struct, frozen=True):
    eps: float


def eddy(*arguments: str) -> str:
    done = invoke(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def here(empty_mlflow, tmp_path, monkeypatch):
    """Settings that name the server as registry, and its stack as ours; no broker answers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDDY_STORAGE__REGISTRY", f"mlflow+{empty_mlflow.url}")
    monkeypatch.setenv("EDDY_STORAGE__STACK", str(empty_mlflow.stack))
    monkeypatch.setenv("EDDY_KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    monkeypatch.setattr(champion, "_PATIENCE_S", 0.2)
    return empty_mlflow


def test_it_says_where_it_is_and_how_to_use_it(mlflow_server) -> None:
    assert f"its page is {mlflow_server.url}" in mlflow_server.said
    assert f'registry = "mlflow+{mlflow_server.url}"' in mlflow_server.said
    with urllib.request.urlopen(mlflow_server.url, timeout=60) as page:
        assert b"<title>MLflow</title>" in page.read()
    assert (mlflow_server.stack / "logs/mlflow.log").stat().st_size > 0


def test_models_come_and_go_through_the_commands(here) -> None:
    registry = Registry(MlflowStore(here.url), lambda: NOW)
    for eps in (0.1, 0.2):
        artefact = encode_parameters(Radius(eps))
        registry.register("toy", artefact, training=Training(trained_at=NOW), metrics={})
    assert "toy 1 is the champion" in eddy("promote", "toy", "1")
    assert "toy 2 is the champion" in eddy("promote", "toy", "latest")
    assert "toy 1 is the champion again" in eddy("rollback", "toy", "--reason", "too many alerts")
    listed = json.loads(eddy("models", "--json"))
    assert [(line["version"], line["aliases"]) for line in listed] == [
        ("2", []),
        ("1", ["champion"]),
    ]
    log = json.loads(eddy("models", "toy", "--history", "--json"))
    assert [(line["action"], line["after"], line["reason"]) for line in log] == [
        ("set", "1", ""),
        ("set", "2", ""),
        ("rollback", "1", "too many alerts"),
    ]
    assert "too many alerts" in eddy("models", "toy", "--history")
    assert registry.load("toy", "champion", Radius).parameters.eps == 0.1


def test_said_twice_it_leaves_the_first_alone(here) -> None:
    before = Stack(here.stack).status()
    assert "already runs" in eddy("mlflow", "--port", str(here.port))
    assert Stack(here.stack).status() == before


def test_a_taken_port_is_said(here, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("EDDY_STORAGE__STACK", str(tmp_path / "another"))
    with pytest.raises(MissingResource, match="--port"):
        eddy("mlflow", "--port", str(here.port))
