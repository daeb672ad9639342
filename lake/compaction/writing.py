"""Write one day's rows as few large files, with Iceberg's field numbers and statistics."""

from datetime import date
from typing import Any

import pyarrow as pa
from pyiceberg.io.fileformat import FileFormatFactory
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
from pyiceberg.table import Table
from pyiceberg.table.locations import load_location_provider

TARGET_BYTES = 192 * 2**20
"""A file that has reached this takes no further row group."""


class DayWriter:
    """Writes files of one day; nobody sees them before they are committed.

    Parameters
    ----------
    table : Table
        Whose files they are to be.
    day : date
        UTC day of all rows.
    name : str
        Begins the files' names; never the same twice.
    target_bytes : int
        Size of a file.
    """

    def __init__(
        self, table: Table, day: date, name: str, target_bytes: int = TARGET_BYTES
    ) -> None:
        self._table = table
        self._name = name
        self._target_bytes = target_bytes
        (field,) = table.spec().fields
        value = PartitionFieldValue(field=field, value=(day - date(1970, 1, 1)).days)
        self._key = PartitionKey([value], table.spec(), table.schema())
        self._format = FileFormatFactory.get(FileFormat.PARQUET)
        self._places = load_location_provider(table.location(), table.properties)
        self._done: list[DataFile] = []
        self._open: Any = None
        self._path = ""

    def write(self, rows: pa.Table) -> None:
        """Write a row group; the schema is that of a `Reader`."""
        if self._open is None:
            self._begin()
        self._open.write(rows)
        if self._open._fos.tell() >= self._target_bytes:
            self._end()

    def close(self) -> list[DataFile]:
        """Return all files written."""
        if self._open is not None:
            self._end()
        return self._done

    def _begin(self) -> None:
        table, name = self._table, f"{self._name}-{len(self._done):05d}.parquet"
        self._path = self._places.new_data_location(name, self._key)
        output = table.io.new_output(self._path)
        self._open = self._format.create_writer(output, table.schema(), table.properties)

    def _end(self) -> None:
        statistics = self._open.close()
        self._open = None
        self._done.append(
            DataFile.from_args(
                content=DataFileContent.DATA,
                file_path=self._path,
                file_format=FileFormat.PARQUET,
                partition=self._key.partition,
                file_size_in_bytes=len(self._table.io.new_input(self._path)),
                sort_order_id=None,
                spec_id=self._table.spec().spec_id,
                equality_ids=None,
                key_metadata=None,
                **statistics.to_serialized_dict(),
            )
        )
