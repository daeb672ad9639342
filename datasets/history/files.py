"""Reading files of events in chunks: Parquet and CSV as columns, JSON lines as they are.

No row is ever left out: what cannot be understood is handed on, and the decoder decides.
"""

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.installation import pip_install

CHUNK_ROWS = 8192
LINES = (".jsonl", ".ndjson")
COLUMNS = (".parquet", ".pq", ".csv")


@dataclass(frozen=True, slots=True)
class RowChunk:
    """Consecutive rows of a file.

    Attributes
    ----------
    first_row : int
        Counted from 0, over the whole file.
    rows : int
        How many rows.
    columns : dict of str to pyarrow.Array
        By folded name (`fold`); those of a CSV hold text, null where the cell is empty.
    broken : dict of int to bytes
        Row in this chunk -> its text, where it has too few or too many cells to be a row.
    """

    first_row: int
    rows: int
    columns: dict[str, Any]
    broken: dict[int, bytes] = field(default_factory=dict)


def fold(name: str) -> str:
    """Return a column's name as layouts spell it: older files vary in case and blanks."""
    return name.strip().lower()


def is_lines(path: Path) -> bool:
    """Whether a file holds JSON lines rather than columns.

    Raises
    ------
    ConfigError
        The file's ending tells neither.
    """
    suffix = path.suffix.lower()
    if suffix not in LINES + COLUMNS:
        raise ConfigError(f"{path}: ends in none of {', '.join(COLUMNS + LINES)}")
    return suffix in LINES


def read_lines(path: Path, chunk_rows: int = CHUNK_ROWS) -> Iterator[list[bytes]]:
    r"""Yield the lines of a file, without their ``\n``, malformed or not."""
    with _opening(path), path.open("rb") as file:
        while lines := list(islice(file, chunk_rows)):
            yield [line[:-1] if line.endswith(b"\n") else line for line in lines]


def column_names(path: Path) -> list[str]:
    """Return the folded names of a file's columns, in order."""
    if path.suffix.lower() == ".csv":
        with _opening(path), _open_text(path) as file:
            return [fold(name) for name in next(_csv_rows(path, file), [])]
    with _opening(path), arrow("parquet").ParquetFile(path) as file:
        return [fold(name) for name in file.schema_arrow.names]


def read_columns(
    path: Path, wanted: Sequence[str], chunk_rows: int = CHUNK_ROWS
) -> Iterator[RowChunk]:
    """Yield the rows of a Parquet or CSV file in order, as the columns named in `wanted`.

    Raises
    ------
    ConfigError
        The file is not what its ending says, or pyarrow is not installed.
    MissingResource
        There is no such file, or it may not be read.
    """
    read = _read_csv if path.suffix.lower() == ".csv" else _read_parquet
    first_row = 0
    for chunk in read(path, wanted, chunk_rows):
        yield RowChunk(first_row, chunk.rows, chunk.columns, chunk.broken)
        first_row += chunk.rows


def arrow(module: str = "") -> Any:
    """Return pyarrow, or one of its modules; only those who read columns need it installed."""
    try:
        import pyarrow  # noqa: PLC0415 # a stream does without it
        import pyarrow.compute  # noqa: PLC0415
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"reading Parquet and CSV files needs pyarrow: {pip_install('train')}"
        ) from error
    return getattr(pyarrow, module) if module else pyarrow


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    """Turn what the system and pyarrow say about a file into the errors of this project."""
    try:
        yield
    except (OSError, ValueError, NotImplementedError, csv.Error) as error:
        # pyarrow's own errors are ValueErrors, and OSErrors without a number
        if isinstance(error, OSError) and error.errno is not None:
            raise MissingResource(f"cannot read {path}: {error.strerror}") from error
        raise ConfigError(f"{path}: not a readable file of its kind: {error}") from error


def _read_parquet(path: Path, wanted: Sequence[str], chunk_rows: int) -> Iterator[RowChunk]:
    with _opening(path), arrow("parquet").ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if fold(name) in wanted]
        for batch in file.iter_batches(chunk_rows, columns=names):
            columns = {fold(name): batch.column(name) for name in names}
            yield RowChunk(0, batch.num_rows, columns)


def _read_csv(path: Path, wanted: Sequence[str], chunk_rows: int) -> Iterator[RowChunk]:
    with _opening(path), _open_text(path) as file:
        rows = _csv_rows(path, file)
        header = [fold(name) for name in next(rows, [])]
        picked = {name: i for i, name in enumerate(header) if name in wanted}
        while chunk := list(islice(rows, chunk_rows)):
            yield _csv_chunk(chunk, len(header), picked)


def _csv_chunk(rows: list[list[str]], width: int, picked: dict[str, int]) -> RowChunk:
    broken = {i: ",".join(row).encode() for i, row in enumerate(rows) if len(row) != width}
    for i in broken:
        rows[i] = [""] * width
    string = arrow().string()
    columns = {
        name: arrow().array([row[i] or None for row in rows], string) for name, i in picked.items()
    }
    return RowChunk(0, len(rows), columns, broken)


def _open_text(path: Path) -> Any:
    # bytes that are no UTF-8 must not stop the file: they become replacement characters
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _csv_rows(path: Path, file: Any) -> Iterator[list[str]]:
    reader = csv.reader(file)
    try:
        yield from reader
    except csv.Error as error:
        raise ConfigError(f"{path}, line {reader.line_num}: {error}") from error
