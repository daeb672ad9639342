"""One server of the stack, by itself: what tests stop, kill and start again."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from eddy.sandbox.processes import BackgroundProcess, ProcessId, launch, wait_until_ready


class Server:
    """A server that lives in `directory`; those that are one say with `process` what to run.

    Parameters
    ----------
    directory : Path
        Data, settings and log; created when missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.started_in_s = 0.0
        self._running: ProcessId | None = None

    def process(self) -> BackgroundProcess:
        """Describe the server for a stack; nothing is downloaded, written or started here."""
        raise NotImplementedError

    @property
    def log(self) -> Path:
        """Where the server's output goes when this object starts it."""
        return self.directory / "server.log"

    @property
    def pid(self) -> int | None:
        """The pid of the server this object started, while it runs."""
        running = self._running
        return running.pid if running and running.is_running() else None

    def start(self) -> float:
        """Start the server and wait until it answers; return the seconds since the call.

        Raises
        ------
        MissingResource
            When it cannot start; the message says why, or holds the last lines of its log.
        """
        if self.pid:
            return self.started_in_s
        begin = time.monotonic()
        process = self.process()
        process.prepare()
        self._running = launch(process, self.log)
        try:
            wait_until_ready(process, self._running, self.log)
        except BaseException:  # also Ctrl-C: nobody else knows of this process
            self._running.kill()
            raise
        self.started_in_s = time.monotonic() - begin
        return self.started_in_s

    def stop(self) -> None:
        """End the server cleanly, by force when it takes longer than it may."""
        if self._running:
            self._running.end(self.process().stop_within_s)

    def kill(self) -> None:
        """End the server with SIGKILL: what a crash looks like."""
        if self._running:
            self._running.kill()

    def restart(self) -> float:
        """Stop the server where it runs and start it again, same directory, same port."""
        self.stop()
        return self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
