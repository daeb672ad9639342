"""A table's days as one file: CSV, JSON lines or Parquet, here or in a store."""

import gzip
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal, get_args

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pyarrow.fs import FileSystem

from eddy.lake.config import LakeConfig
from eddy.lake.days import Day
from eddy.lake.outages import named_outages
from eddy.lake.plain_rows import encode, rows_of, with_text
from eddy.lake.query import answering
from eddy.lake.store import filesystem, object_path
from eddy.lake.tables import TableSpec
from eddy.schemas.errors import ConfigError, MissingResource

Format = Literal["csv", "json", "parquet"]
ENDINGS: dict[Format, str] = {"csv": "csv.gz", "json": "jsonl.gz", "parquet": "parquet"}
"""Of the files whose names are chosen here."""

_BATCH = 20_000
_CHUNK_BYTES = 8 << 20


class Exported(msgspec.Struct, kw_only=True):
    """One file that was written.

    Attributes
    ----------
    first, last : str
        Days of UTC, both in it.
    target : str
        Path or ``s3://`` address.
    """

    table: str
    first: str
    last: str
    rows: int
    bytes: int
    target: str


def chosen_format(name: str) -> Format:
    """Return a format by its name; ConfigError where there is none."""
    for known in get_args(Format):
        if name == known:
            format_: Format = known
            return format_
    raise ConfigError(f"--format {name}: one of {', '.join(get_args(Format))}")


def export(
    connection: Any,
    config: LakeConfig,
    spec: TableSpec,
    days: tuple[Day, Day],
    format_: Format,
    target: str,
    on_progress: Callable[[int], None],
) -> Exported:
    """Write a table's rows of some days, in the table's own order.

    The file is there whole or not at all; one that was there before is replaced.

    Parameters
    ----------
    connection : DuckDBPyConnection
        See `eddy.lake.query.connect`.
    days : (Day, Day)
        The first and the last one.
    target : str
        A path or ``s3://BUCKET/KEY``; of a name in ``.gz`` CSV and JSON are compressed.
    on_progress : callable
        Called with how many more rows were written.

    Raises
    ------
    ConfigError, MissingResource, Unavailable
        The target is no file, cannot be written, or the store does not answer.
    """
    first, last = days
    begin, end = first.begin.isoformat(), last.end.isoformat()
    order = ", ".join(_path(column) for column in spec.sorted_by)
    column = _path(spec.day_column)
    with named_outages(spec.name), answering(config), _finally_at(target, config) as file:
        reader = connection.execute(
            f"select * from {_path(spec.name)} where {column} >= timestamptz '{begin}' "  # noqa: S608 - names and days are ours
            f"and {column} < timestamptz '{end}' order by {order}"
        ).to_arrow_reader(_BATCH)
        rows = 0
        with _opened(file, target, format_) as stream:
            for batch in _written(reader, stream, format_):
                rows += batch
                on_progress(batch)
        size = file.stat().st_size
    return Exported(
        table=spec.name, first=str(first), last=str(last), rows=rows, bytes=size, target=target
    )


def _written(reader: Any, stream: IO[bytes], format_: Format) -> Iterator[int]:
    """Write batches; yield how many rows each was."""
    if format_ == "parquet":
        with pq.ParquetWriter(stream, reader.schema, compression="zstd") as parquet:
            for batch in reader:
                parquet.write_batch(batch)
                yield len(batch)
    elif format_ == "csv":
        nothing = pa.RecordBatch.from_pylist([], schema=reader.schema)
        with pyarrow.csv.CSVWriter(stream, with_text(nothing).schema) as table:
            for batch in reader:
                table.write_batch(with_text(batch))
                yield len(batch)
    else:
        for batch in reader:
            stream.writelines(encode(row) + b"\n" for row in rows_of(batch))
            yield len(batch)


@contextmanager
def _opened(file: Path, target: str, format_: Format) -> Iterator[IO[bytes]]:
    with file.open("wb") as raw:
        if format_ != "parquet" and target.endswith(".gz"):
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
                yield packed  # type: ignore[misc]
        else:
            yield raw


@contextmanager
def _finally_at(target: str, config: LakeConfig) -> Iterator[Path]:
    """Give a file to write; when all went well it is at its place."""
    is_remote, place = target.startswith("s3://"), Path(target)
    path = object_path(target) if is_remote else ""
    if not is_remote and (place.is_dir() or target.endswith("/")):
        raise ConfigError(f"--output {target}: is a folder; name a file")
    try:
        beside = None if is_remote else place.parent
        with tempfile.TemporaryDirectory(prefix=".eddy-export-", dir=beside) as folder:
            file = Path(folder) / "file"
            yield file
            if is_remote:
                _upload(file, filesystem(config), path)
            else:
                file.replace(place)
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise MissingResource(f"--output {target}: {error.strerror}") from error


def _upload(file: Path, store: FileSystem, path: str) -> None:
    with file.open("rb") as source, store.open_output_stream(path, compression=None) as stream:
        shutil.copyfileobj(source, stream, _CHUNK_BYTES)


def _path(name: str) -> str:
    return ".".join(f'"{part}"' for part in name.split("."))
