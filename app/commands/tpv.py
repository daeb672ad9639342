"""``eddy tpv``: merchants' payment volume: its history, and pictures of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from eddy.app.commands.options import Config, Json
from eddy.app.commands.tpv_plot import plot

if TYPE_CHECKING:
    from eddy.app.training.history import HistoryResult, Steps
    from eddy.datasets.history.payments.months import How, Month

app = typer.Typer(help="Merchants' payment volume: history, pictures.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Merchants' payment volume: history, pictures."""


@app.command()
def history(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM", help="First month.")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM", help="Last month, this one too.")],
    folder: Annotated[Path, typer.Option(help="Where months and what they teach are kept.")],
    files: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB", help="Parquet, CSV or JSONL, also s3://; may be given several times."
        ),
    ] = None,
    athena: Annotated[
        str | None, typer.Option(metavar="DATABASE.TABLE", help="A table of Amazon Athena.")
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="S3-URL", help="Where Athena leaves results.")
    ] = None,
    work_group: Annotated[str | None, typer.Option(help="Of Athena.")] = None,
    region: Annotated[
        str | None, typer.Option(help="Of Athena; by default as AWS clients are configured.")
    ] = None,
    times: Annotated[
        str, typer.Option(help="In Athena, occurred_at is a `timestamp` or RFC 3339 `text`.")
    ] = "timestamp",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN",
            help="The table's name of merchant_id, occurred_at, amount, kind, status, count, "
            "segment or country; nothing after = where it has none.",
        ),
    ] = None,
    value: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=TEXT", help="What the table writes for sale, refund or approved."
        ),
    ] = None,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Read also what the folder holds already.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Load months of payments, so that a new deployment knows its merchants from the beginning.

    Months that are over are read once and kept in the folder; an interrupted run goes on where it
    ended. At the end stands a file for `start` under [domains.tpv], learned from all months there.
    """
    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.training import history as loading  # noqa: PLC0415 - keeps --help quick
    from eddy.datasets.history.payments.query import Naming  # noqa: PLC0415
    from eddy.schemas.errors import ConfigError  # noqa: PLC0415

    if bool(files) == bool(athena):
        raise ConfigError("give --files, or --athena DATABASE.TABLE")
    naming = Naming(loading.pairs("--column", column or []), loading.pairs("--value", value or []))
    ours = loading.TpvHistory(settings.load(config), folder)
    wanted = ours.months(first, last)
    if athena:
        table = loading.athena_table(athena, output, work_group, region, times)
        source = ours.of_athena(table, naming)
    else:
        source = ours.of_files(files or [], naming)
    with _steps(len(wanted)) as steps:
        loaded = ours.load(source, wanted, steps, refresh=refresh)
    _show(loaded, json)


app.command("plot")(plot)


@contextmanager
def _steps(count: int) -> "Iterator[Steps]":
    from eddy.app.progress import bar  # noqa: PLC0415
    from eddy.app.training.history import Steps  # noqa: PLC0415 - keeps --help quick

    with bar(Console(stderr=True)) as progress:
        reading = progress.add_task("reading months", total=count)
        learning = progress.add_task("learning", total=None, visible=False)

        def month(which: "Month", how: "How", number: int, why: str) -> None:
            if how == "waiting":
                progress.console.print(f"{which.name}, attempt {number}: {why}", highlight=False)
            else:
                progress.advance(reading)

        yield Steps(
            month=month,
            learning=lambda total: progress.update(learning, total=total, visible=True),
            learned=lambda more: progress.advance(learning, more),
        )


def _show(loaded: "HistoryResult", json: bool) -> None:
    import msgspec  # noqa: PLC0415 - keeps --help quick

    console = Console()
    if json:
        console.print_json(msgspec.json.encode(loaded).decode())
        return
    table = Table("month", "merchants", "rows", "", title=f"history in {loaded.months[0].source}")
    for piece in loaded.months:
        state = "" if piece.is_over else "not over: read again the next time"
        table.add_row(piece.month, f"{piece.merchants:,}", f"{piece.rows:,}", state)
    console.print(table)
    told = (
        f"learned {loaded.merchants:,} merchants from {loaded.intervals:,} intervals until "
        f"{loaded.end:%Y-%m-%d %H:%M} UTC; start from them with this in eddy.toml:\n\n"
        f"{loaded.setting}"
    )
    console.print(told, highlight=False, markup=False, soft_wrap=True)
