"""The verdict on every row: which are kept, and where each stands in its sorted day.

Only narrow columns are looked at. They go into a DuckDB database on disk, which sorts more than
fits into memory.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.table import Table

from eddy.lake.compaction.day_files import DayFiles
from eddy.lake.compaction.reading import BATCH_ROWS, DataFileReader
from eddy.lake.tables import TableSpec

DROPPED = -1
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "384MB",  # then it spills
    "threads": 2,
    "preserve_insertion_order": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}

_OPS = ("open", "update", "close", "retract")

Step = Callable[[int], None]
"""Told how many more rows were read."""


@dataclass(frozen=True, slots=True)
class CompactionCounts:
    """What becomes of a day's rows.

    Attributes
    ----------
    kept : int
    added : int
        Of these, how many were not in the table.
    duplicates : int
        Of the table's rows: superseded by a row of the same day.
    folded : int
        Of the table's rows: superseded by a row of another day.
    """

    kept: int = 0
    added: int = 0
    duplicates: int = 0
    folded: int = 0


Incoming = Callable[[date], Iterator[pa.RecordBatch]]
"""Returns rows of a day that are not in the table; as its `DataFileReader` gives those that are."""


class NewestRows:
    """Of rows with one identity the newest is kept, whatever day it is on.

    With one exception, as every day is a commit of its own: where the newest is an incoming row, it
    supersedes rows of its own day only. Of those on other days the newest stays until, another
    time, the incoming row is in the table.

    The newest is that with the greatest `TableSpec.order`; where that is equal or missing, the
    one detected last, then retractions before closes before updates, then by the sort columns,
    so that two who look at different files never keep none. Rows that have no identity are kept.
    Numbers of rows are those of reading the days' files one after another, and after those of a
    day what is incoming for it: a row that is in the table wins over its like.

    Parameters
    ----------
    table : Table
        As loaded; the days must be of its current snapshot.
    days : sequence of DayFiles
        All that are looked at.
    incoming : callable
        Rows to be added to them.
    folder : Path
        Of one's own, for the database.
    """

    def __init__(
        self,
        table: Table,
        spec: TableSpec,
        days: Sequence[DayFiles],
        incoming: Incoming,
        folder: Path,
        step: Step,
    ) -> None:
        self._spec = spec
        self._incoming = incoming
        self._names = {path: f"c{n}" for n, path in enumerate(_columns(spec))}
        self._connection = duckdb.connect(
            str(folder / "verdicts.duckdb"),
            config=_SETTINGS | {"temp_directory": str(folder / "spilled")},
        )
        rows = self._rows(table, days, step)
        reader = pa.RecordBatchReader.from_batches(self._arrow(table), rows)
        self._connection.execute("CREATE TABLE seen AS FROM reader")
        reader.close()
        self._judge()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def tallies(self) -> dict[date, CompactionCounts]:
        """Return what becomes of each day's rows; days without rows are left out."""
        rows = self._connection.execute(
            "SELECT day, count(place), count(place) FILTER (incoming),"
            " count(*) FILTER (winner = day AND NOT incoming),"
            " count(*) FILTER (winner <> day AND NOT incoming) FROM verdicts GROUP BY day"
        ).fetchall()
        return {day: CompactionCounts(*counts) for day, *counts in rows}

    def places(self, day: date) -> "Places":
        """Return where a day's rows go, in the order in which they are read."""
        # a cursor has the connection's database, but a result of its own
        cursor = self._connection.cursor()
        cursor.execute(
            "SELECT coalesce(place, ?) AS place FROM verdicts WHERE day = ? ORDER BY number",
            [DROPPED, day],
        )
        return Places(cursor)

    def _arrow(self, table: Table) -> pa.Schema:
        schema = DataFileReader(table, list(self._names)).arrow
        fields = [pa.field(name, _leaf(schema, path)) for path, name in self._names.items()]
        columns = {"number": pa.int64(), "day": pa.date32(), "incoming": pa.bool_()}
        return pa.schema([*(pa.field(*column) for column in columns.items()), *fields])

    def _rows(self, table: Table, days: Sequence[DayFiles], step: Step) -> Iterator[pa.RecordBatch]:
        reader, schema = DataFileReader(table, list(self._names)), self._arrow(table)
        number = 0
        for day, is_incoming, batch in self._batches(reader, days):
            count = batch.num_rows
            numbers = pa.array(np.arange(number, number + count, dtype=np.int64))
            which = pa.repeat(pa.scalar(day, pa.date32()), count)
            incoming = pa.repeat(is_incoming, count)
            values = [_column(batch, path) for path in self._names]
            yield pa.RecordBatch.from_arrays([numbers, which, incoming, *values], schema=schema)
            number += count
            step(count)

    def _batches(
        self, reader: DataFileReader, days: Sequence[DayFiles]
    ) -> Iterator[tuple[date, bool, pa.RecordBatch]]:
        for day in days:
            for batch in reader.read(day.files):
                yield day.day, False, batch
            for batch in self._incoming(day.day):
                yield day.day, True, batch

    def _judge(self) -> None:
        names, spec = self._names, self._spec
        identity = [names[path] for path in spec.identity]
        newest = [f"{names[path]} DESC NULLS LAST" for path in spec.order]
        if "detected_at" in names:
            newest.append(f"{names['detected_at']} DESC NULLS LAST")
        if "op" in names:
            newest.append(f"coalesce(list_position({list(_OPS)}, {names['op']}), 0) DESC")
        rest = (spec.day_column, *spec.sorted_by)
        newest += [f"{names[path]} DESC NULLS LAST" for path in rest]
        nameless = " OR ".join(f"{name} IS NULL" for name in identity)
        place = ", ".join([*(names[path] for path in spec.sorted_by), "number"])
        # most rows are alone: only those of an identity seen twice are sorted among themselves
        self._connection.execute(
            f"""
            CREATE TABLE superseded AS
            WITH twice AS (
              SELECT {", ".join(identity)} FROM seen WHERE NOT ({nameless})
              GROUP BY ALL HAVING count(*) > 1
            ), ranked AS (
              SELECT number,
                row_number() OVER newest AS nth, first_value(day) OVER newest AS winner,
                NOT incoming AND first_value(incoming) OVER newest AND winner <> day AS waits,
                row_number() OVER there AS nth_there, first_value(day) OVER there AS winner_there
              FROM seen JOIN twice USING ({", ".join(identity)})
              WINDOW newest AS (
                PARTITION BY {", ".join(identity)} ORDER BY {", ".join(newest)}, number
              ), there AS (
                PARTITION BY {", ".join(identity)}, incoming ORDER BY {", ".join(newest)}, number
              )
            )
            SELECT number, CASE WHEN waits THEN winner_there ELSE winner END AS winner
            FROM ranked WHERE CASE WHEN waits THEN nth_there ELSE nth END > 1;
            CREATE TABLE verdicts AS
            SELECT number, day, incoming,
              row_number() OVER (PARTITION BY day ORDER BY {place}) - 1 AS place,
              NULL::DATE AS winner
            FROM seen WHERE number NOT IN (SELECT number FROM superseded)
            UNION ALL
            SELECT number, day, incoming, NULL, winner FROM superseded JOIN seen USING (number);
            DROP TABLE seen;
            """  # noqa: S608 - made of our own names of columns: c0, c1, ...
        )


