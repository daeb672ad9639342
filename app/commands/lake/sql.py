"""``eddy lake sql``: a question to the tables."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from eddy.app.commands.options import Config, Json

if TYPE_CHECKING:
    from eddy.lake.query import Answer


def sql(
    question: Annotated[
        str, typer.Argument(metavar="SQL", help="One SELECT, or DESCRIBE, SHOW TABLES, EXPLAIN.")
    ],
    limit: Annotated[int, typer.Option(min=0, help="Rows to show at most; 0 for all.")] = 1_000,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Ask the tables in DuckDB's SQL; read only, times in UTC.

    Tables are named as `SHOW TABLES` has them: anomalies_rides, history_rides and so on.
    """
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.lake.query import ask, connect  # noqa: PLC0415
    from eddy.schemas.errors import ConfigError  # noqa: PLC0415

    if csv and json:
        raise ConfigError("give --csv or --json")
    lake = settings.load(config).lake
    with connect(lake) as connection:
        answer = ask(connection, question, lake, limit or None)
    if csv:
        _print_csv(answer)
    elif json:
        _print_json(answer)
    else:
        _print_table(answer)
    if answer.is_cut:
        note = f"the first {limit:,} rows; more with --limit"
        Console(stderr=True).print(note, highlight=False)


def _print_csv(answer: "Answer") -> None:
    import pyarrow as pa  # noqa: PLC0415 - keeps --help quick
    from pyarrow.csv import CSVWriter  # noqa: PLC0415

    from eddy.lake.plain_rows import with_text  # noqa: PLC0415

    nothing = pa.RecordBatch.from_pylist([], schema=answer.rows.schema)
    with CSVWriter(sys.stdout.buffer, with_text(nothing).schema) as table:
        for batch in answer.rows.to_batches():
            table.write_batch(with_text(batch))


def _print_json(answer: "Answer") -> None:
    from eddy.lake.plain_rows import encode, rows_of  # noqa: PLC0415 - keeps --help quick

    sys.stdout.write(encode(list(rows_of(answer.rows))).decode() + "\n")


def _print_table(answer: "Answer") -> None:
    from eddy.lake.plain_rows import rows_of, text_of  # noqa: PLC0415 - keeps --help quick

    table = Table(*map(escape, answer.rows.schema.names))
    for row in rows_of(answer.rows):
        table.add_row(*(Text(text_of(value)) for value in row.values()))
    Console().print(table)
