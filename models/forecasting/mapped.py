"""Arrays in a file that is mapped, not read: processes that judge on one machine share its memory.

A line that says what it is, the SHA-256 of all that follows, then arrays as `numpy.save` writes
them, each at a multiple of 64 bytes; the first holds the head, as MessagePack. Nothing executable
is read.
"""

import os
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from eddy.models.registry.durable import sync_folder, writing
from eddy.schemas.errors import ConfigError, MissingResource

Head = TypeVar("Head")

_ALIGNMENT = 64
_PREFACE = 2 * _ALIGNMENT
_BLOCK_BYTES = 1 << 20


class Mapped(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    head : Any
        Decoded as the type asked for.
    arrays : dict of str to ndarray
        Read-only, mapped.
    sha256 : str
        Of all that follows the preface.
    """

    head: Any
    arrays: dict[str, NDArray[Any]]
    sha256: str


def write(path: Path, kind: str, head: Any, arrays: dict[str, NDArray[Any]]) -> str:
    """Write a file, whole or not at all; return its SHA-256.

    Raises
    ------
    MissingResource
        The folder cannot be written to.
    """
    new = path.with_name(f".{path.name}.new")
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        with new.open("w+b") as file:
            file.write(b"\0" * _PREFACE)
            text = msgspec.msgpack.encode([list(arrays), head])
            for array in (np.frombuffer(text, np.uint8), *arrays.values()):
                file.write(b"\0" * (-file.tell() % _ALIGNMENT))
                npy.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
            digest = _digest(file)
            file.seek(0)
            file.write(_preface(kind, digest))
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        sync_folder(path.parent)
    return digest


def read(path: Path, kind: str, head: type[Head]) -> Mapped:
    """Map a file that `write` made, and check that it is whole: it is read once for that.

    Raises
    ------
    MissingResource
        There is no such file, or it may not be read.
    ConfigError
        It is something else, or damaged.
    """
    try:
        with path.open("rb") as file:
            digest = _digest(file)
            file.seek(0)
            if file.read(_PREFACE) != _preface(kind, digest):
                raise ConfigError(f"{path}: damaged, or no file of {kind}")
            names, text = msgspec.msgpack.decode(
                _next(file, path).tobytes(), type=tuple[list[str], msgspec.Raw]
            )
            content = msgspec.msgpack.decode(text, type=head)
            return Mapped(content, {name: _next(file, path) for name in names}, digest)
    except OSError as error:
        raise MissingResource(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, msgspec.MsgspecError) as error:
        raise ConfigError(f"{path}: made by another version: {error}") from error


def _preface(kind: str, digest: str) -> bytes:
    return f"{kind} {digest}\n".encode().ljust(_PREFACE, b"\0")


def _digest(file: BinaryIO) -> str:
    file.flush()
    file.seek(_PREFACE)
    digest = sha256()
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
    return digest.hexdigest()


def _next(file: BinaryIO, path: Path) -> NDArray[Any]:
    file.seek(-file.tell() % _ALIGNMENT, os.SEEK_CUR)
    npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file)
    if dtype.hasobject:
        raise ValueError("an array of objects")
    if 0 in shape:
        return np.zeros(shape, dtype)
    mapped = np.memmap(path, dtype, mode="r", offset=file.tell(), shape=shape)
    file.seek(mapped.nbytes, os.SEEK_CUR)
    return mapped
