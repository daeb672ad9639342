"""``eddy tpv``: merchants' payment volume: its history, and pictures of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from eddy.app.commands.options import FileOptions, JsonFlag, group, option
from eddy.schemas.errors import ConfigError

if TYPE_CHECKING:
    from eddy.app.training.history import HistoryResult, Steps
    from eddy.datasets.history.payments.months import Month, MonthOutcome

app = group(
    "tpv",
    "Merchants' payment volume: history, pictures.",
    {"history": "eddy.app.commands.tpv:history", "plot": "eddy.app.commands.tpv_plot:plot"},
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class AthenaOptions:
    """A table of Amazon Athena."""

    athena: Annotated[str | None, option("A table of Amazon Athena.", metavar="DATABASE.TABLE")] = (
        None
    )
    output: Annotated[str | None, option("Where Athena leaves results.", metavar="S3-URL")] = None
    work_group: Annotated[str | None, option("Of Athena.")] = None
    region: Annotated[
        str | None, option("Of Athena; by default as AWS clients are configured.")
    ] = None
    times: Annotated[str, option("In Athena, occurred_at is a `timestamp` or RFC 3339 `text`.")] = (
        "timestamp"
    )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class NamingOptions:
    """How the table names what Eddy reads."""

    column: Annotated[
        list[str] | None,
        option(
            "The table's name of merchant_id, occurred_at, amount, kind, status, count, "
            "segment or country; nothing after = where it has none.",
            metavar="NAME=COLUMN",
        ),
    ] = None
    value: Annotated[
        list[str] | None,
        option("What the table writes for sale, refund or approved.", metavar="NAME=TEXT"),
    ] = None


def history(
    *,
    first: Annotated[str, option("First month.", "--from", metavar="YYYY-MM")],
    last: Annotated[str, option("Last month, this one too.", "--to", metavar="YYYY-MM")],
    folder: Annotated[Path, option("Where months and what they teach are kept.")],
    files: Annotated[
        list[str] | None,
        option("Parquet, CSV or JSONL, also s3://; may be given several times.", metavar="GLOB"),
    ] = None,
    athena: AthenaOptions = AthenaOptions(),
    naming: NamingOptions = NamingOptions(),
    refresh: Annotated[bool, option("Read also what the folder holds already.")] = False,
    source: FileOptions = FileOptions(),
    json: JsonFlag = False,
) -> None:
    """Load months of payments, so that a new deployment knows its merchants from the beginning.

    Months that are over are read once and kept in the folder; an interrupted run goes on where it
    ended. At the end stands a file for `start` under [domains.tpv], learned from all months there.

    Examples
    --------
    eddy tpv history --from 2025-01 --to 2025-12 --folder months --files 'payments/*.parquet'
    """
    from eddy.app.training import history as loading
    from eddy.datasets.history.payments.query import Naming

    if bool(files) == bool(athena.athena):
        raise ConfigError("give --files, or --athena DATABASE.TABLE")
    names = Naming(
        loading.pairs("--column", naming.column or []), loading.pairs("--value", naming.value or [])
    )
    past = loading.TpvHistory(source.load(), folder)
    months = past.months(first, last)
    if athena.athena:
        table = loading.athena_table(
            athena.athena, athena.output, athena.work_group, athena.region, athena.times
        )
        payments = past.of_athena(table, names)
    else:
        payments = past.of_files(files or [], names)
    with _steps(len(months)) as steps:
        result = past.load(payments, months, steps, refresh=refresh)
    _show(result, json)


@contextmanager
def _steps(count: int) -> "Iterator[Steps]":
    from rich.console import Console

    from eddy.app.progress import bar
    from eddy.app.training.history import Steps

    with bar(Console(stderr=True)) as progress:
        reading = progress.add_task("reading months", total=count)
        learning = progress.add_task("learning", total=None, visible=False)

        def month(which: "Month", outcome: "MonthOutcome", number: int, why: str) -> None:
            if outcome == "waiting":
                progress.console.print(f"{which.name}, attempt {number}: {why}", highlight=False)
            else:
                progress.advance(reading)

        yield Steps(
            month=month,
            learning=lambda total: progress.update(learning, total=total, visible=True),
            learned=lambda more: progress.advance(learning, more),
        )


def _show(result: "HistoryResult", json: bool) -> None:
    from eddy.app import output

    if json:
        output.json(result)
        return
    rows = [
        (
            piece.month,
            f"{piece.merchants:,}",
            f"{piece.rows:,}",
            "" if piece.is_over else "not over: read again the next time",
        )
        for piece in result.months
    ]
    output.table(
        ("month", "merchants", "rows", ""),
        rows,
        title=f"history in {result.months[0].source}",
        numbers=("merchants", "rows"),
    )
    output.message(
        f"learned {result.merchants:,} merchants from {result.intervals:,} intervals until "
        f"{result.end:%Y-%m-%d %H:%M} UTC; start from them with this in eddy.toml:\n\n"
        f"{result.setting}"
    )
