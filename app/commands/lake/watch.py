"""``eddy lake watch``: the sink is looked after."""

import signal
from typing import Annotated

import typer

from eddy.app.commands.options import Bootstrap, Config


def watch(
    check_every_s: Annotated[
        float,
        typer.Option("--check-every", min=0, help="Seconds between two checks; 0: none."),
    ] = 900.0,
    since_h: Annotated[
        float, typer.Option("--since-hours", min=0, help="How far back a check looks.")
    ] = 24.0,
    grace_s: Annotated[
        float, typer.Option("--grace", min=0, help="Seconds that a record may be under way.")
    ] = 120.0,
    health_port: Annotated[
        int | None, typer.Option(help="Port of /live, /ready, /metrics; 0 takes a free one.")
    ] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Restart failed tasks of the sink, set bad records aside, and check the tables.

    Until SIGTERM or Ctrl-C; the figures are on /metrics. One is enough. A connector that is
    found stopped is resumed: pause one that is to stand still.
    """
    # Brings pyiceberg and the domains, which --help can do without.
    from eddy.app import logs, settings  # noqa: PLC0415
    from eddy.app.lake.watch import ConnectorWatch  # noqa: PLC0415

    flags = {"kafka.bootstrap_servers": bootstrap_servers, "health.port": health_port}
    chosen = settings.load(config, flags)
    logs.configure(chosen.log)
    watching = ConnectorWatch(
        chosen, check_every_s=check_every_s, since_s=since_h * 3600, grace_s=grace_s
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watching.stop())
    watching.run()
