"""``eddy up``, ``down`` and ``status``: the embedded stack in the background."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from eddy.app.commands.options import Config, Json

if TYPE_CHECKING:
    from eddy.app.settings import Settings

NOT_RUNNING = 3


def up(
    port: Annotated[
        int | None, typer.Option(help="Of the broker; by default that of kafka.bootstrap_servers.")
    ] = None,
    partitions: Annotated[int, typer.Option(min=1, help="Of topics that do not exist yet.")] = 8,
    lake: Annotated[
        bool,
        typer.Option("--lake", help="Also an object store and the sink that fills its tables."),
    ] = False,
    store_port: Annotated[
        int | None, typer.Option(help="Of the embedded object store; by default 9000.")
    ] = None,
    config: Config = None,
) -> None:
    """Start a Kafka broker, its topics and a detector in the background, and keep them running.

    With --lake also an S3 server, a Kafka Connect worker with the sink's connectors, the tables
    and `eddy lake watch`; other commands that read settings from the same folder find them. What
    already runs is left alone, so it may be said twice. Data and logs are in the folder
    storage.stack (.eddy).
    """
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.app.progress import downloads  # noqa: PLC0415

    servers = None if port is None else f"127.0.0.1:{port}"
    flags = {"kafka.bootstrap_servers": servers}
    console = Console()

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    if store_port is not None and not lake:
        raise typer.BadParameter("goes with --lake", param_hint="--store-port")
    with downloads(console, "jars") as progress:
        if lake:
            chosen = _up_with_lake(config, flags, store_port, partitions, say, progress)
        else:
            from eddy.app.stack import local_stack  # noqa: PLC0415

            chosen = settings.load(config, flags)
            local_stack.up(chosen, say, progress, config=config, partitions=partitions)
    address = chosen.kafka.bootstrap_servers
    console.print(f"\nKafka answers at [bold]{address}[/]; next: eddy simulate rides, eddy tail")
    if lake:
        console.print(
            f"tables are in {chosen.lake.warehouse}; next: eddy lake check, eddy lake sql"
        )
    if port is not None:
        console.print(f"tell other commands: export EDDY_KAFKA__BOOTSTRAP_SERVERS={address}")


def _up_with_lake(
    config: Path | None,
    flags: dict[str, str | None],
    store_port: int | None,
    partitions: int,
    say: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> "Settings":
    """Decide what of the lake is embedded, start it, and return the settings in force."""
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.app.lake import stack_defaults as decisions  # noqa: PLC0415
    from eddy.schemas.errors import MissingResource  # noqa: PLC0415
    from eddy.schemas.installation import pip_install  # noqa: PLC0415

    try:
        from eddy.app.lake import local  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise MissingResource(
            f"the lake needs {error.name}: {pip_install('sandbox', 'lake')}"
        ) from error

    given = settings.load(config, flags, decided=False)
    folder = Path(given.storage.stack)
    decision = decisions.decide(folder, given.lake, store_port)
    chosen = settings.load(config, flags)
    local.up(chosen, decision, say, progress, config=config, partitions=partitions)
    return chosen


def down(config: Config = None) -> None:
    """End what `up` started, and what a killed demo left behind; data is kept."""
    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.demo import folder as demo_folder  # noqa: PLC0415
    from eddy.sandbox.stack import Stack  # noqa: PLC0415 - keeps --help quick

    chosen = settings.load(config)
    console = Console()

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    ended = Stack(Path(chosen.storage.stack)).down(say)
    ended += demo_folder.end_leftovers(Path(chosen.storage.stack), say)
    if not ended:
        say("nothing was running")


def status(config: Config = None, json: Json = False) -> None:
    """Show what runs; exit code 3 unless all of it does."""
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import settings  # noqa: PLC0415
    from eddy.sandbox.stack import Stack  # noqa: PLC0415

    chosen = settings.load(config)
    found = Stack(Path(chosen.storage.stack)).status()
    console = Console()
    if json:
        console.print_json(msgspec.json.encode(found, enc_hook=str).decode())
    elif not found:
        console.print("nothing was started here; `eddy up` does")
    else:
        table = Table("process", "state", "pid", "port", "since", "log", box=None)
        for one in found:
            state = "[green]running[/]" if one.is_running else "[red]ended[/]"
            ports = ", ".join(map(str, one.ports))
            since = f"{one.since:%Y-%m-%d %H:%M:%S}"
            table.add_row(one.name, state, str(one.pid), ports, since, _relative(one.log))
        console.print(table)
    if not found or not all(one.is_running for one in found):
        raise typer.Exit(NOT_RUNNING)


def _relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
