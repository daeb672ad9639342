"""Read data files in small batches, whoever wrote them and however old their schema is."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import _to_requested_schema, pyarrow_to_schema, schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.schema import Schema, prune_columns
from pyiceberg.table import Table
from pyiceberg.types import NestedField

BATCH_ROWS = 16_384
_WHOLE_BYTES = 16 * 2**20  # a smaller file is one request
_AHEAD = 4


class DataFileReader:
    """Reads files as batches of the table's current columns, or of some of them.

    A batch has at most 16,384 rows, so that memory does not depend on a file's size.

    Parameters
    ----------
    table : Table
        Whose files.
    columns : sequence of str, optional
        Dotted where nested; all where not given.
    """

    def __init__(self, table: Table, columns: Sequence[str] | None = None) -> None:
        self._table = table
        schema = table.schema()
        # of a struct only what was asked for
        ids = {schema.find_field(name).field_id for name in columns or ()}
        self._leaves = None if columns is None else ids
        self.schema = (
            schema if columns is None else prune_columns(schema, ids, select_full_types=False)
        )
        self.arrow = schema_to_pyarrow(self.schema, include_field_ids=True)

    def read(self, files: Sequence[DataFile]) -> Iterator[pa.RecordBatch]:
        """Yield the files' rows in the files' order and in each its own order."""
        with ThreadPoolExecutor(_AHEAD) as pool:
            waiting = iter(files)
            opened = deque(pool.submit(_open, self._table.io, f) for f in islice(waiting, _AHEAD))
            while opened:
                yield from self._batches(opened.popleft().result())
                for following in islice(waiting, 1):
                    opened.append(pool.submit(_open, self._table.io, following))

    def _batches(self, source: pa.NativeFile) -> Iterator[pa.RecordBatch]:
        with source, pq.ParquetFile(source, pre_buffer=True) as file:
            written = self._written_schema(file.schema_arrow)
            names = self._names(written)
            for group in range(file.num_row_groups):  # what is buffered ahead is one row group
                for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=names):
                    yield self._projected(written, batch)

    def _written_schema(self, arrow: pa.Schema) -> Schema:
        written: Schema = pyarrow_to_schema(
            arrow, self._table.name_mapping(), downcast_ns_timestamp_to_us=True
        )
        if self._leaves is None:
            return written
        return prune_columns(
            written, self._leaves & set(written.field_ids), select_full_types=False
        )

    def _names(self, written: Schema) -> list[str] | None:
        if self._leaves is None:
            return None
        return [
            written.find_column_name(leaf) or ""
            for leaf in sorted(self._leaves & set(written.field_ids))
        ]

    def _projected(self, written: Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Bring a batch to the current schema: columns by number, what is new is null."""
        there = {field.field_id: field for field in written.fields}
        columns = [
            _column(field, there.get(field.field_id), batch, kind)
            for field, kind in zip(self.schema.fields, self.arrow.types, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=self.arrow)


def _column(
    field: NestedField, written: NestedField | None, batch: pa.RecordBatch, kind: pa.DataType
) -> pa.Array:
    """Return a column as it is to be, of one as it was written."""
    if written is None:
        return pa.nulls(batch.num_rows, kind)
    column = batch.column(written.name)
    if written.field_type == field.field_type:
        return column.cast(kind)
    # What has changed inside is pyiceberg's to know. It takes a list of structs that is null for
    # an empty one, so this is put right, and it is left out of what has not changed.
    inside = _to_requested_schema(
        Schema(field),
        Schema(written),
        batch.select([written.name]),
        downcast_ns_timestamp_to_us=True,
    )
    known = pa.array(np.arange(batch.num_rows), mask=column.is_null().to_numpy(False))
    return inside.column(0).cast(kind).take(known)


def arrow_schema(table: Table) -> pa.Schema:
    """Return a table's columns as a `DataFileReader` gives them."""
    return DataFileReader(table).arrow


def _open(io: FileIO, file: DataFile) -> pa.NativeFile:
    source = io.new_input(file.file_path).open()
    if file.file_size_in_bytes > _WHOLE_BYTES:
        return source
    with source:
        return pa.BufferReader(source.read())
