"""The demo's folder: held by one demo at a time, emptied at each start, tidied after a death."""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from eddy.sandbox.stack import Stack
from eddy.schemas.errors import ConfigError, MissingResource

FOLDER = "demo"

Say = Callable[[str], None]


@contextmanager
def only_demo(base: Path) -> Iterator[None]:
    """Hold the demo's lock; the kernel lets go of it when the process ends, however it ends.

    Raises
    ------
    ConfigError
        Where another demo holds it.
    """
    try:
        base.mkdir(parents=True, exist_ok=True)
        lock = (base / f"{FOLDER}.lock").open("w")
    except OSError as error:
        raise MissingResource(f"cannot write to {base}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"a demo already runs in {base.absolute()}; end it with Ctrl-C there, "
                "or start this one in another folder, with another --port"
            ) from error
        yield


def end_leftovers(base: Path, say: Say) -> list[str]:
    """End what a demo that was killed has left running; a demo that runs is left alone."""
    if not (base / FOLDER).exists():
        return []
    try:
        with only_demo(base):
            return Stack(base / FOLDER).down(say)
    except ConfigError:
        say("a demo is running here; Ctrl-C in its terminal ends it")
        return []


def empty(directory: Path, say: Say) -> None:
    """Begin anew; the caller holds the lock, so whatever still runs here was left behind."""
    Stack(directory).down(say)
    try:
        if directory.exists():
            shutil.rmtree(directory)
        directory.mkdir(parents=True)
    except OSError as error:
        raise MissingResource(f"cannot empty {directory}: {error}") from error
