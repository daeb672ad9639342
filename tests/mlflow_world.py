"""MLflow for tests: one server a session, and a database that is copied rather than made anew."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.embedded.machine import free_port
from deploy.embedded.mlflow_server import MlflowServer
from models.registry.mlflow_client import connect

# other tests may take the machine's whole time; what waits too long is tested where it says so
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")


@pytest.fixture(scope="session")
def mlflow_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database, to be copied."""
    path = tmp_path_factory.mktemp("mlflow-empty") / "mlflow.db"
    connect(f"sqlite:///{path}").search_registered_models()
    return path


@pytest.fixture(scope="session")
def mlflow_server(
    tmp_path_factory: pytest.TempPathFactory, mlflow_database: Path
) -> Iterator[MlflowServer]:
    """One tracking server for the whole session; models in it are anybody's."""
    directory = tmp_path_factory.mktemp("mlflow")
    shutil.copy(mlflow_database, directory / "mlflow.db")
    with MlflowServer(directory, free_port()) as server:
        yield server


@pytest.fixture
def empty_mlflow(mlflow_server: MlflowServer) -> MlflowServer:
    """The server, with no models in it."""
    client = connect(mlflow_server.url)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)
    return mlflow_server
