"""The training table: one row a transaction, with what was known when it was judged, and its label.

As a Parquet file: ``event`` (uint64, `schemas.keys.hash_text` of the event_id) and, where it is
known, ``event_id``; ``occurred_at`` and ``labelled_at`` (UTC, microseconds); ``card`` (uint64, a
hash too); the features as float64, NaN where the event did not say; ``is_fraud``, null where
nobody has said yet; ``score``, the champion's at decision time, and ``weight``, both optional.

In memory a million rows of fifteen features take 170 MB; nothing else grows with the rows.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features.names import FEATURES, component
from models.history.files import arrow
from schemas.errors import ConfigError, MissingResource
from schemas.keys import hash_text
from schemas.transactions import MOST_COMPONENTS

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

UNKNOWN, GENUINE, FRAUD = -1, 0, 1
"""What `TrainingTable.is_fraud` holds."""

NO_TIME = np.iinfo(np.int64).max
"""When a row without a label gets one: not in anybody's lifetime."""

DAY_US = 86_400_000_000

COLUMNS = FEATURES + tuple(component(number) for number in range(1, MOST_COMPONENTS + 1))
"""Every feature there can be, in the order tables have them."""


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """n rows, by time; rows of one time in the order they came.

    Attributes
    ----------
    names : tuple of str
        Of the columns of `features`.
    events, cards : ndarray of uint64, shape (n,)
    occurred_at : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    features : ndarray of float64, shape (n, d)
    is_fraud : ndarray of int8, shape (n,)
        `UNKNOWN`, `GENUINE` or `FRAUD`.
    labelled_at : ndarray of int64, shape (n,)
        When that became known; `NO_TIME` where it is not.
    scores : ndarray of float64, shape (n,)
        The champion's when it was judged; NaN where there was none.
    weights : ndarray of float64, shape (n,)
        How many rows of the world a row stands for: 1 unless the rows were thinned out.
    """

    names: tuple[str, ...]
    events: NDArray[np.uint64]
    cards: NDArray[np.uint64]
    occurred_at: Ints
    features: Floats
    is_fraud: NDArray[np.int8]
    labelled_at: Ints
    scores: Floats
    weights: Floats

    def __len__(self) -> int:
        return len(self.events)

    @property
    def labelled(self) -> Flags:
        """Rows somebody has said something about; shape (n,)."""
        known: Flags = self.is_fraud != UNKNOWN
        return known

    @property
    def frauds(self) -> Flags:
        """Rows that are frauds, as far as anybody knows; shape (n,)."""
        known: Flags = self.is_fraud == FRAUD
        return known

    @property
    def amounts(self) -> Floats:
        """What was paid; shape (n,). Zero where the table does not say."""
        if "amount" not in self.names:
            return np.zeros(len(self))
        return np.nan_to_num(self.features[:, self.names.index("amount")])

    def columns(self, names: Sequence[str]) -> Floats:
        """Return features by name, in the order asked for; shape (n, len(names)).

        Raises
        ------
        ConfigError
            The table lacks one.
        """
        if missing := [name for name in names if name not in self.names]:
            raise ConfigError(f"the training table has no columns {', '.join(missing)}")
        return np.ascontiguousarray(self.features[:, [self.names.index(name) for name in names]])

    def rows(self, chosen: NDArray[Any] | slice) -> "TrainingTable":
        """Return some of the rows, by position or flag, in this order."""
        taken = {
            field.name: getattr(self, field.name)[chosen]
            for field in fields(self)
            if field.name != "names"
        }
        return replace(self, **taken)

    def between(self, start_us: int, stop_us: int) -> slice:
        """Return where the rows from one time to before another stand."""
        first, last = np.searchsorted(self.occurred_at, [start_us, max(start_us, stop_us)])
        return slice(int(first), int(last))

    def sha256(self) -> str:
        """Identify the rows: the same wherever the same rows were read from."""
        found = hashlib.sha256("\0".join(self.names).encode())
        for field in fields(self):
            if field.name != "names":
                found.update(np.ascontiguousarray(getattr(self, field.name)).tobytes())
        return found.hexdigest()


