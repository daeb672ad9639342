"""Events of the past into a table of history: a file at a time, each of them whole or not at all.

Guarantee: the rows of a file and the note that it was loaded become visible in one commit. A load
that was killed before leaves files that nothing refers to (compaction clears them away) and may be
said again; one that was killed after adds nothing when it is said again.
"""

import itertools
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io.pyarrow import _dataframe_to_data_files  # appends write files and commit at once
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from eddy.lake.outages import named_outages
from eddy.lake.single_attempt import once
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.errors import ConfigError, Unavailable

ROWS_A_WRITE = 250_000
"""Held in memory before they are written: about 200 MB."""
_COMMITS = 10
_NOTE = "eddy.load."
_TIME = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class EventRows:
    """n events of a file.

    Attributes
    ----------
    numbers : ndarray of int64, shape (n,)
        Where in the file they are, from 0: the offset of their source.
    occurred_at : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    events : sequence of struct
        The events.
    scores : ndarray of float64, shape (n,), optional
        NaN while warming; None where nobody judged.
    verdicts : sequence of str, optional
    model : ModelRef, optional
        Who judged.
    """

    numbers: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    events: Sequence[msgspec.Struct]
    scores: NDArray[np.float64] | None = None
    verdicts: Sequence[str] | None = None
    model: ModelRef | None = None


class LoadNote(msgspec.Struct, frozen=True):
    """What a table remembers of a file that was loaded."""

    file: str
    rows: int
    sha256: str


def notes(table: Table) -> list[LoadNote]:
    """Return what a table remembers of the files loaded into it."""
    return [
        LoadNote(note["file"], note["rows"], name.removeprefix(_NOTE))
        for name, text in table.properties.items()
        if name.startswith(_NOTE)
        for note in [json.loads(text)]
    ]


def earlier(table: Table, file: str, sha256: str) -> LoadNote | None:
    """Return the load of the same content, whatever the file was called; None where there is none.

    Raises
    ------
    ConfigError
        A file of this name with other content is there: its rows would have the same identities.
    """
    known_notes = notes(table)
    for note in known_notes:
        if note.sha256 == sha256:
            return note
    if any(note.file == file for note in known_notes):
        raise ConfigError(
            f"{file}: {'.'.join(table.name())} holds a file of this name with other content; "
            "rows are known by the file's name and their number in it: give it another name"
        )
    return None


class FileLoad:
    """The load of one file; nothing of it is visible before `commit`.

    Parameters
    ----------
    table : Table
        Of kind history.
    file : str
        The file's name, without folders.
    sha256 : str
        Of its content.
    """

    def __init__(self, table: Table, file: str, sha256: str) -> None:
        self._table = table
        self._file = file
        self._sha256 = sha256
        self._schema: pa.Schema = table.schema().as_arrow()
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        self._written: list[DataFile] = []
        self._write = uuid.uuid4()
        self._numbers = itertools.count(0)
        self.rows = 0

    def add(self, rows: EventRows) -> None:
        """Add rows; memory is bounded by `ROWS_A_WRITE` of them.

        Raises
        ------
        Unavailable
            The store does not take them.
        """
        if not len(rows.numbers):
            return
        self._pending.append(arrow_table(self._schema, self._file, rows))
        self._pending_rows += len(rows.numbers)
        self.rows += len(rows.numbers)
        if self._pending_rows >= ROWS_A_WRITE:
            self._flush()

    def commit(self) -> LoadNote | None:
        """Make all rows visible at once; where the same content was loaded meanwhile, say as what.

        Raises
        ------
        Unavailable
            Catalog or store do not answer, or others commit all the time.
        ConfigError
            See `earlier`; somebody else was quicker.
        """
        self._flush()
        for _ in range(_COMMITS):
            with named_outages(f"{self._file}: say the same again"):
                self._table.refresh()
                note = earlier(self._table, self._file, self._sha256)
                if note is not None:
                    return note
                try:
                    self._try_to_commit()
                except CommitFailedException:
                    continue
                return None
        raise Unavailable(f"{self._file}: {_COMMITS} commits met others; try again")

    def _try_to_commit(self) -> None:
        note = json.dumps({"file": self._file, "rows": self.rows})
        with once(self._table).transaction() as transaction:
            transaction.set_properties({f"{_NOTE}{self._sha256}": note})
            if self._written:
                with transaction.update_snapshot().fast_append() as append:
                    for file in self._written:
                        append.append_data_file(file)

    def _flush(self) -> None:
        if not self._pending:
            return
        rows = pa.concat_tables(self._pending)
        self._pending, self._pending_rows = [], 0
        with named_outages("lake.warehouse"):
            self._written += _dataframe_to_data_files(
                self._table.metadata, rows, self._table.io, self._write, self._numbers
            )


def arrow_table(schema: pa.Schema, file: str, rows: EventRows) -> pa.Table:
    """Return rows as the columns of a table of history; those of the sink are null."""
    count = len(rows.numbers)
    columns = {
        "occurred_at": pa.array(rows.occurred_at, pa.int64()).cast(_TIME),
        "score": pa.array(rows.scores, from_pandas=True) if rows.scores is not None else None,
        "verdict": pa.array(rows.verdicts, pa.string()) if rows.verdicts is not None else None,
        "model": _model(schema.field("model").type, rows.model, count),
        "source": pa.StructArray.from_arrays(
            [
                pa.repeat(pa.scalar(file, pa.string()), count),
                pa.array(np.zeros(count, np.int64)),
                pa.array(rows.numbers),
            ],
            ["topic", "partition", "offset"],
        ).cast(schema.field("source").type),
        "event": _events(schema.field("event").type, rows.events),
    }
    return pa.Table.from_arrays(
        [_typed(columns.get(f.name), f, count) for f in schema], schema=schema
    )


def _typed(column: Any, field: pa.Field, count: int) -> Any:
    return pa.nulls(count, field.type) if column is None else column.cast(field.type)


def _model(kind: pa.DataType, model: ModelRef | None, count: int) -> Any:
    if model is None:
        return None
    return pa.repeat(pa.scalar(msgspec.structs.asdict(model), kind), count)


def _events(kind: pa.StructType, events: Sequence[msgspec.Struct]) -> Any:
    columns = [_column(field.type, list(map(attrgetter(field.name), events))) for field in kind]
    return pa.StructArray.from_arrays(columns, fields=list(kind))


def _column(kind: pa.DataType, values: list[Any]) -> Any:
    if msgspec.UNSET in values:
        values = [None if value is msgspec.UNSET else value for value in values]
    try:
        return pa.array(values, kind)
    except pa.ArrowTypeError:  # a label may be a number, in a column of text
        return pa.array([None if value is None else str(value) for value in values], kind)
