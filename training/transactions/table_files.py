"""Training tables as Parquet files: written part by part, read row group by row group."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.datasets.history.files import arrow
from eddy.models.arrays import Flags, Ints
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.keys import hash_text
from eddy.training.transactions.feature_history import FeatureHistory, common
from eddy.training.transactions.table import (
    COLUMNS,
    NO_TIME,
    UNKNOWN,
    TrainingTable,
    empty,
    in_time_order,
)

HISTORY_KEY = b"eddy.history"
"""In a file's metadata: a `FeatureHistory` as JSON."""


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
    history : FeatureHistory, optional
        What the features were made with; kept in the file's metadata.

    Examples
    --------
    Used as ``with TableWriter(path, FEATURES) as writer: writer.write(part)``.
    """

    def __init__(
        self,
        path: Path,
        names: Sequence[str],
        *,
        event_ids: bool = False,
        history: FeatureHistory | None = None,
    ) -> None:
        pa = arrow()
        time = pa.timestamp("us", "UTC")
        self._path, self._partial = path, path.with_suffix(".partial")
        self._names = tuple(names)
        kinds = [("event_id", pa.string())] if event_ids else []
        kinds += [("event", pa.uint64()), ("occurred_at", time), ("card", pa.uint64())]
        kinds += [(name, pa.float64()) for name in self._names]
        kinds += [("is_fraud", pa.bool_()), ("labelled_at", time)]
        kinds += [("score", pa.float64()), ("weight", pa.float64())]
        metadata = {} if history is None else {HISTORY_KEY: msgspec.json.encode(history)}
        self._schema = pa.schema(kinds, metadata=metadata)
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
    with TableWriter(path, table.names, history=table.history) as writer:
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
    parts = [_opened(file) for file in files]
    columns = set(parts[0].schema_arrow.names)
    names = [name for name in COLUMNS if name in columns]
    for file, part in zip(files, parts, strict=True):
        _check(file, part.schema_arrow.names)
        if set(part.schema_arrow.names) != columns:
            raise ConfigError(f"{file}: has other columns than {files[0]}")
    table = empty(names, sum(part.metadata.num_rows for part in parts))
    start = 0
    for batch in _batches(parts, columns):
        start = _fill(table, start, batch)
    history = common([_history(part, file) for file, part in zip(files, parts, strict=True)])
    return in_time_order(replace(table, history=history))


def _history(file: Any, path: Path) -> FeatureHistory | None:
    """Return what a file says its features were made with."""
    content = (file.schema_arrow.metadata or {}).get(HISTORY_KEY)
    try:
        return None if content is None else msgspec.json.decode(content, type=FeatureHistory)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {HISTORY_KEY.decode()} in its metadata: {error}") from error


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


def _batches(files: Sequence[Any], columns: set[str]) -> Iterator[Any]:
    wanted = sorted(columns - {"event_id"} if "event" in columns else columns)
    for file in files:
        yield from file.iter_batches(65_536, columns=wanted)


def _fill(table: TrainingTable, start: int, batch: Any) -> int:
    pa, stop = arrow(), start + int(batch.num_rows)
    columns = set(batch.schema.names)
    here = slice(start, stop)

    def numbers(name: str, kind: Any) -> Any:
        return batch.column(name).cast(kind)

    time = pa.timestamp("us", "UTC")
    if "event" in columns:
        table.events[here] = _hashes(batch.column("event"))
    else:
        table.events[here] = [
            hash_text(event_id) for event_id in batch.column("event_id").to_pylist()
        ]
    table.cards[here] = _hashes(batch.column("card"))
    table.occurred_at[here] = numbers("occurred_at", time).cast(pa.int64()).to_numpy()
    for place, name in enumerate(table.names):
        column = numbers(name, pa.float64())
        table.features[here, place] = column.to_numpy(zero_copy_only=False)
    codes = numbers("is_fraud", pa.int8()).fill_null(UNKNOWN)
    table.is_fraud[here] = codes.to_numpy()
    at = numbers("labelled_at", time).cast(pa.int64()).fill_null(NO_TIME).to_numpy()
    # a verdict without its time was always known; a time without a verdict says nothing
    known = table.is_fraud[here] != UNKNOWN
    table.labelled_at[here] = np.where(
        known, np.where(at == NO_TIME, table.occurred_at[here], at), NO_TIME
    )
    for name, kept in (("score", table.scores), ("weight", table.weights)):
        if name in columns:
            kept[here] = numbers(name, pa.float64()).to_numpy(zero_copy_only=False)
    return stop


def _hashes(column: Any) -> NDArray[np.uint64]:
    """Return 64-bit hashes; Spark has no unsigned integers, and writes the same bits as signed."""
    pa = arrow()
    signed = pa.types.is_int64(column.type)
    values: NDArray[Any] = column.cast(column.type if signed else pa.uint64()).to_numpy()
    return values.view(np.uint64)