def empty(names: Sequence[str], rows: int) -> TrainingTable:
    """Return a table to be filled: nothing known of any row."""
    return TrainingTable(
        names=tuple(names),
        events=np.zeros(rows, np.uint64),
        cards=np.zeros(rows, np.uint64),
        occurred_at=np.zeros(rows, np.int64),
        features=np.full((rows, len(names)), np.nan),
        is_fraud=np.full(rows, UNKNOWN, np.int8),
        labelled_at=np.full(rows, NO_TIME),
        scores=np.full(rows, np.nan),
        weights=np.ones(rows),
    )


def joined(tables: Sequence[TrainingTable]) -> TrainingTable:
    """Return the rows of tables, one table after the other.

    Raises
    ------
    ConfigError
        They have different features.
    """
    first = tables[0]
    if any(one.names != first.names for one in tables):
        raise ConfigError("training tables of different features cannot be joined")
    columns: dict[str, Any] = {
        field.name: np.concatenate([getattr(one, field.name) for one in tables])
        for field in fields(first)
        if field.name != "names"
    }
    return replace(first, **columns)


def in_time_order(table: TrainingTable) -> TrainingTable:
    """Return the rows by time; those of one time as they were."""
    if np.all(np.diff(table.occurred_at) >= 0):
        return table
    return table.rows(np.argsort(table.occurred_at, kind="stable"))


def with_silence_as_genuine(table: TrainingTable, after_days: float | None) -> TrainingTable:
    """Return the table with rows taken for genuine that nobody spoke of for so many days.

    Where only frauds are ever reported, silence is the only word there is for "genuine". The rows
    of the last `after_days` stay unknown; None leaves all as they are.
    """
    if after_days is None or not len(table):
        return table
    after_us = round(after_days * DAY_US)
    silent = ~table.labelled & (table.occurred_at <= table.occurred_at[-1] - after_us)
    return replace(
        table,
        is_fraud=np.where(silent, GENUINE, table.is_fraud).astype(np.int8),
        labelled_at=np.where(silent, table.occurred_at + after_us, table.labelled_at),
    )


class TableWriter:
    """Writes a table part by part; the file appears whole or not at all.

    Parameters
    ----------
    path : Path
        Replaced if it is there.
    names : sequence of str
        Of the features.
    event_ids : bool
        Whether the parts come with their event ids.

    Examples
    --------
    Used as ``with TableWriter(path, FEATURES) as writer: writer.write(part)``.
    """

    def __init__(self, path: Path, names: Sequence[str], *, event_ids: bool = False) -> None:
        pa = arrow()
        time = pa.timestamp("us", "UTC")
        self._path, self._partial = path, path.with_suffix(".partial")
        self._names = tuple(names)
        kinds = [("event_id", pa.string())] if event_ids else []
        kinds += [("event", pa.uint64()), ("occurred_at", time), ("card", pa.uint64())]
        kinds += [(name, pa.float64()) for name in self._names]
        kinds += [("is_fraud", pa.bool_()), ("labelled_at", time)]
        kinds += [("score", pa.float64()), ("weight", pa.float64())]
        self._schema = pa.schema(kinds)
        self.rows = 0

    def __enter__(self) -> "TableWriter":
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = arrow("parquet").ParquetWriter(self._partial, self._schema)
        except OSError as error:
            raise MissingResource(f"cannot write {self._path}: {error.strerror}") from error
        return self

    def write(self, part: TrainingTable, event_ids: Sequence[str] | None = None) -> None:
        """Add rows, as one row group; their order is kept."""
        pa = arrow()
        if part.names != self._names:
            raise ValueError(f"a part with {part.names} in a table of {self._names}")
        unknown = ~part.labelled
        arrays = [] if event_ids is None else [pa.array(event_ids, pa.string())]
        arrays += [pa.array(part.events), _times(part.occurred_at), pa.array(part.cards)]
        arrays += [pa.array(column) for column in part.features.T]
        arrays += [pa.array(part.frauds, mask=unknown), _times(part.labelled_at, unknown)]
        arrays += [pa.array(part.scores, mask=np.isnan(part.scores)), pa.array(part.weights)]
        self._file.write_table(pa.Table.from_arrays(arrays, schema=self._schema))
        self.rows += len(part)

    def __exit__(self, kind: Any, *_: object) -> None:
        self._file.close()
        if kind is None:
            self._partial.replace(self._path)
        else:
            self._partial.unlink(missing_ok=True)


