"""One real Kafka broker in a folder: KRaft, one node, on 127.0.0.1 only."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from deploy.embedded.jars import Progress, ensure_jars, jar_directory
from deploy.embedded.java import java_command, java_environment
from deploy.embedded.machine import (
    LOOPBACK,
    answers,
    free_port,
    is_free,
    require_disk,
    require_port,
)
from deploy.embedded.processes import Process, ProcessId, launch, wait_until_ready
from deploy.embedded.storage import Storage

DEFAULT_PORT = 9092

IsReady = Callable[[str], bool]
"""Asked with the bootstrap servers once the port accepts connections: does the broker answer?"""

_ROOM_BYTES = 2**30


class EmbeddedBroker:
    """A Kafka broker that lives in `directory` and listens on `port`.

    It keeps its data: start it again on the same directory and everything is there. Delivery is
    Kafka's own with one copy of each record: what was acknowledged outlives the broker's death
    (``kill -9``), and not that of the machine, because Kafka leaves flushing to the kernel.

    Parameters
    ----------
    directory : Path
        Data, settings and log; created when missing.
    port : int
        Where clients connect.
    controller_port : int, optional
        Where the controller listens; by default `port` + 1, or any free port when that is taken.
    is_ready : IsReady
        The second stage of readiness, by a real client; an open port alone is not a broker.
    progress : Progress, optional
        Told about the download of the jars.
    port_setting : str
        How the user chooses another port, for messages.
    """

    def __init__(
        self,
        directory: Path,
        port: int = DEFAULT_PORT,
        controller_port: int | None = None,
        *,
        is_ready: IsReady,
        progress: Progress | None = None,
        port_setting: str = "--port",
    ) -> None:
        self.directory = directory.absolute()
        self.port = port
        self.controller_port = controller_port
        self.started_in_s = 0.0
        self._storage = Storage(self.directory)
        self._is_ready = is_ready
        self._progress = progress
        self._port_setting = port_setting
        self._running: ProcessId | None = None

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers: ``127.0.0.1:9092``."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """Where the broker's output goes when this object starts it."""
        return self.directory / "broker.log"

    @property
    def pid(self) -> int | None:
        """The pid of the broker this object started, while it runs."""
        running = self._running
        return running.pid if running and running.is_running() else None

    def process(self) -> Process:
        """Describe the broker for a stack; nothing is downloaded, written or started here."""
        return Process(
            name="kafka",
            argv=java_command(self.directory, "kafka.Kafka", str(self._storage.settings)),
            env=java_environment(jar_directory()),
            ready=self._answers,
            ports=(self.port,),
            prepare=self.prepare,
        )

    def prepare(self) -> None:
        """Make everything ready for a start: jars, disk, ports, settings, formatted storage.

        Raises
        ------
        MissingResource
            Names what is not to be had and what to do.
        """
        require_disk(self.directory, _ROOM_BYTES)
        self._storage.require_unused()
        require_port(self.port, self._port_setting)
        controller_port = self._find_controller_port()
        ensure_jars(self._progress)
        self._storage.write_settings(self.port, controller_port)
        if not self._storage.is_formatted:
            self._storage.format()

    def start(self) -> float:
        """Start the broker and wait until it answers; return the seconds since the call.

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
        """End the broker cleanly, by force when it takes longer than 15 s."""
        if self._running:
            self._running.end(self.process().stop_within_s)

    def kill(self) -> None:
        """End the broker with SIGKILL: what a crash looks like."""
        if self._running:
            self._running.kill()

    def restart(self) -> float:
        """Stop the broker where it runs and start it again, same directory, same port."""
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

    def _answers(self) -> bool:
        return answers(self.port) and self._is_ready(self.bootstrap)

    def _find_controller_port(self) -> int:
        if self.controller_port is not None:
            require_port(self.controller_port, "another controller port")
            return self.controller_port
        return self.port + 1 if is_free(self.port + 1) else free_port()
