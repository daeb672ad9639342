"""Byte strings where they lie in memory."""

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.schemas.decoding import buffers


class Spans(NamedTuple):
    """n byte strings, without an object for each.

    Attributes
    ----------
    kept : object
        Holds the bytes; must live as long as the addresses are used.
    addresses, lengths : ndarray of int64, shape (n,)
        -1 is the length of None.
    """

    kept: Any
    addresses: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[bytes | None]) -> "Spans":
        """Lay byte strings out in memory."""
        return cls(*buffers(texts))

    def texts(self) -> list[bytes | None]:
        """Return them as objects."""
        return [
            None if length < 0 else ctypes.string_at(address, length)
            for address, length in zip(self.addresses.tolist(), self.lengths.tolist(), strict=True)
        ]

    def selected(self, rows: NDArray[np.bool_]) -> "Spans":
        """Return the byte strings where `rows` is true, in their order."""
        return Spans(self.kept, self.addresses[rows], self.lengths[rows])