def _times(values: Ints, unknown: Flags | None = None) -> Any:
    pa = arrow()
    return pa.array(values, pa.int64(), mask=unknown).cast(pa.timestamp("us", "UTC"))


def write_table(table: TrainingTable, path: Path) -> None:
    """Write a whole table."""
    with TableWriter(path, table.names) as writer:
        writer.write(table)


def read_table(path: Path) -> TrainingTable:
    """Read a table from a Parquet file, or from a folder of them, row group by row group.

    Folders in the folder are read, too: one a day is what Spark writes (deploy/spark).

    Raises
    ------
    ConfigError
        It is no such table.
    MissingResource
        It cannot be read.
    """
    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise MissingResource(f"{path} holds no Parquet files; `eddy prepare` writes a table")
    parts = [_opened(one) for one in files]
    held = set(parts[0].schema_arrow.names)
    names = [name for name in COLUMNS if name in held]
    for one, file in zip(files, parts, strict=True):
        _check(one, file.schema_arrow.names)
        if set(file.schema_arrow.names) != held:
            raise ConfigError(f"{one}: has other columns than {files[0]}")
    table = empty(names, sum(file.metadata.num_rows for file in parts))
    start = 0
    for batch in _batches(parts, held):
        start = _fill(table, start, batch)
    return in_time_order(table)


_REQUIRED = ("occurred_at", "card", "is_fraud", "labelled_at")


def _check(path: Path, names: Sequence[str]) -> None:
    missing = [name for name in _REQUIRED if name not in names]
    if not {"event", "event_id"} & set(names):
        missing.append("event")
    if missing:
        raise ConfigError(f"{path}: no training table: it has no columns {', '.join(missing)}")


def _opened(path: Path) -> Any:
    try:
        return arrow("parquet").ParquetFile(path)
    except FileNotFoundError as error:
        raise MissingResource(f"{path}: no such file; `eddy prepare` writes a table") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable Parquet file: {error}") from error


def _batches(files: Sequence[Any], held: set[str]) -> Iterator[Any]:
    wanted = sorted(held - {"event_id"} if "event" in held else held)
    for file in files:
        yield from file.iter_batches(65_536, columns=wanted)


def _fill(table: TrainingTable, start: int, batch: Any) -> int:
    pa, stop = arrow(), start + batch.num_rows
    held = set(batch.schema.names)
    here = slice(start, stop)

    def numbers(name: str, kind: Any) -> Any:
        return batch.column(name).cast(kind)

    time = pa.timestamp("us", "UTC")
    if "event" in held:
        table.events[here] = _hashes(batch.column("event"))
    else:
        table.events[here] = [hash_text(one) for one in batch.column("event_id").to_pylist()]
    table.cards[here] = _hashes(batch.column("card"))
    table.occurred_at[here] = numbers("occurred_at", time).cast(pa.int64()).to_numpy()
    for place, name in enumerate(table.names):
        column = numbers(name, pa.float64())
        table.features[here, place] = column.to_numpy(zero_copy_only=False)
    said = numbers("is_fraud", pa.int8()).fill_null(UNKNOWN)
    table.is_fraud[here] = said.to_numpy()
    at = numbers("labelled_at", time).cast(pa.int64()).fill_null(NO_TIME).to_numpy()
    # a verdict without its time was always known; a time without a verdict says nothing
    known = table.is_fraud[here] != UNKNOWN
    table.labelled_at[here] = np.where(
        known, np.where(at == NO_TIME, table.occurred_at[here], at), NO_TIME
    )
    for name, kept in (("score", table.scores), ("weight", table.weights)):
        if name in held:
            kept[here] = numbers(name, pa.float64()).to_numpy(zero_copy_only=False)
    return stop


def _hashes(column: Any) -> NDArray[np.uint64]:
    """Return 64-bit hashes; Spark has no unsigned integers, and writes the same bits as signed."""
    pa = arrow()
    signed = pa.types.is_int64(column.type)
    values: NDArray[Any] = column.cast(column.type if signed else pa.uint64()).to_numpy()
    return values.view(np.uint64)
