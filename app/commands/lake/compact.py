"""``eddy lake compact``: a day's many small files become few sorted ones without duplicates."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from eddy.app.commands.lake.days import Date, Since, Until
from eddy.app.commands.options import Config, Json
from eddy.schemas.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from eddy.app.lake.compaction import Compacted

_UNITS = {"h": "hours", "d": "days"}
_COLUMNS = ("rows_before", "rows_after", "added", "duplicates", "folded", "files_before")


def compact(
    date: Date = None,
    since: Since = None,
    until: Until = None,
    table: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this table; may be given several times."),
    ] = None,
    include_today: Annotated[
        bool, typer.Option("--include-today", help="Also a day that is not over, if it is named.")
    ] = False,
    late: Annotated[
        bool,
        typer.Option(
            "--late/--no-late",
            help="Also every other closed day that was never compacted, or not since rows came.",
        ),
    ] = True,
    look_around: Annotated[
        int,
        typer.Option(
            min=0, max=366, help="Days around a day that may hold more about its anomalies."
        ),
    ] = 7,
    file_mib: Annotated[int, typer.Option(min=1, max=1024, help="Size of a file, about.")] = 192,
    from_jsonl: Annotated[
        str | None,
        typer.Option(metavar="S3-URL", help="Also add the days' rows from JSON Lines there."),
    ] = None,
    sweep: Annotated[
        bool,
        typer.Option("--sweep/--no-sweep", help="Expire old snapshots, delete what none needs."),
    ] = True,
    expire_older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Of snapshots: 7d, 36h; at least 1h.")
    ] = "7d",
    orphans_older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Of objects that no snapshot needs; at least 1d.")
    ] = "3d",
    scratch: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Folder for what does not fit into memory."
        ),
    ] = None,
    metrics_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write metrics, for Prometheus' node exporter."),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Compact closed days: drop duplicates, sort, write few large files, while the sink goes on.

    In anomalies_<domain> one row of each anomaly is left, as it ended, on the day of what was said
    last. Said twice, the second time changes nothing; two at once, or one that is killed, do no
    harm: each day of a table is replaced in one commit. Exit code 3 where catalog or store do not
    answer, or where another compaction rewrote the same days again and again: say it again.
    """
    # Brings pyiceberg and DuckDB, which --help can do without.
    import msgspec  # noqa: PLC0415

    from eddy.app import logs, settings  # noqa: PLC0415
    from eddy.app.lake.compaction import LakeCompaction, Request  # noqa: PLC0415
    from eddy.app.progress import bar  # noqa: PLC0415
    from eddy.lake.compaction.metrics import CompactionMetrics  # noqa: PLC0415
    from eddy.lake.days import chosen, require_over  # noqa: PLC0415

    loaded = settings.load(config)
    logs.configure(loaded.log)
    now = datetime.now(UTC)
    days = chosen(date, since, until, now)
    console = Console(stderr=True)
    if not include_today:
        require_over(days, now)
    elif any(day.end > now for day in days):
        console.print("[yellow]warning:[/] a day that is not over has to be compacted again")
    request = Request(
        days=days,
        tables=table or (),
        reopened=late,
        look_around=look_around,
        target_bytes=file_mib * 2**20,
        from_jsonl=from_jsonl,
        snapshot_age=_age("--expire-older-than", expire_older_than),
        orphan_age=_age("--orphans-older-than", orphans_older_than),
        sweeps=sweep,
        scratch=scratch,
    )
    with bar(console) as progress:
        task = progress.add_task("tables", total=None)

        def show(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        done = LakeCompaction(loaded, request, show).run(now)
    if json:
        Console().print_json(msgspec.json.encode(done).decode())
    else:
        _show(done)
    for one in done.read:
        if one.bad_lines:
            console.print(
                f"[yellow]warning:[/] {one.table}: {one.bad_lines} bad lines, {one.first_bad}",
                highlight=False,
                soft_wrap=True,
            )
    if done.conflicts:
        names = ", ".join(f"{day.table} {day.day}" for day in done.conflicts)
        raise Unavailable(f"another compaction rewrote the same days again and again: {names}")
    if metrics_file:
        metrics = CompactionMetrics()
        metrics.tell(done.days, done.swept, done.seconds, datetime.now(UTC))
        metrics.write(metrics_file)


def _age(option: str, text: str) -> timedelta:
    """Read ``7d`` or ``36h``."""
    form = re.fullmatch(r"(\d+(?:\.\d+)?)([hd])", text)
    if not form:
        raise ConfigError(f"{option} {text}: is written like 7d or 36h")
    return timedelta(**{_UNITS[form[2]]: float(form[1])})


def _show(done: "Compacted") -> None:
    console = Console()
    shown = Table("table", "day", "", title=f"compacted in {done.seconds:,.1f} s")
    for name in (*_COLUMNS, "files after", "MiB before", "MiB after"):
        shown.add_column(name.replace("_", " "), justify="right")
    for day in done.days:
        sizes = (f"{size / 2**20:,.1f}" for size in (day.bytes_before, day.bytes_after))
        counts = (f"{getattr(day, name):,}" for name in (*_COLUMNS, "files_after"))
        shown.add_row(day.table, str(day.day), day.outcome, *counts, *sizes)
    console.print(shown)
    for one in done.swept:
        if one.files_deleted or one.snapshots_before != one.snapshots_after:
            console.print(
                f"{one.table}: {one.snapshots_before} snapshots, now {one.snapshots_after}; "
                f"{one.files_deleted} objects deleted, {one.bytes_deleted / 2**20:,.1f} MiB",
                highlight=False,
            )
