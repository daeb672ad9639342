"""``eddy lake connect``: the sink connectors."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from eddy.app.commands.options import Bootstrap, Config

if TYPE_CHECKING:
    from eddy.lake.sink.connectors import Connector


def connect(
    print_only: Annotated[
        bool, typer.Option("--print", help="Only print the connectors' settings, as JSON.")
    ] = False,
    with_secrets: Annotated[
        bool, typer.Option("--with-secrets", help="With --print: do not mask them.")
    ] = False,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Register the sink connectors with a Kafka Connect cluster, or bring them up to date.

    Topics they need are created, and their coordinators' groups get the offsets without which
    rows may be lost; then waits until all run. Said twice, nothing happens.
    """
    # Brings pyiceberg and the domains, which --help can do without.
    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.lake.connectors import connectors  # noqa: PLC0415
    from eddy.app.lake.feed import start  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    if print_only:
        _print(connectors(chosen), with_secrets)
        return
    console = Console()
    start(chosen, lambda text: console.print(text, highlight=False, soft_wrap=True))


def _print(made: "list[Connector]", with_secrets: bool) -> None:
    """Print a list of what PUT /connectors takes; plainly, so that it can be piped."""
    import msgspec  # noqa: PLC0415

    told = [
        {"name": one.name, "config": one.settings if with_secrets else one.shown()} for one in made
    ]
    text = msgspec.json.format(msgspec.json.encode(told), indent=2)
    sys.stdout.buffer.write(text + b"\n")