class Places:
    """The places of a day's rows, taken as the rows are read."""

    def __init__(self, cursor: "duckdb.DuckDBPyConnection") -> None:
        self._cursor = cursor
        self._reader = cursor.to_arrow_reader(BATCH_ROWS * 4)
        self._left = np.empty(0, np.int64)

    def take(self, count: int) -> npt.NDArray[np.int64]:
        """Return the places of the next `count` rows; `DROPPED` for those that are not kept."""
        pieces, missing = [self._left], count - len(self._left)
        while missing > 0:
            pieces.append(self._reader.read_next_batch()["place"].to_numpy())
            missing -= len(pieces[-1])
        places = np.concatenate(pieces)
        self._left = places[count:]
        return places[:count]

    def close(self) -> None:
        """Let go of the result."""
        self._cursor.close()


def _columns(spec: TableSpec) -> list[str]:
    """Return the columns that decide, each once."""
    also = [name for name in ("detected_at", "op") if name in spec.columns]
    every = [*spec.identity, *spec.order, spec.day_column, *spec.sorted_by, *also]
    return list(dict.fromkeys(every))


def _column(batch: pa.RecordBatch, path: str) -> pa.Array:
    head, *rest = path.split(".")
    values = batch[head]
    for name in rest:
        # unlike `field`, this is null where the struct is
        values = pc.struct_field(values, name)
    return values


def _leaf(schema: pa.Schema, path: str) -> pa.DataType:
    head, *rest = path.split(".")
    kind = schema.field(head).type
    for name in rest:
        kind = kind.field(name).type
    return kind
