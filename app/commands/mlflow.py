"""``eddy mlflow``: a registry of models with pages, by one command."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import FileOptions, option

if TYPE_CHECKING:
    from eddy.sandbox.stack import Stack

_POLL_S = 0.25


def mlflow(
    *,
    port: Annotated[int, option("Where it listens.", least=1, most=65_535)] = 5000,
    source: FileOptions = FileOptions(),
) -> None:
    """Run an MLflow tracking server until SIGTERM or Ctrl-C; only this machine reaches it.

    Models, runs and files are in the folder mlflow below storage.stack (.eddy), its log beside
    the others there. Where one already runs, it is left alone.

    Examples
    --------
    eddy mlflow --port 5000
    """
    from eddy.app.output import message
    from eddy.sandbox.machine import require_port
    from eddy.sandbox.mlflow_server import MlflowServer
    from eddy.sandbox.stack import Stack, running

    folder = Path(source.load().storage.stack)
    server = MlflowServer(folder / "mlflow", port)
    process = server.process()
    is_running = any(
        status.name == process.name and status.is_running for status in Stack(folder).status()
    )
    if not is_running:
        require_port(port, "--port")
    with running([process], folder, message) as stack:
        message(f"its page is {server.url}; to use it as registry, in eddy.toml:")
        message(f'\n[storage]\nregistry = "mlflow+{server.url}"\n')
        message(f"or export EDDY_STORAGE__REGISTRY=mlflow+{server.url}")
        if not is_running:
            _wait(stack, process.name)


def _wait(stack: "Stack", name: str) -> None:
    """Return never, but raise where the server ends by itself; signals end it before that."""
    from eddy.sandbox.processes import tail
    from eddy.schemas.errors import MissingResource

    while True:
        time.sleep(_POLL_S)
        process = next((status for status in stack.status() if status.name == name), None)
        if process is None:
            return  # `eddy down` ended it
        if not process.is_running:
            raise MissingResource(
                f"{name} ended by itself (exit code {process.exit_code}); the last lines of "
                f"{process.log}:\n{tail(process.log)}"
            )
