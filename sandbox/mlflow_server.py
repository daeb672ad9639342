"""An MLflow tracking server: a database file, a folder of artifacts, one process of its own."""

import os
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from eddy.sandbox.machine import LOOPBACK
from eddy.sandbox.server import EmbeddedServer

DEFAULT_PORT = 5000

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # its background jobs (judging prompts, archiving traces) are nine processes nobody here needs
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


class MlflowServer(EmbeddedServer):
    """A tracking server with registry and pages; keeps ``mlflow.db`` and ``artifacts/``."""

    name = "mlflow"
    room_bytes = 0  # what models take is not known before
    ready_within_s = 180.0  # it imports most of what it knows, twice

    def __init__(self, directory: Path, port: int = DEFAULT_PORT) -> None:
        super().__init__(directory, port)

    @property
    def url(self) -> str:
        """Where it answers, and where its pages are."""
        return f"http://{self.address}"

    def _write_settings(self) -> None:
        (self.directory / "artifacts").mkdir(parents=True, exist_ok=True)

    def _command(self) -> tuple[str, ...]:
        return (
            *(sys.executable, "-m", "mlflow", "server"),
            *("--backend-store-uri", f"sqlite:///{self.directory / 'mlflow.db'}"),
            *("--artifacts-destination", str(self.directory / "artifacts")),
            *("--host", LOOPBACK, "--port", str(self.port), "--workers", "1"),
        )

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, **_ENVIRONMENT}

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:  # noqa: S310 - http, and ours
                return bool(answer.status == 200)
        except OSError:  # URLError and HTTPError are
            return False
