"""``eddy lake export``: days of a table as CSV, JSON or Parquet."""

from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from eddy.app.commands.options import DayOptions, FileOptions, JsonFlag, option


def export(
    table: Annotated[
        str | None, option("By default the anomalies of every domain configured.")
    ] = None,
    /,
    *,
    which: DayOptions = DayOptions(),
    format_: Annotated[
        str, option("json: one row a line.", "--format", metavar="csv|json|parquet")
    ] = "json",
    output: Annotated[
        str | None,
        option(
            "Path or s3:// address, compressed where it ends in .gz, for all days; by default "
            "a file a day under exports/ in the lake's bucket.",
            metavar="FILE",
        ),
    ] = None,
    source: FileOptions = FileOptions(),
    json: JsonFlag = False,
) -> None:
    """Write days of a table into files; in CSV nested columns are JSON text.

    A file is there whole or not at all, and replaced by the next export of the same.

    Examples
    --------
    eddy lake export anomalies_rides --date yesterday --format csv --output rides.csv.gz
    """
    from rich.console import Console

    from eddy.app import output as printing
    from eddy.app.lake.export import chosen_tables, exported
    from eddy.app.progress import bar
    from eddy.lake.exporting import chosen_format

    settings = source.load()
    days = which.days(datetime.now(UTC))
    kind, tables = chosen_format(format_), chosen_tables(settings, table)
    with bar(Console(stderr=True)) as progress:
        on_progress = partial(progress.advance, progress.add_task("rows", total=None))
        files = list(exported(settings, tables, days, kind, output, on_progress))
    if json:
        printing.json(files)
        return
    for file in files:
        printing.message(f"{file.rows:,} rows, {file.target}")
