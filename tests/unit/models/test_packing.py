"""Snapshots are arrays and nothing else, and say whose they are."""

import msgspec
import numpy as np
import pytest

from eddy.models.packing import FORMAT, pack, unpack

ARRAYS = {
    "floats": np.array([[1.5, np.nan], [-0.0, np.inf]]),
    "ints": np.arange(5, dtype=np.int64),
    "flags": np.array([True, False]),
    "none": np.empty((0, 2)),
    "scalar": np.array(7.0),
    "strided": np.arange(12.0).reshape(3, 4)[:, ::2],
    "records": np.zeros(2, np.dtype("u1")),
}


def test_arrays_come_back_bit_by_bit() -> None:
    arrays = unpack("rides", pack("rides", ARRAYS))
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        assert arrays[name].tobytes() == array.tobytes()
        assert arrays[name].flags.writeable


def test_equal_arrays_give_equal_bytes() -> None:
    assert pack("rides", ARRAYS) == pack("rides", {k: v.copy() for k, v in ARRAYS.items()})


def test_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="a snapshot of rides, format 1"):
        unpack("tpv", pack("rides", ARRAYS))


def package(**fields: object) -> bytes:
    whole = {"kind": "rides", "format": FORMAT, "arrays": {}, **fields}
    return msgspec.msgpack.encode(whole)


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"\x00",
        b"no snapshot",
        pack("rides", ARRAYS)[:-1],
        package(format=FORMAT + 1),
        package(kind=3),
        package(arrays={"a": ["<f8", [2], b"\0" * 8]}),  # too few bytes
        package(arrays={"a": ["<f8", [1], b"\0" * 7]}),
        package(arrays={"a": ["<f8", [-1, -1], b"\0" * 8]}),
        package(arrays={"a": ["no type", [1], b"\0" * 8]}),
        package(arrays={"a": ["O", [1], b"\0" * 8]}),  # objects are never read
        package(arrays={"a": ["<f8", [1]]}),
    ],
    ids=lambda state: repr(state[:12]),
)
def test_other_bytes_are_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack("rides", state)
