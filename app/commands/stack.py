"""``eddy up``, ``down`` and ``status``: the embedded stack in the background."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import FileOptions, JsonFlag, option
from eddy.schemas.errors import ConfigError, MissingResource

if TYPE_CHECKING:
    from eddy.app.settings import Settings

NOT_RUNNING = 3


def up(
    *,
    port: Annotated[
        int | None, option("Of the broker; by default that of kafka.bootstrap_servers.")
    ] = None,
    partitions: Annotated[int, option("Of topics that do not exist yet.", least=1)] = 8,
    lake: Annotated[
        bool, option("Also an object store and the sink that fills its tables.")
    ] = False,
    store_port: Annotated[
        int | None, option("Of the embedded object store; by default 9000.")
    ] = None,
    source: FileOptions = FileOptions(),
) -> None:
    """Start a Kafka broker, its topics and a detector in the background, and keep them running.

    With --lake also an S3 server, a Kafka Connect worker with the sink's connectors, the tables
    and `eddy lake watch`; other commands that read settings from the same folder find them. What
    already runs is left alone, so it may be said twice. Data and logs are in the folder
    storage.stack (.eddy).

    Examples
    --------
    eddy up --lake
    """
    from rich.console import Console

    from eddy.app.output import message
    from eddy.app.progress import downloads

    if store_port is not None and not lake:
        raise ConfigError("--store-port: goes with --lake")
    flags = {"kafka.bootstrap_servers": None if port is None else f"127.0.0.1:{port}"}
    with downloads(Console(), "jars") as progress:
        if lake:
            settings = _up_with_lake(source, flags, store_port, partitions, progress)
        else:
            from eddy.app.stack import local_stack

            settings = source.load(flags)
            local_stack.up(settings, message, progress, config=source.config, partitions=partitions)
    address = settings.kafka.bootstrap_servers
    message(f"\nKafka answers at {address}; next: eddy simulate rides, eddy tail")
    if lake:
        message(f"tables are in {settings.lake.warehouse}; next: eddy lake check, eddy lake sql")
    if port is not None:
        message(f"tell other commands: export EDDY_KAFKA__BOOTSTRAP_SERVERS={address}")


def _up_with_lake(
    source: FileOptions,
    flags: dict[str, str | None],
    store_port: int | None,
    partitions: int,
    progress: Callable[[int, int], None],
) -> "Settings":
    """Decide what of the lake is embedded, start it, and return the settings in force."""
    from eddy.app import settings
    from eddy.app.lake import stack_defaults
    from eddy.app.output import message
    from eddy.schemas.installation import pip_install

    try:
        from eddy.app.lake import local
    except ModuleNotFoundError as error:
        raise MissingResource(
            f"the lake needs {error.name}: {pip_install('sandbox', 'lake')}"
        ) from error

    without_stack = settings.load(source.config, flags, decided=False)
    folder = Path(without_stack.storage.stack)
    embedded = stack_defaults.embed(folder, without_stack.lake, store_port)
    loaded = source.load(flags)
    local.up(loaded, embedded, message, progress, config=source.config, partitions=partitions)
    return loaded


def down(*, source: FileOptions = FileOptions()) -> None:
    """End what `up` started, and what a killed demo left behind; data is kept.

    Examples
    --------
    eddy down
    """
    from eddy.app.demo import folder as demo_folder
    from eddy.app.output import message
    from eddy.sandbox.stack import Stack

    folder = Path(source.load().storage.stack)
    ended = Stack(folder).down(message)
    ended += demo_folder.end_leftovers(folder, message)
    if not ended:
        message("nothing was running")


def status(*, source: FileOptions = FileOptions(), json: JsonFlag = False) -> int:
    """Show what runs; exit code 3 unless all of it does.

    Examples
    --------
    eddy status
    """
    from rich.text import Text

    from eddy.app import output
    from eddy.sandbox.stack import Stack

    processes = Stack(Path(source.load().storage.stack)).status()
    if json:
        output.json(processes)
    elif not processes:
        output.message("nothing was started here; `eddy up` does")
    else:
        rows = [
            (
                process.name,
                Text("running", "green") if process.is_running else Text("ended", "red"),
                str(process.pid),
                ", ".join(map(str, process.ports)),
                f"{process.since:%Y-%m-%d %H:%M:%S}",
                _relative(process.log),
            )
            for process in processes
        ]
        output.table(("process", "state", "pid", "port", "since", "log"), rows)
    return 0 if processes and all(process.is_running for process in processes) else NOT_RUNNING


def _relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
