"""An MLflow tracking server: a database file, a folder of artifacts, one process of its own."""

import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from eddy.sandbox.processes import BackgroundProcess
from eddy.sandbox.server import Server

DEFAULT_PORT = 5000

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # its background jobs (judging prompts, archiving traces) are nine processes nobody here needs
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}


class MlflowServer(Server):
    """A tracking server with registry, bound to 127.0.0.1.

    Parameters
    ----------
    directory : Path
        Holds ``mlflow.db`` and ``artifacts/``; created when missing.
    port : int
        Where it listens.
    """

    def __init__(self, directory: Path, port: int = DEFAULT_PORT) -> None:
        super().__init__(directory)
        self.port = port

    @property
    def url(self) -> str:
        """Where it answers, and where its page is."""
        return f"http://127.0.0.1:{self.port}"

    def process(self) -> BackgroundProcess:
        """Describe the server for a stack."""
        return BackgroundProcess(
            name="mlflow",
            argv=(
                *(sys.executable, "-m", "mlflow", "server"),
                *("--backend-store-uri", f"sqlite:///{self.directory / 'mlflow.db'}"),
                *("--artifacts-destination", str(self.directory / "artifacts")),
                *("--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"),
            ),
            ready=self._is_ready,
            env={**os.environ, **_ENVIRONMENT},
            ports=(self.port,),
            prepare=self._prepare,
            ready_within_s=180.0,  # it imports most of what it knows, twice
        )

    def _prepare(self) -> None:
        (self.directory / "artifacts").mkdir(parents=True, exist_ok=True)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=2) as answer:  # noqa: S310 - http, and ours
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
