"""``eddy mlflow``: a registry of models with pages, by one command."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from eddy.app.commands.options import Config

if TYPE_CHECKING:
    from eddy.sandbox.stack import Stack

_LOOK_S = 0.25


def mlflow(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where it listens.")] = 5000,
    config: Config = None,
) -> None:
    """Run an MLflow tracking server until SIGTERM or Ctrl-C; only this machine reaches it.

    Models, runs and files are in the folder mlflow below storage.stack (.eddy), its log beside
    the others there. Where one already runs, it is left alone.
    """
    from eddy.app import settings  # noqa: PLC0415
    from eddy.sandbox.machine import require_port  # noqa: PLC0415 - keeps --help quick
    from eddy.sandbox.mlflow_server import MlflowServer  # noqa: PLC0415
    from eddy.sandbox.stack import Stack, running  # noqa: PLC0415

    folder = Path(settings.load(config).storage.stack)
    server = MlflowServer(folder / "mlflow", port)
    process = server.process()
    console = Console()

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    runs = [one for one in Stack(folder).status() if one.name == process.name and one.is_running]
    if not runs:
        require_port(port, "--port")
    with running([process], folder, say) as stack:
        say(f"its page is {server.url}; to use it as registry, in eddy.toml:")
        say(f'\n[storage]\nregistry = "mlflow+{server.url}"\n')
        say(f"or export EDDY_STORAGE__REGISTRY=mlflow+{server.url}")
        if not runs:
            _wait(stack, process.name)


def _wait(stack: "Stack", name: str) -> None:
    """Return never, but raise where the server ends by itself; signals end it before that."""
    from eddy.sandbox.processes import tail  # noqa: PLC0415 - keeps --help quick
    from eddy.schemas.errors import MissingResource  # noqa: PLC0415

    while True:
        time.sleep(_LOOK_S)
        one = next((one for one in stack.status() if one.name == name), None)
        if one is None:
            return  # `eddy down` ended it
        if not one.is_running:
            raise MissingResource(
                f"{name} ended by itself (exit code {one.exit_code}); the last lines of "
                f"{one.log}:\n{tail(one.log)}"
            )
