"""``eddy lake cluster-rides``: a day of rides out of the lake, judged as the stream judges."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from eddy.app.commands.lake.days import Date, Since, Until
from eddy.app.commands.options import Config, Json

if TYPE_CHECKING:
    from eddy.app.lake.rides import Done


def cluster_rides(
    date: Date = None,
    since: Since = None,
    until: Until = None,
    prefix: Annotated[
        str | None,
        typer.Option(
            metavar="S3-URL",
            help="Where json/rides/dt=.../ stands; by default exports/ in the lake's bucket.",
        ),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Judge whole days of rides from the lake by distance and duration, with the stream's judge.

    Writes each day's anomalies into the table clustered_rides and as JSON for other systems:
    anomalies.jsonl.gz, summary.json and, once these are whole, manifest.json. The same day again
    changes nothing unless rides, model or settings have changed.
    """
    # Brings pyiceberg and numba, which --help can do without.
    from eddy.app import logs, settings  # noqa: PLC0415
    from eddy.app.lake.rides import RidesJob, Told  # noqa: PLC0415
    from eddy.app.progress import bar  # noqa: PLC0415
    from eddy.lake.days import chosen, require_over  # noqa: PLC0415

    loaded = settings.load(config)
    logs.configure(replace(loaded.log, level="WARNING"))
    now = datetime.now(UTC)
    days = chosen(date, since, until, now)
    require_over(days, now)
    done = []
    with bar(Console(stderr=True)) as progress:
        whole = progress.add_task("days", total=len(days))
        reading = progress.add_task("rides read", total=None)
        judging = progress.add_task("rides judged", total=None)
        told = Told(
            read=lambda more: progress.advance(reading, more),
            judged=lambda more: progress.advance(judging, more),
        )
        for one in RidesJob(loaded, prefix).run(days, told):
            done.append(one)
            progress.advance(whole)
    _show(done, json)


def _show(done: "list[Done]", json: bool) -> None:
    import msgspec  # noqa: PLC0415 - keeps --help quick

    console = Console()
    if json:
        console.print_json(msgspec.json.encode(done).decode())
        return
    table = Table("day", "rides", "anomalies", "warming", "as streamed", "differ", "")
    for one in done:
        summary = one.summary
        table.add_row(
            summary.day,
            f"{summary.rides:,}",
            f"{summary.anomalies:,}",
            f"{summary.warming:,}",
            f"{summary.compared.equal:,}",
            f"{summary.compared.different:,}",
            "written" if "written" in (one.table, one.files) else "kept",
        )
    console.print(table)
    for one in done:
        console.print(one.url, highlight=False, soft_wrap=True)
        if not one.summary.rides:
            console.print(
                f"{one.summary.day}: the lake has no rides of this day; history comes with "
                "lake.history and engine.publish_scored, or by `eddy lake load`",
                highlight=False,
                soft_wrap=True,
            )
