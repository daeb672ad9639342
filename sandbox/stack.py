"""A stack: named processes that keep running in the background, or for as long as a ``with`` does.

Whatever a stack starts it ends, in reverse order, by pid *and* start time; it never signals
anything else, and nothing it started outlives ``down`` or the ``with``. What it started is
remembered in its directory: a crash of the program that started it leaves nothing that
``eddy down`` does not find.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from filelock import FileLock

from eddy.sandbox.processes import BackgroundProcess, launch, wait_until_ready
from eddy.sandbox.state import ProcessRecord, read_state, write_state
from eddy.schemas.errors import ConfigError, MissingResource

DEFAULT_DIRECTORY = Path(".eddy")

Say = Callable[[str], None]
"""Shows a line of text about the progress."""


@dataclass(frozen=True)
class ProcessStatus:
    """The state of one process of a stack.

    `exit_code` is None while it runs, and where only the program that started it knows it.
    """

    name: str
    pid: int
    is_running: bool
    exit_code: int | None
    ports: tuple[int, ...]
    since: datetime
    log: Path


def _silent(_message: str) -> None:
    return None


class Stack:
    """The processes started in one directory.

    Parameters
    ----------
    directory : Path
        Holds ``state.json`` and ``logs/``; created when missing. One stack a directory: two
        programs that use it at once take turns.
    """

    def __init__(self, directory: Path = DEFAULT_DIRECTORY) -> None:
        self.directory = directory.absolute()
        self._started: list[ProcessRecord] = []  # what this object started, for `end_started`

    def up(self, processes: Sequence[BackgroundProcess], say: Say = _silent) -> list[ProcessStatus]:
        """Start what does not run yet, one after the other, each when the one before is ready.

        When one cannot start, those that this call started are ended again.

        Raises
        ------
        MissingResource
            When a process cannot start; the message holds the last lines of its log.
        ConfigError
            When a process of that name already runs with other settings.
        """
        before = list(self._started)
        with self._turn():
            try:
                for process in processes:
                    self._up_one(process, say)
            except BaseException:  # also Ctrl-C
                self._end([record for record in self._started if record not in before], say)
                raise
        return self.status()

    def down(self, say: Say = _silent) -> list[str]:
        """End everything this directory's stack started, last one first; return the names."""
        if not self.directory.exists():
            return []
        with self._turn():
            return self._end(read_state(self._state), say)

    def end_started(self, say: Say = _silent) -> list[str]:
        """End what this very object started and leave the rest; return the names."""
        if not self._started:
            return []
        with self._turn():
            return self._end(self._started, say)

    def status(self) -> list[ProcessStatus]:
        """Return the state of each process started and not taken down, in starting order."""
        return [
            ProcessStatus(
                name=record.name,
                pid=record.pid,
                is_running=record.id.is_running(),
                exit_code=record.id.exit_code(),
                ports=record.ports,
                since=record.since,
                log=Path(record.log),
            )
            for record in read_state(self._state)
        ]

    @property
    def _state(self) -> Path:
        return self.directory / "state.json"

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the directory's lock; it goes when the process goes."""
        lock = FileLock(self.directory / "lock")
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except OSError as error:
            raise MissingResource(f"cannot write to {self.directory}: {error}") from error
        try:
            yield
        finally:
            lock.release()

    def _up_one(self, process: BackgroundProcess, say: Say) -> None:
        records = read_state(self._state)
        known = next((record for record in records if record.name == process.name), None)
        if known and known.id.is_running():
            if not known.is_of(process):
                raise ConfigError(
                    f"{process.name} already runs (pid {known.pid}) with other settings; "
                    "end it first with `eddy down`"
                )
            say(f"{process.name} already runs (pid {known.pid})")
            return
        say(f"starting {process.name}")
        process.prepare()
        log = self.directory / "logs" / f"{process.name}.log"
        record = ProcessRecord.of(process, started := launch(process, log), log)
        self._started.append(record)
        write_state(self._state, [*(r for r in records if r is not known), record])
        seconds = wait_until_ready(process, started, log)
        say(f"{process.name} is ready after {seconds:.1f} s (pid {record.pid})")

    def _end(self, records: Sequence[ProcessRecord], say: Say) -> list[str]:
        """End `records`, last one first; a second Ctrl-C makes it SIGKILL for all that is left."""
        waiting = list(records)
        try:
            while waiting:
                record = waiting[-1]
                if record.id.is_running():
                    say(f"ending {record.name} (pid {record.pid})")
                    record.id.end(record.stop_within_s)
                self._forget(record)
                waiting.pop()
        except BaseException:
            for record in reversed(waiting):
                record.id.kill()
                self._forget(record)
            raise
        return [record.name for record in reversed(records)]

    def _forget(self, record: ProcessRecord) -> None:
        self._started = [other for other in self._started if other != record]
        write_state(self._state, [r for r in read_state(self._state) if r.id != record.id])


@contextmanager
def running(
    processes: Sequence[BackgroundProcess], directory: Path = DEFAULT_DIRECTORY, say: Say = _silent
) -> Iterator[Stack]:
    """Run `processes` for as long as the ``with`` does, then end what was started, nothing else.

    That holds for exceptions, for Ctrl-C, and for SIGTERM and SIGHUP, which become a
    ``SystemExit`` meanwhile (in the main thread; elsewhere Python takes no signals).
    What already ran in `directory` is used and left running.
    """
    stack = Stack(directory)
    with _signals_as_exit():
        try:
            stack.up(processes, say)
            yield stack
        finally:
            stack.end_started(say)


@contextmanager
def _signals_as_exit() -> Iterator[None]:
    """Turn the signals that would end Python without its ``finally`` into a ``SystemExit``."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, leave) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
