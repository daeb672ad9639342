"""Sort more rows than fit into memory: each goes to the slice its place is in, then slice by slice.

Rows never leave Arrow, so that what is written is bit for bit what was read.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

SLICE_ROWS = 131_072
PIECE_BYTES = 96 * 2**20
"""What is sorted in memory at once; also about the size of a row group before compression."""

_MOST_SLICES = 256  # one open file each
_WAITING_BYTES = 64 * 2**20  # of all slices together, before they are written to disk
_FEWEST_WAITING_BYTES = 2**18


class Slices:
    """Takes rows in any order, gives them sorted.

    Parameters
    ----------
    folder : Path
        Of one's own, for what does not stay in memory.
    schema : Schema
        The rows'.
    rows : int
        How many there will be.
    """

    def __init__(
        self, folder: Path, schema: pa.Schema, rows: int, piece_bytes: int = PIECE_BYTES
    ) -> None:
        self._folder = folder
        self._schema = schema.append(pa.field("place", pa.int64()))
        self._rows = max(SLICE_ROWS, -(-rows // _MOST_SLICES))
        self._piece_bytes = piece_bytes
        count = max(1, -(-rows // self._rows))
        self._waiting_bytes = max(_FEWEST_WAITING_BYTES, _WAITING_BYTES // count)
        self._slices: dict[int, _Slice] = {}

    def add(self, batch: pa.RecordBatch, places: npt.NDArray[np.int64]) -> None:
        """Take a batch; rows whose place is negative are left out."""
        if (places < 0).any():
            rows = np.flatnonzero(places >= 0)
            batch, places = batch.take(pa.array(rows)), places[rows]
        if not len(places):
            return
        batch = pa.RecordBatch.from_arrays([*batch.columns, pa.array(places)], schema=self._schema)
        numbers = places // self._rows
        if numbers[0] == numbers[-1] and (numbers == numbers[0]).all():
            self._slice(int(numbers[0])).add(batch)
            return
        for number in np.unique(numbers):
            # copied: a view of a few rows would keep its whole batch in memory
            rows = pa.array(np.flatnonzero(numbers == number))
            self._slice(int(number)).add(batch.take(rows))

    def sorted(self) -> Iterator[pa.Table]:
        """Yield all rows by place, in pieces; once."""
        for number in sorted(self._slices):
            part = self._slices.pop(number)
            begin = number * self._rows
            for low, high in part.ranges(begin, self._rows, self._piece_bytes):
                yield _in_order(part.read(low, high))
            part.remove()

    def _slice(self, number: int) -> "_Slice":
        if number not in self._slices:
            path = self._folder / f"slice-{number}.arrow"
            self._slices[number] = _Slice(path, self._schema, self._waiting_bytes)
        return self._slices[number]


class _Slice:
    """The rows of one range of places: in memory while they are few, else in a file."""

    def __init__(self, path: Path, schema: pa.Schema, most_waiting_bytes: int) -> None:
        self._path = path
        self._schema = schema
        self._most_waiting_bytes = most_waiting_bytes
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self._bytes = 0
        self._count = 0
        self._writer: pa.RecordBatchFileWriter | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        self._waiting.append(batch)
        self._count += batch.num_rows
        self._bytes += batch.nbytes
        self._waiting_bytes += batch.nbytes
        if self._waiting_bytes >= self._most_waiting_bytes:
            self._spill()

    def ranges(self, begin: int, rows: int, piece_bytes: int) -> Iterator[tuple[int, int]]:
        """Yield ranges of places, each of about as many bytes as are to be in memory at once."""
        if self._writer is not None:
            self._spill()
            self._writer.close()
        pieces = max(1, -(-self._bytes // piece_bytes))
        step = -(-self._count // pieces)
        for low in range(begin, begin + self._count, step):
            yield low, min(low + step, begin + rows)

    def read(self, low: int, high: int) -> pa.Table:
        """Return the rows whose places are in the range."""
        if self._writer is None:
            return pa.Table.from_batches(_within(self._waiting, low, high), self._schema)
        with pa.OSFile(str(self._path)) as file:
            batches = list(_within(pa.ipc.open_stream(file), low, high))
        return pa.Table.from_batches(batches, self._schema)

    def remove(self) -> None:
        self._waiting.clear()
        self._path.unlink(missing_ok=True)

    def _spill(self) -> None:
        if self._writer is None:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_stream(str(self._path), self._schema, options=options)
        # one batch instead of many small ones
        together = pa.Table.from_batches(self._waiting, self._schema).combine_chunks()
        self._writer.write_table(together)
        self._waiting.clear()
        self._waiting_bytes = 0


def _within(batches: Iterable[pa.RecordBatch], low: int, high: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        places = batch["place"].to_numpy()
        inside = (places >= low) & (places < high)
        yield batch if inside.all() else batch.filter(pa.array(inside))


def _in_order(table: pa.Table) -> pa.Table:
    places = table["place"].to_numpy()
    table = table.drop_columns("place").combine_chunks()
    return table.take(pa.array(np.argsort(places)))
