"""The fast path: plain records straight into columns, every other record left alone.

A record is plain when it is one JSON object of ASCII without escapes and without nesting (but for
the vector's numbers), names no known field twice and breaks no constraint of the event type.
Whatever is not plain may be right or wrong; only the strict decoder says. So this one may give up
at any doubt (it does for minus zero, for more than 19 digits, for timestamps not written
``YYYY-MM-DDTHH:MM:SS[.ffffff](Z|+00:00)``, for what has as many digits as a card number), but what
it accepts the strict one must accept too, and read the same.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from eddy.schemas import card_numbers, compilation, fields, keys, rejections, tables
from eddy.schemas.columns import Columns, Program
from eddy.schemas.decoding import machine, numbers, records, texts, timestamps
from eddy.schemas.decoding.machine import BLOCK, compiled_and_kept, read_int, store_byte, store_int
from eddy.schemas.decoding.records import record
from eddy.schemas.rejections import MAX_RECORD_BYTES
from eddy.schemas.vectors import unpacked

_CALLED = (
    machine,
    numbers,
    records,
    texts,
    timestamps,
    card_numbers,
    fields,
    keys,
    rejections,
    tables,
    compilation,
)

_TRUE = np.uint8(1)


class PlainDecoder:
    """Decodes the plain records of one event type; compiled on the first call.

    It remembers in which order fields came, which changes how fast it is and nothing else.

    Parameters
    ----------
    program : Program
        Of the event type.
    """

    def __init__(self, program: Program) -> None:
        self._table = program.table
        self._longest_vector = program.longest_vector
        self._follows = np.zeros(2 * (len(program.fields) + 1), np.int64)

    def decode(
        self, addresses: NDArray[np.int64], lengths: NDArray[np.int64], columns: Columns
    ) -> int:
        """Fill the rows of plain records and declare them valid.

        Parameters
        ----------
        addresses, lengths : ndarray of int64, shape (n,)
            Where each record lies in memory, and its bytes; contiguous.
        columns : Columns
            `n` fresh rows.

        Returns
        -------
        int
            How many records were plain.
        """
        n = len(addresses) if self._longest_vector else 0
        counts = np.empty(n, np.int64)
        # memory is taken where vectors are written, and nowhere else
        components = np.empty(n * self._longest_vector)
        plain = _decode_all(
            addresses.ctypes.data,
            lengths.ctypes.data,
            len(addresses),
            self._table.ctypes.data,
            self._follows.ctypes.data,
            columns.occurred_at.ctypes.data,
            columns.values.ctypes.data,
            columns.values.strides[0],
            columns.keys.ctypes.data,
            columns.keys.strides[0],
            columns.valid.ctypes.data,
            components.ctypes.data,
            counts.ctypes.data if n else 0,
        )
        if n:
            columns.vectors = unpacked(components, counts)
        return plain


def _build(sources: str) -> Callable[..., int]:
    """Make the entry kernel, which takes addresses only: one signature, compiled once.

    Numba keeps machine code by the text of the entry's own file and by its closure. The sources of
    all that it calls are part of the closure, so that no change to them meets stale code.
    """

    @compiled_and_kept
    def decode_all(
        addresses: int,
        lengths: int,
        count: int,
        table: int,
        follows: int,
        times: int,
        values: int,
        values_stride: int,
        hashes: int,
        hashes_stride: int,
        valid: int,
        components: int,
        counts: int,
    ) -> int:
        _ = sources
        plain = 0
        for row in range(count):
            start, length = read_int(addresses + 8 * row), read_int(lengths + 8 * row)
            count = counts + 8 * row
            if counts:
                store_int(count, 0)
            if BLOCK <= length <= MAX_RECORD_BYTES and record(
                start,
                start + length,
                table,
                follows,
                times + 8 * row,
                values + values_stride * row,
                hashes + hashes_stride * row,
                components,
                count,
            ):
                store_byte(valid + row, _TRUE)
                plain += 1
                if counts:
                    components += 8 * read_int(count)
            elif counts:
                store_int(count, 0)
        return plain

    return decode_all


def _digest() -> str:
    content = b"".join(Path(str(module.__file__)).read_bytes() for module in _CALLED)
    return hashlib.sha256(content).hexdigest()


_decode_all = _build(_digest())
