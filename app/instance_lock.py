"""One process of a name: a lock on a file in the stack's folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from eddy.app.settings import Settings
from eddy.schemas.errors import ConfigError, MissingResource


@contextmanager
def only_instance(settings: Settings) -> Iterator[None]:
    """Hold this machine's lock on the group and instance id; the file holds the process' number.

    The operating system releases the lock of a process that ends, however it ends.

    Raises
    ------
    ConfigError
        Another process holds it.
    MissingResource
        The folder cannot be written.
    """
    engine = settings.engine
    folder = Path(settings.storage.stack) / "locks"
    path = folder / f"{engine.group}.{engine.instance_id}.lock"
    lock = FileLock(path, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        path.write_text(str(os.getpid()))
    except Timeout as error:
        raise ConfigError(
            f"engine.instance_id: a process already runs as {engine.instance_id!r} in group "
            f"{engine.group!r} here; give each its own with --instance-id or "
            "EDDY_ENGINE__INSTANCE_ID"
        ) from error
    except OSError as error:
        raise MissingResource(f"storage.stack: {folder}: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()
