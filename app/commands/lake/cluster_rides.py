"""``eddy lake cluster-rides``: a day of rides out of the lake, judged as the stream judges."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import DayOptions, FileOptions, JsonFlag, option

if TYPE_CHECKING:
    from eddy.app.lake.rides import RidesDay


def cluster_rides(
    *,
    which: DayOptions = DayOptions(),
    prefix: Annotated[
        str | None,
        option(
            "Where json/rides/dt=.../ stands; by default exports/ in the lake's bucket.",
            metavar="S3-URL",
        ),
    ] = None,
    source: FileOptions = FileOptions(),
    json: JsonFlag = False,
) -> None:
    """Judge whole days of rides from the lake by distance and duration, with the stream's judge.

    Writes each day's anomalies into the table clustered_rides and as JSON for other systems:
    anomalies.jsonl.gz, summary.json and, once these are whole, manifest.json. The same day again
    changes nothing unless rides, model or settings have changed.

    Examples
    --------
    eddy lake cluster-rides --date yesterday
    """
    from rich.console import Console

    from eddy.app import logs
    from eddy.app.lake.rides import RidesJob, RidesProgress
    from eddy.app.progress import bar
    from eddy.lake.days import require_over

    settings = source.load()
    logs.configure(replace(settings.log, level="WARNING"))
    now = datetime.now(UTC)
    days = which.days(now)
    require_over(days, now)
    results = []
    with bar(Console(stderr=True)) as progress:
        whole = progress.add_task("days", total=len(days))
        reading = progress.add_task("rides read", total=None)
        judging = progress.add_task("rides judged", total=None)
        on_progress = RidesProgress(
            read=lambda more: progress.advance(reading, more),
            judged=lambda more: progress.advance(judging, more),
        )
        for result in RidesJob(settings, prefix).run(days, on_progress):
            results.append(result)
            progress.advance(whole)
    _show(results, json)


def _show(results: "list[RidesDay]", json: bool) -> None:
    from eddy.app import output

    if json:
        output.json(results)
        return
    rows = []
    for result in results:
        summary = result.summary
        counts = (
            summary.rides,
            summary.anomalies,
            summary.warming,
            summary.compared.equal,
            summary.compared.different,
        )
        state = "written" if "written" in (result.table, result.files) else "kept"
        rows.append((summary.day, *(f"{count:,}" for count in counts), state))
    columns = ("day", "rides", "anomalies", "warming", "as streamed", "differ", "")
    output.table(columns, rows, numbers=columns[1:-1])
    for result in results:
        output.message(result.url)
        if not result.summary.rides:
            output.message(
                f"{result.summary.day}: the lake has no rides of this day; history comes with "
                "lake.history and engine.publish_scored, or by `eddy lake load`"
            )
