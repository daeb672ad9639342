"""``eddy lake load``: files of events into the lake's history."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import FileOptions, JsonFlag, option

if TYPE_CHECKING:
    from eddy.app.lake.load import LoadResult


def load(
    files: Annotated[list[Path], option("Parquet, CSV or JSONL files.", metavar="FILE")],
    /,
    *,
    domain: Annotated[str, option("Whose events.")] = "rides",
    zone: Annotated[
        str, option("Time zone of times without an offset, as America/New_York.")
    ] = "UTC",
    judge: Annotated[
        bool, option("Also write what the domain's judge says of each event.")
    ] = False,
    rejects: Annotated[
        Path | None, option("Where to write rejected records, JSONL.", metavar="FILE")
    ] = None,
    source: FileOptions = FileOptions(),
    json: JsonFlag = False,
) -> None:
    """Load files of events into history_<domain>, each of them whole or not at all.

    A file whose content was loaded before, under whatever name, adds nothing. Records that are no
    events are counted by reason and never loaded. Exit code 3 where the lake does not answer; the
    files before that are loaded then, and the same command goes on with the others.

    Examples
    --------
    eddy lake load rides-2026-06.parquet --zone America/New_York
    """
    from rich.console import Console

    from eddy.app import output
    from eddy.app.domains import domain_row
    from eddy.app.lake.load import HistoryLoad, rows_in
    from eddy.app.progress import bar

    job = HistoryLoad(source.load(), domain_row(domain), zone, judge=judge)
    results: list[LoadResult] = []
    with ExitStack() as stack:
        write_reject = stack.enter_context(rejects.open("wb")).write if rejects else None
        progress = stack.enter_context(bar(Console(stderr=True)))
        for path in files:
            task = progress.add_task(path.name, total=rows_in(path))
            results.append(job.file(path, partial(progress.advance, task), write_reject))
    if json:
        output.json(results)
    else:
        _show(results)


def _show(results: "list[LoadResult]") -> None:
    from eddy.app import output

    rows = []
    for result in results:
        note = ", ".join(f"{count:,} {reason}" for reason, count in sorted(result.reasons.items()))
        if result.present_as is not None:
            note = f"its content is there, as {result.present_as}"
        counts = (result.records, result.rows, result.rejected)
        rows.append((result.file, *(f"{count:,}" for count in counts), note))
    columns = ("file", "records", "rows added", "rejected", "")
    output.table(columns, rows, title=f"into {results[0].table}", numbers=columns[1:4])
    for result in results:
        for record in result.first_rejected:
            output.message(f"{result.file}, row {record.row}: {record.reason}: {record.detail}")
