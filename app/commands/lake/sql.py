"""``eddy lake sql``: a question to the tables."""

import sys
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import FileOptions, JsonFlag, option
from eddy.schemas.errors import ConfigError

if TYPE_CHECKING:
    from eddy.lake.query import Answer


def sql(
    question: Annotated[
        str, option("One SELECT, or DESCRIBE, SHOW TABLES, EXPLAIN.", metavar="SQL")
    ],
    /,
    *,
    limit: Annotated[int, option("Rows to show at most; 0 for all.", least=0)] = 1_000,
    csv: Annotated[bool, option("Print CSV.")] = False,
    source: FileOptions = FileOptions(),
    json: JsonFlag = False,
) -> None:
    """Ask the tables in DuckDB's SQL; read only, times in UTC.

    Tables are named as `SHOW TABLES` has them: anomalies_rides, history_rides and so on.

    Examples
    --------
    eddy lake sql "SELECT severity, count(*) FROM anomalies_rides GROUP BY 1"
    """
    from eddy.app import output
    from eddy.lake.query import ask, connect

    if csv and json:
        raise ConfigError("give --csv or --json")
    lake = source.load().lake
    with connect(lake) as connection:
        answer = ask(connection, question, lake, limit or None)
    if csv:
        _print_csv(answer)
    elif json:
        _print_json(answer)
    else:
        _print_table(answer)
    if answer.is_cut:
        output.message(f"the first {limit:,} rows; more with --limit", aside=True)


def _print_csv(answer: "Answer") -> None:
    import pyarrow as pa
    from pyarrow.csv import CSVWriter

    from eddy.lake.plain_rows import with_text

    nothing = pa.RecordBatch.from_pylist([], schema=answer.rows.schema)
    with CSVWriter(sys.stdout.buffer, with_text(nothing).schema) as table:
        for batch in answer.rows.to_batches():
            table.write_batch(with_text(batch))


def _print_json(answer: "Answer") -> None:
    from eddy.lake.plain_rows import encode, rows_of

    sys.stdout.write(encode(list(rows_of(answer.rows))).decode() + "\n")


def _print_table(answer: "Answer") -> None:
    from eddy.app import output
    from eddy.lake.plain_rows import rows_of, text_of

    rows = [[text_of(value) for value in row.values()] for row in rows_of(answer.rows)]
    output.table(answer.rows.schema.names, rows)
