"""One server of the stack by itself: to start, stop, kill and start again."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from eddy.sandbox.jars import Progress, ensure_jars
from eddy.sandbox.machine import LOOPBACK, require_disk, require_port
from eddy.sandbox.processes import BackgroundProcess, ProcessId, launch, wait_until_ready
from eddy.schemas.errors import MissingResource


class Server:
    """A server that lives in `directory`; `process` of a subclass describes what to run.

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
        """End the server with SIGKILL: as in a crash."""
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


class EmbeddedServer(Server):
    """A server of the development stack, which listens on one port of this machine only.

    A subclass names itself and its limits, gives the command and the check that it is ready, and
    writes its settings.

    Parameters
    ----------
    directory : Path
        Data, settings and log; created when missing.
    port : int
        Where clients connect.
    progress : Progress, optional
        Called while jars are downloaded.
    port_setting : str
        The user's way to another port, for messages.
    """

    name: ClassVar[str]
    listings: ClassVar[tuple[Path, ...]] = ()  # of the jars it needs
    room_bytes: ClassVar[int] = 2**30
    ready_within_s: ClassVar[float] = 60.0
    stop_within_s: ClassVar[float] = 15.0

    def __init__(
        self,
        directory: Path,
        port: int,
        *,
        progress: Progress | None = None,
        port_setting: str = "--port",
    ) -> None:
        super().__init__(directory)
        self.port = port
        self._progress = progress
        self._port_setting = port_setting

    @property
    def address(self) -> str:
        """Where clients connect: ``127.0.0.1:9000``."""
        return f"{LOOPBACK}:{self.port}"

    def process(self) -> BackgroundProcess:
        """Describe the server for a stack; nothing is downloaded, written or started here."""
        return BackgroundProcess(
            name=self.name,
            argv=self._command(),
            env=self._environment(),
            ready=self._is_ready,
            ports=(self.port,),
            prepare=self.prepare,
            ready_within_s=self.ready_within_s,
            stop_within_s=self.stop_within_s,
        )

    def prepare(self) -> None:
        """Make everything ready for a start: disk, port, program, settings.

        Raises
        ------
        MissingResource
            Names what is missing and what to do.
        ConfigError
            When the program takes no folder of such a name.
        """
        require_disk(self.directory, self.room_bytes)
        require_port(self.port, self._port_setting)
        self._require_program()
        try:
            (self.directory / "tmp").mkdir(parents=True, exist_ok=True)
            self._write_settings()
        except OSError as error:
            raise MissingResource(f"cannot write to {self.directory}: {error}") from error

    def _require_program(self) -> None:
        for listing in self.listings:
            ensure_jars(self._progress, listing)

    def _write_settings(self) -> None:
        """Write what the program reads at its start."""

    def _command(self) -> tuple[str, ...]:
        raise NotImplementedError

    def _environment(self) -> Mapping[str, str]:
        raise NotImplementedError

    def _is_ready(self) -> bool:
        raise NotImplementedError
