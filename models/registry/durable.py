"""Files that are whole or absent, whatever happens in between: written, synced, then renamed."""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eddy.schemas.errors import DamagedModel, MissingResource, Unavailable

_RETRY_S = 0.02
_BLOCK_BYTES = 1024 * 1024


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn a failed write below `place` into an error that says what to do."""
    try:
        yield
    except OSError as error:
        raise MissingResource(
            f"cannot write below {place}: {error.strerror or error}; free some space, or give "
            "this user the right to write there"
        ) from error


@contextmanager
def locked(path: Path, patience_s: float = 30.0) -> Iterator[None]:
    """Hold the advisory lock on `path`; the kernel lets go of it when the process dies.

    Raises
    ------
    Unavailable
        Another process held it for `patience_s` seconds.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _wait_for_lock(handle, path, patience_s)
        yield
    finally:
        os.close(handle)


def _wait_for_lock(handle: int, path: Path, patience_s: float) -> None:
    for _ in range(max(1, round(patience_s / _RETRY_S))):
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_RETRY_S)
    raise Unavailable(f"another process has held {path} for {patience_s:g} s")


def read_capped(path: Path, limit_bytes: int) -> bytes:
    """Return the content of a regular file of at most `limit_bytes`.

    Raises
    ------
    FileNotFoundError
        It is not there; the caller knows what that means.
    DamagedModel
        It is too large, or not a regular file.
    Unavailable
        It cannot be read now.
    """
    try:
        # non-blocking, so that a pipe put there cannot hold up the stream
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(str(path)) from error
    except OSError as error:
        raise Unavailable(f"cannot open {path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise DamagedModel(f"{path} is not a regular file")
        content = _read(handle, limit_bytes + 1)
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error
    finally:
        os.close(handle)
    if len(content) > limit_bytes:
        raise DamagedModel(f"{path} is larger than {limit_bytes} bytes")
    return content


def _read(handle: int, limit_bytes: int) -> bytes:
    parts = []
    while limit_bytes > 0 and (part := os.read(handle, min(limit_bytes, _BLOCK_BYTES))):
        parts.append(part)
        limit_bytes -= len(part)
    return b"".join(parts)


def entries(path: Path) -> list[str]:
    """Return the names in a folder; none where there is no such folder.

    Raises
    ------
    Unavailable
        It cannot be read now.
    """
    try:
        return [entry.name for entry in path.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise Unavailable(f"cannot read {path}: {error.strerror}") from error


def is_there(path: Path) -> bool:
    """Whether anything is at `path`; Unavailable where that cannot be known now."""
    try:
        return path.exists()
    except OSError as error:
        raise Unavailable(f"cannot look at {path}: {error.strerror}") from error


def make_folder(path: Path) -> None:
    """Make `path` and what is missing above it, and make them last."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def write_new(path: Path, content: bytes) -> None:
    """Write a file that must not exist yet, and make it last."""
    _write(path, content, os.O_EXCL)


def append(path: Path, content: bytes) -> None:
    """Add to the end of a file, and make it last; a crash can leave the tail torn."""
    _write(path, content, os.O_APPEND)


def replace(path: Path, content: bytes) -> None:
    """Put `content` in place of a file, at once; the caller holds the folder's lock."""
    new = path.with_name(f".{path.name}.new")
    _write(new, content, os.O_TRUNC)
    new.replace(path)
    sync_folder(path.parent)


def move_folder(source: Path, target: Path) -> None:
    """Make a synced folder appear at `target`, which must not exist, at once."""
    sync_folder(source)
    source.rename(target)
    sync_folder(target.parent)


def sync_folder(path: Path) -> None:
    """Make the names in a folder last."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, content: bytes, flags: int) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flags, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(handle, view) :]
        os.fsync(handle)
    finally:
        os.close(handle)
