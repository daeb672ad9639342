"""MLflow for tests: one server a session, by ``eddy mlflow``; a database that is copied."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from eddy.models.registry.mlflow.client import connect
from eddy.sandbox.machine import free_port, is_free
from eddy.sandbox.stack import Stack

EDDY = Path(sys.executable).parent / "eddy"

# other tests may take the machine's whole time; what waits too long is tested where it says so
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")


@dataclass(frozen=True)
class MlflowWorld:
    """A running server.

    Attributes
    ----------
    stack : Path
        The setting ``storage.stack`` of the command that runs it.
    said : str
        What that command said.
    """

    port: int
    stack: Path
    said: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def directory(self) -> Path:
        return self.stack / "mlflow"


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, to be copied."""
    path = tmp_path_factory.mktemp("mlflow-empty") / "mlflow.db"
    connect(f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture(scope="session")
def mlflow_server(
    tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path
) -> Iterator[MlflowWorld]:
    """One tracking server for the whole session; models in it are anybody's.

    That the command ends it when it is ended itself is looked at here, for it ends only once.
    """
    stack, port = tmp_path_factory.mktemp("mlflow"), free_port()
    (stack / "mlflow").mkdir()
    shutil.copy(mlflow_database, stack / "mlflow/mlflow.db")
    with subprocess.Popen(
        [EDDY, "mlflow", "--port", str(port)],
        env={**os.environ, "EDDY_STORAGE__STACK": str(stack)},
        stdout=subprocess.PIPE,
        text=True,
    ) as command:
        try:
            yield MlflowWorld(port, stack, _said(command))
            server = Stack(stack).status()[0]
            command.send_signal(signal.SIGTERM)
            assert command.wait(60) == 128 + signal.SIGTERM
            assert not Path(f"/proc/{server.pid}").exists()
            assert is_free(port)
            assert Stack(stack).status() == []
        finally:
            command.kill()
            Stack(stack).down()


@pytest.fixture
def empty_mlflow(mlflow_server: MlflowWorld) -> MlflowWorld:
    """The server, with no models in it."""
    client = connect(mlflow_server.url)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)
    return mlflow_server


def _said(command: "subprocess.Popen[str]") -> str:
    """Return what the command says until its server is up."""
    assert command.stdout is not None
    said = ""
    while "EDDY_STORAGE__REGISTRY" not in said:
        line = command.stdout.readline()
        assert line, said
        said += line
    return said
