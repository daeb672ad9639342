"""Packing named arrays into bytes and back: judges' snapshots. Nothing executable is read."""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

FORMAT = 1


class _Array(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    shape: list[int]
    data: bytes


class _Package(msgspec.Struct, frozen=True):
    kind: str
    format: int
    arrays: dict[str, _Array]


def pack(kind: str, arrays: dict[str, NDArray[Any]]) -> bytes:
    """Return the arrays as bytes; `kind` says whose they are."""
    packed = {
        name: _Array(array.dtype.str, list(array.shape), np.ascontiguousarray(array).tobytes())
        for name, array in arrays.items()
    }
    return msgspec.msgpack.encode(_Package(kind, FORMAT, packed))


def unpack(kind: str, state: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays that `pack` made.

    Raises
    ------
    ValueError
        The bytes are something else, or of another kind or format.
    """
    try:
        package = msgspec.msgpack.decode(state, type=_Package)
    except msgspec.MsgspecError as error:
        raise ValueError(f"not a snapshot: {error}") from error
    if (package.kind, package.format) != (kind, FORMAT):
        raise ValueError(f"a snapshot of {package.kind}, format {package.format}")
    return {name: _array(packed) for name, packed in package.arrays.items()}


def _array(packed: _Array) -> NDArray[Any]:
    try:
        dtype = np.dtype(packed.dtype)
        if dtype.hasobject:
            raise ValueError("an array of objects")
        return np.frombuffer(packed.data, dtype).reshape(packed.shape).copy()
    except TypeError as error:
        raise ValueError(f"not a snapshot: {error}") from error
