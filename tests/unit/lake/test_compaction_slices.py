"""Sorting what does not fit into memory."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.lake.compaction import slices
from eddy.lake.compaction.slices import Slices

SCHEMA = pa.schema([("number", pa.int64()), ("text", pa.large_list(pa.large_string()))])


def batch(numbers: list[int]) -> pa.RecordBatch:
    texts = [None if n % 7 == 0 else [str(n)] * (n % 3) for n in numbers]
    return pa.RecordBatch.from_pydict({"number": numbers, "text": texts}, schema=SCHEMA)


@settings(deadline=None)
@given(data=st.data(), count=st.integers(0, 60), cut=st.integers(1, 20))
def test_rows_come_out_by_place(data: st.DataObject, count: int, cut: int) -> None:
    places = np.array(data.draw(st.permutations(range(count))), np.int64)
    dropped = data.draw(st.integers(0, count))
    given_rows = [int(n) for n in places]  # a row's number is its place
    with pytest.MonkeyPatch.context() as patched, TemporaryDirectory() as folder:
        patched.setattr(slices, "SLICE_ROWS", data.draw(st.integers(1, 70)))
        patched.setattr(slices, "_FEWEST_WAITING_BYTES", 1)
        patched.setattr(slices, "_WAITING_BYTES", data.draw(st.sampled_from([1, 2**20])))
        most = data.draw(st.sampled_from([1, 200, 2**20]))
        sorter = Slices(Path(folder), SCHEMA, count, piece_bytes=most)
        for begin in range(0, count, cut):
            part = places[begin : begin + cut]
            kept = np.where(part >= count - dropped, -1, part)
            sorter.add(batch(given_rows[begin : begin + cut]), kept)
        pieces = [piece.to_pylist() for piece in sorter.sorted()]
        assert [row for piece in pieces for row in piece] == batch(
            list(range(count - dropped))
        ).to_pylist()
        assert not list(Path(folder).iterdir())
