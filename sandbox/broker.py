"""One real Kafka broker in a folder: KRaft, one node, on 127.0.0.1 only."""

from collections.abc import Callable
from pathlib import Path

from eddy.sandbox.jars import Progress, ensure_jars, jar_directory
from eddy.sandbox.java import java_command, java_environment
from eddy.sandbox.machine import LOOPBACK, answers, free_port, is_free, require_disk, require_port
from eddy.sandbox.processes import BackgroundProcess
from eddy.sandbox.server import Server
from eddy.sandbox.storage import BrokerStorage

DEFAULT_PORT = 9092

IsReady = Callable[[str], bool]
"""Asked with the bootstrap servers once the port accepts connections: does the broker answer?"""

_ROOM_BYTES = 2**30


class EmbeddedBroker(Server):
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
        super().__init__(directory)
        self.port = port
        self.controller_port = controller_port
        self._storage = BrokerStorage(self.directory)
        self._is_ready = is_ready
        self._progress = progress
        self._port_setting = port_setting

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers: ``127.0.0.1:9092``."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log(self) -> Path:
        """Where the broker's output goes when this object starts it."""
        return self.directory / "broker.log"

    def process(self) -> BackgroundProcess:
        """Describe the broker for a stack; nothing is downloaded, written or started here."""
        return BackgroundProcess(
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

    def _answers(self) -> bool:
        return answers(self.port) and self._is_ready(self.bootstrap)

    def _find_controller_port(self) -> int:
        if self.controller_port is not None:
            require_port(self.controller_port, "another controller port")
            return self.controller_port
        return self.port + 1 if is_free(self.port + 1) else free_port()
