"""``eddy tpv plot``: a merchant's volume against its forecast."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from eddy.app.commands.options import Bootstrap, Config, Json


def plot(
    merchant: Annotated[str, typer.Argument(metavar="MERCHANT", help="The merchant's id.")],
    out: Annotated[
        Path | None,
        typer.Option(help="A .png image or a .html page; by default MERCHANT.png."),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", help="RFC 3339 time; by default 14 days before the end."),
    ] = None,
    stop: Annotated[
        str | None, typer.Option("--to", help="RFC 3339 time; by default the last payment's.")
    ] = None,
    partition: Annotated[
        int | None,
        typer.Option(min=0, help="Read only this partition's payments; by default all."),
    ] = None,
    json: Json = False,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Draw a merchant's intervals: actual, forecast and band, alarms, and what is to come.

    Times are event times; intervals are shown as a whole. With --json the series are printed, and
    drawn only where --out is given. Exit code 3 where there is no payment of the merchant.
    """
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import logs, progress, settings  # noqa: PLC0415
    from eddy.app.plot import drawing  # noqa: PLC0415
    from eddy.app.plot.collecting import PlotQuery, collect  # noqa: PLC0415
    from eddy.app.replay.offsets import moment  # noqa: PLC0415
    from eddy.schemas.errors import ConfigError  # noqa: PLC0415

    path = out or (None if json else Path(file_name(merchant)))
    draw = None if path is None else drawing.drawer(path)
    frame = PlotQuery(
        start=None if start is None else moment(start, "--from"),
        stop=None if stop is None else moment(stop, "--to"),
        partition=partition,
    )
    if frame.start is not None and frame.stop is not None and frame.start >= frame.stop:
        raise ConfigError(f"--from {start} is not before --to {stop}")
    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    logs.configure(replace(chosen.log, level="WARNING"))
    with progress.bar(Console(stderr=True)) as bar:
        task = bar.add_task("reading payments", total=None)
        drawn = collect(chosen, merchant, frame, lambda count: bar.advance(task, count))
    console = Console()
    if draw is not None and path is not None:
        draw(drawn, path)
        Console(stderr=True).print(f"drawn into {path}", highlight=False, soft_wrap=True)
    if json:
        console.print_json(msgspec.json.encode(drawn).decode())


def file_name(merchant: str) -> str:
    """Return the name of a merchant's image, whatever its id holds.

    Examples
    --------
    >>> file_name("m-17"), file_name("../a b")
    ('m-17.png', 'a-b.png')
    """
    name = re.sub(r"[^\w.-]+", "-", merchant, flags=re.ASCII).strip(".-")
    return f"{name or 'merchant'}.png"
