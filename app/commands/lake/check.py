"""``eddy lake check``: whether every record is in its table."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from eddy.app.commands.options import Bootstrap, Config, Json
from eddy.schemas.errors import Mismatch

if TYPE_CHECKING:
    from eddy.lake.sink.comparison import TableVerdict

_SELDOM = ("missing", "pending", "set_aside", "duplicates", "doubled", "extra")


def check(
    since_h: Annotated[
        float | None,
        typer.Option("--since-hours", min=0, help="Only records that young; by default all."),
    ] = None,
    grace_s: Annotated[
        float | None,
        typer.Option(
            "--grace",
            min=0,
            help="Seconds that a record may be under way; by default 120, or a minute more than "
            "lake.commit_interval_s.",
        ),
    ] = None,
    compacted: Annotated[
        bool,
        typer.Option("--compacted", help="After compaction: a duplicate is wrong, too."),
    ] = False,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    json: Json = False,
) -> None:
    """Hold the rows of every table against the records of its topic, by their ids.

    Missing is a record that the connector has behind it and that is in no row and not on the
    dead-letter topic; what the connector has not got to is pending. Duplicates are what compaction
    drops. Ends with exit code 6 where rows are missing or pending, where there are rows of records
    that were never committed, and with --compacted where there are duplicates.
    """
    # Brings pyiceberg and DuckDB, which --help can do without.
    import msgspec  # noqa: PLC0415

    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.lake import check as comparing  # noqa: PLC0415
    from eddy.app.progress import bar  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    with bar(Console(stderr=True)) as progress:
        task = progress.add_task("records", total=None)

        def told(topic: str, done: int, total: int) -> None:
            progress.update(task, description=topic, completed=done, total=total)

        verdict = comparing.check(
            chosen,
            grace_s=comparing.grace_of(chosen) if grace_s is None else grace_s,
            since_s=None if since_h is None else since_h * 3600,
            is_compacted=compacted,
            progress=told,
        )
    console = Console()
    if json:
        console.print_json(msgspec.json.encode(verdict).decode())
    for one in () if json else verdict.tables:
        console.print(_line(one), highlight=False, soft_wrap=True)
    if problems := verdict.problems():
        raise Mismatch("; ".join(problems))


def _line(verdict: "TableVerdict") -> str:
    counts = {name: getattr(verdict, name) for name in _SELDOM}
    told = [f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count]
    return ", ".join(
        [f"{verdict.table}: {verdict.records:,} records, {verdict.rows:,} rows", *told]
    )
