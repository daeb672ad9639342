"""``eddy replay``: the same judges over a file or a range of a topic, into a side namespace."""

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from eddy.app import logs, settings
from eddy.app.commands.options import Bootstrap, Config, Json
from eddy.schemas.errors import ConfigError, Mismatch

if TYPE_CHECKING:
    from eddy.app.replay.replay import ReplaySummary


def replay(
    what: Annotated[str, typer.Argument(help="A Parquet, CSV or JSONL file, or a topic.")],
    name: Annotated[
        str | None,
        typer.Option(help="Of the side namespace replay.<name>; by default from WHAT."),
    ] = None,
    domain: Annotated[str, typer.Option(help="Whose judges.")] = "rides",
    start: Annotated[
        str | None,
        typer.Option("--from", help="First offset in every partition, or an RFC 3339 time."),
    ] = None,
    stop: Annotated[
        str | None, typer.Option("--to", help="Offset or time before which to stop.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Forget what an earlier replay of this name did.")
    ] = False,
    compare: Annotated[
        bool, typer.Option(help="Compare with what was published live (topics only).")
    ] = True,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Judge a file or a topic's range again; resumes where an interrupted replay of this name was.

    Every record is accounted for: judged, or rejected with a reason. Ends with exit code 6 where
    that is not so, or where a topic's replay differs from what was published live.
    """
    # Brings numba and Faust, which --help can do without.
    from eddy.app.domains import domain_row  # noqa: PLC0415
    from eddy.app.replay.replay import Replay  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    log = replace(chosen.log, level="WARNING")
    logs.configure(log)
    side = name or re.sub(r"[^a-zA-Z0-9-]+", "-", Path(what).stem if _is_file(what) else what)
    if not re.fullmatch(r"[a-zA-Z0-9-]{1,80}", side):
        raise ConfigError(f"--name {side!r}: letters, digits and -, at most 80")
    job = Replay(chosen, domain_row(domain), side, Console(stderr=True))
    if fresh:
        job.forget()
    if _is_file(what):
        if start or stop:
            raise ConfigError("--from and --to: for topics; a file is replayed whole")
        summary = job.file(Path(what))
    else:
        summary = job.topic(what, start, stop, compare=compare)
    _show(summary, json)
    if summary.problems:
        raise Mismatch("; ".join(summary.problems))


def _is_file(what: str) -> bool:
    looks_like_one = "/" in what or what.endswith((".parquet", ".csv", ".jsonl", ".json", ".gz"))
    if looks_like_one and not Path(what).is_file():
        raise ConfigError(f"{what}: no such file")
    return Path(what).is_file()


def _show(summary: "ReplaySummary", json: bool) -> None:
    console = Console()
    if json:
        console.print_json(summary.encode().decode())
        return
    table = Table(title=f"replay {summary.name}", show_header=False)
    for label, value in summary.rows():
        table.add_row(label, value)
    console.print(table)
