"""Background processes: started in sessions of their own, known by more than a number, ended.

A pid alone does not name a process for long: the kernel hands it to another one. So a process is
known by its pid *and* the moment it started, and nothing is ever signalled whose moment differs.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

from eddy.schemas.errors import MissingResource

_POLL_S = 0.05
_KILL_PATIENCE_S = 10.0
_LOG_LIMIT_BYTES = 16 * 2**20
_LAST_LINES = 8
_ENDED = (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
_ERROR = re.compile(r"\b(ERROR|FATAL)\b|^Caused by: |^\S*(Error|Exception): ")
_SEPARATOR = "=== started by eddy ==="  # a log holds several runs; an error shows the last one only


def _nothing() -> None:
    return None


def _always() -> bool:
    return True


@dataclass(frozen=True)
class BackgroundProcess:
    """A program to run in the background, and the check that it is up.

    Parameters
    ----------
    name : str
        Unique in a stack; names the log file.
    argv : tuple of str
        The program and its arguments.
    ready : callable
        Asked again and again after the start until it says True.
    env : mapping, optional
        The whole environment; by default this process's own.
    ports : tuple of int
        Where it listens; shown by ``eddy status``.
    prepare : callable
        Called before it is started, and only then.
    ready_within_s, stop_within_s : float
        How long it may take to get up, and to end after SIGTERM.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], bool] = _always
    env: Mapping[str, str] | None = None
    ports: tuple[int, ...] = ()
    prepare: Callable[[], None] = _nothing
    ready_within_s: float = 60.0
    stop_within_s: float = 15.0


@dataclass(frozen=True)
class ProcessId:
    """One process and no other: its pid and when it started."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify the process that has `pid` now; one that is gone gets an id nothing matches."""
        return cls(pid, _started(pid) or "gone")

    def is_running(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        if child := _children.get(self):
            return child.poll() is None  # reaps it, too
        return _started(self.pid) == self.started

    def exit_code(self) -> int | None:
        """Return its exit code: negative for a signal, None where it is not known.

        Only the process that started it knows it.
        """
        child = _children.get(self)
        return child.poll() if child else None

    def signal(self, number: int) -> None:
        """Send it a signal; nothing happens when it is gone."""
        if self.is_running():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait for its end; return whether it came."""
        deadline = time.monotonic() + seconds
        while self.is_running():
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_S)
        return True

    def end(self, within_s: float) -> None:
        """End it: SIGTERM, and SIGKILL when it takes longer than `within_s`."""
        self.signal(signal.SIGTERM)
        if not self.wait(within_s):
            self.kill()

    def kill(self) -> None:
        """End it at once with SIGKILL."""
        self.signal(signal.SIGKILL)
        self.wait(_KILL_PATIENCE_S)


# Our own children, kept so that they are reaped and their exit codes known.
_children: dict[ProcessId, subprocess.Popen[bytes]] = {}


def _started(pid: int) -> str | None:
    """Return the process's start in seconds since the boot; None when it has ended.

    Since the boot, because that stays the same when somebody sets the clock.
    """
    try:
        process = psutil.Process(pid)
        # its first thread can be dead while others still hold ports
        if process.status() in _ENDED and process.num_threads() <= 1:
            return None
        return f"{process.create_time() - psutil.boot_time():.2f}"
    except psutil.NoSuchProcess:
        return None


def launch(process: BackgroundProcess, log: Path) -> ProcessId:
    """Start `process` in a session of its own, its output appended to `log`.

    A session of its own, so that Ctrl-C in the terminal reaches us and not it: who started it
    ends it, in order.

    Raises
    ------
    MissingResource
        When the program cannot be executed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    fresh = log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES
    with log.open("wb" if fresh else "ab") as output:
        output.write(f"{_SEPARATOR}\n".encode())
        output.flush()
        try:
            child = subprocess.Popen(
                process.argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=process.env,
                start_new_session=True,
            )
        except OSError as error:
            raise MissingResource(f"{process.name} cannot be started: {error}") from error
    started = ProcessId.of(child.pid)
    _children[started] = child
    return started


def wait_until_ready(process: BackgroundProcess, started: ProcessId, log: Path) -> float:
    """Wait until `process` says it is ready; return the seconds that took.

    Raises
    ------
    MissingResource
        When it ends before that, or takes too long (then it is ended); the message holds the
        last lines it wrote.
    """
    begin = time.monotonic()
    while started.is_running():
        if process.ready():
            return time.monotonic() - begin
        if time.monotonic() - begin > process.ready_within_s:
            started.end(process.stop_within_s)
            raise MissingResource(
                f"{process.name} was not ready after {process.ready_within_s:.0f} s and was "
                f"ended; the last lines of {log}:\n{tail(log)}"
            )
        time.sleep(_POLL_S)
    code = started.exit_code()
    raise MissingResource(
        f"{process.name} ended while it was starting (exit code {code}); "
        f"the last lines of {log}:\n{tail(log)}"
    )


def tail(log: Path) -> str:
    """Return the end of a log's last run: its errors first, then its very last lines.

    A server that gives up goes on logging while it shuts down, so the end alone explains nothing.
    The frames of Java stack traces are left out.
    """
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 256 * 1024))
        run = file.read().decode("utf-8", errors="replace").rpartition(f"{_SEPARATOR}\n")[2]
        lines = [line for line in run.splitlines() if not line.startswith("\tat ")]
        end = max(0, len(lines) - _LAST_LINES)
        errors = [line for line in lines[:end] if _ERROR.search(line)]
        return "\n".join([*errors[:_LAST_LINES], *lines[end:]]) or "(nothing was written)"
    return "(there is none)"
