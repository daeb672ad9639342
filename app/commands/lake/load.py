"""``eddy lake load``: files of events into the lake's history."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from eddy.app.commands.options import Config, Json

if TYPE_CHECKING:
    from eddy.app.lake.load import LoadResult


def load(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Parquet, CSV or JSONL files.")
    ],
    domain: Annotated[str, typer.Option(help="Whose events.")] = "rides",
    zone: Annotated[
        str, typer.Option(help="Time zone of times without an offset, as America/New_York.")
    ] = "UTC",
    judge: Annotated[
        bool, typer.Option("--judge", help="Also write what the domain's judge says of each event.")
    ] = False,
    rejects: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write rejected records, JSONL.")
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Load files of events into history_<domain>, each of them whole or not at all.

    A file whose content was loaded before, under whatever name, adds nothing. Records that are no
    events are counted by reason and never loaded. Exit code 3 where the lake does not answer; the
    files before that are loaded then, and the same command goes on with the others.
    """
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.domains import domain_row  # noqa: PLC0415
    from eddy.app.lake.load import HistoryLoad, rows_in  # noqa: PLC0415
    from eddy.app.progress import bar  # noqa: PLC0415

    job = HistoryLoad(settings.load(config), domain_row(domain), zone, judge=judge)
    done: list[LoadResult] = []
    with ExitStack() as stack:
        written = stack.enter_context(rejects.open("wb")).write if rejects else None
        progress = stack.enter_context(bar(Console(stderr=True)))
        for path in files:
            told = partial(progress.advance, progress.add_task(path.name, total=rows_in(path)))
            done.append(job.file(path, told, written))
    if json:
        Console().print_json(msgspec.json.encode(done).decode())
    else:
        _show(done)


def _show(done: "list[LoadResult]") -> None:
    console = Console()
    table = Table("file", "records", "rows added", "rejected", "", title=f"into {done[0].table}")
    for one in done:
        why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(one.reasons.items()))
        if one.present_as is not None:
            why = f"its content is there, as {one.present_as}"
        table.add_row(one.file, f"{one.records:,}", f"{one.rows:,}", f"{one.rejected:,}", why)
    console.print(table)
    for one in done:
        for rejected in one.first_rejected:
            place = f"{one.file}, row {rejected.row}"
            console.print(f"{place}: {rejected.reason}: {rejected.detail}", highlight=False)
