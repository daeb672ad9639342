"""``eddy lake compact``: a day's many small files become few sorted ones without duplicates."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Path as PathValidator

from eddy.app.commands.options import DayOptions, FileOptions, JsonFlag, option
from eddy.schemas.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from eddy.app.lake.compaction import Compacted

_UNITS = {"h": "hours", "d": "days"}
_COLUMNS = ("rows_before", "rows_after", "added", "duplicates", "folded", "files_before")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class CompactionOptions:
    """What is compacted beside the days that are named, and into what."""

    table: Annotated[
        list[str] | None, option("Only this table; may be given several times.", metavar="NAME")
    ] = None
    include_today: Annotated[bool, option("Also a day that is not over, if it is named.")] = False
    late: Annotated[
        bool,
        option(
            "Also every other closed day that was never compacted, or not since rows came.",
            off="--no-late",
        ),
    ] = True
    look_around: Annotated[
        int,
        option("Days around a day that may hold more about its anomalies.", least=0, most=366),
    ] = 7
    file_mib: Annotated[int, option("Size of a file, about.", least=1, most=1024)] = 192
    from_jsonl: Annotated[
        str | None, option("Also add the days' rows from JSON Lines there.", metavar="S3-URL")
    ] = None


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True, slots=True)
class SweepOptions:
    """What is deleted afterwards."""

    sweep: Annotated[
        bool, option("Expire old snapshots, delete what none needs.", off="--no-sweep")
    ] = True
    expire_older_than: Annotated[
        str, option("Of snapshots: 7d, 36h; at least 1h.", metavar="AGE")
    ] = "7d"
    orphans_older_than: Annotated[
        str, option("Of objects that no snapshot needs; at least 1d.", metavar="AGE")
    ] = "3d"


def compact(
    *,
    which: DayOptions = DayOptions(),
    compaction: CompactionOptions = CompactionOptions(),
    sweeping: SweepOptions = SweepOptions(),
    scratch: Annotated[
        Path | None,
        option("Folder for what does not fit into memory."),
        Parameter(validator=PathValidator(exists=True, file_okay=False)),
    ] = None,
    metrics_file: Annotated[
        Path | None,
        option("Also write metrics, for Prometheus' node exporter.", metavar="FILE"),
    ] = None,
    source: FileOptions = FileOptions(),
    json: JsonFlag = False,
) -> None:
    """Compact closed days: drop duplicates, sort, write few large files, while the sink goes on.

    In anomalies_<domain> one row of each anomaly is left, as it ended, on the day of what was said
    last. Said twice, the second time changes nothing; two at once, or one that is killed, do no
    harm: each day of a table is replaced in one commit. Exit code 3 where catalog or store do not
    answer, or where another compaction rewrote the same days again and again: say it again.

    Examples
    --------
    eddy lake compact --date yesterday
    """
    from rich.console import Console

    from eddy.app import logs, output
    from eddy.app.lake.compaction import LakeCompaction, Request
    from eddy.app.progress import bar
    from eddy.lake.compaction.metrics import CompactionMetrics
    from eddy.lake.days import require_over

    settings = source.load()
    logs.configure(settings.log)
    now = datetime.now(UTC)
    days = which.days(now)
    if not compaction.include_today:
        require_over(days, now)
    elif any(day.end > now for day in days):
        output.warning("a day that is not over has to be compacted again")
    request = Request(
        days=days,
        tables=compaction.table or (),
        reopened=compaction.late,
        look_around=compaction.look_around,
        target_bytes=compaction.file_mib * 2**20,
        from_jsonl=compaction.from_jsonl,
        snapshot_age=_age("--expire-older-than", sweeping.expire_older_than),
        orphan_age=_age("--orphans-older-than", sweeping.orphans_older_than),
        sweeps=sweeping.sweep,
        scratch=scratch,
    )
    with bar(Console(stderr=True)) as progress:
        task = progress.add_task("tables", total=None)

        def on_progress(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        result = LakeCompaction(settings, request, on_progress).run(now)
    if json:
        output.json(result)
    else:
        _show(result)
    for lines in result.read:
        if lines.bad_lines:
            output.warning(f"{lines.table}: {lines.bad_lines} bad lines, {lines.first_bad}")
    if result.conflicts:
        names = ", ".join(f"{day.table} {day.day}" for day in result.conflicts)
        raise Unavailable(f"another compaction rewrote the same days again and again: {names}")
    if metrics_file:
        metrics = CompactionMetrics()
        metrics.tell(result.days, result.swept, result.seconds, datetime.now(UTC))
        metrics.write(metrics_file)


def _age(option_name: str, text: str) -> timedelta:
    """Read ``7d`` or ``36h``."""
    form = re.fullmatch(r"(\d+(?:\.\d+)?)([hd])", text)
    if not form:
        raise ConfigError(f"{option_name} {text}: is written like 7d or 36h")
    return timedelta(**{_UNITS[form[2]]: float(form[1])})


def _show(result: "Compacted") -> None:
    from eddy.app import output

    numbers = [
        *(name.replace("_", " ") for name in _COLUMNS),
        *("files after", "MiB before", "MiB after"),
    ]
    rows = []
    for day in result.days:
        counts = (f"{getattr(day, name):,}" for name in (*_COLUMNS, "files_after"))
        sizes = (f"{size / 2**20:,.1f}" for size in (day.bytes_before, day.bytes_after))
        rows.append((day.table, str(day.day), day.outcome, *counts, *sizes))
    output.table(
        ("table", "day", "outcome", *numbers),
        rows,
        title=f"compacted in {result.seconds:,.1f} s",
        numbers=numbers,
    )
    for swept in result.swept:
        if swept.files_deleted or swept.snapshots_before != swept.snapshots_after:
            output.message(
                f"{swept.table}: {swept.snapshots_before} snapshots, now {swept.snapshots_after}; "
                f"{swept.files_deleted} objects deleted, {swept.bytes_deleted / 2**20:,.1f} MiB"
            )
