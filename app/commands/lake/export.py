"""``eddy lake export``: days of a table as CSV, JSON or Parquet."""

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from eddy.app.commands.lake.days import Date, Since, Until
from eddy.app.commands.options import Config, Json


def export(
    table: Annotated[
        str | None, typer.Argument(help="By default the anomalies of every domain configured.")
    ] = None,
    date: Date = None,
    since: Since = None,
    until: Until = None,
    format_: Annotated[
        str, typer.Option("--format", metavar="csv|json|parquet", help="json: one row a line.")
    ] = "json",
    output: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Path or s3:// address, compressed where it ends in .gz, for all days; by default "
            "a file a day under exports/ in the lake's bucket.",
        ),
    ] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Write days of a table into files; in CSV nested columns are JSON text.

    A file is there whole or not at all, and replaced by the next export of the same.
    """
    # Brings pyiceberg and DuckDB, which --help can do without.
    import msgspec  # noqa: PLC0415

    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.lake.export import chosen_tables, exported  # noqa: PLC0415
    from eddy.app.progress import bar  # noqa: PLC0415
    from eddy.lake.days import chosen  # noqa: PLC0415
    from eddy.lake.exporting import chosen_format  # noqa: PLC0415

    loaded = settings.load(config)
    days = chosen(date, since, until, datetime.now(UTC))
    kind, tables = chosen_format(format_), chosen_tables(loaded, table)
    with bar(Console(stderr=True)) as progress:
        task = progress.add_task("rows", total=None)
        told = lambda more: progress.advance(task, more)  # noqa: E731 - one line of glue
        done = list(exported(loaded, tables, days, kind, output, told))
    console = Console()
    if json:
        console.print_json(msgspec.json.encode(done).decode())
        return
    for one in done:
        console.print(f"{one.rows:,} rows, {one.target}", highlight=False, soft_wrap=True)
