"""One real Kafka broker in a folder: KRaft, one node, on 127.0.0.1 only."""

from collections.abc import Callable, Mapping
from pathlib import Path

from eddy.sandbox.jars import KAFKA_JARS, Progress, jar_directory
from eddy.sandbox.java import java_command, java_environment
from eddy.sandbox.machine import answers, free_port, is_free, require_port
from eddy.sandbox.server import EmbeddedServer
from eddy.sandbox.storage import BrokerStorage

DEFAULT_PORT = 9092

IsReady = Callable[[str], bool]
"""Asked with the bootstrap servers once the port accepts connections: does the broker answer?"""


class EmbeddedBroker(EmbeddedServer):
    """A Kafka broker that lives in `directory` and listens on `port`.

    It keeps its data: start it again on the same directory and everything is there. Delivery is
    Kafka's own with one copy of each record: what was acknowledged outlives the broker's death
    (``kill -9``), and not that of the machine, because Kafka leaves flushing to the kernel.

    Parameters
    ----------
    directory, port, progress, port_setting
        See `EmbeddedServer`.
    controller_port : int, optional
        Where the controller listens; by default `port` + 1, or any free port when that is taken.
    is_ready : IsReady
        The second stage of readiness, by a real client; an open port alone is not a broker.
    """

    name = "kafka"
    listings = (KAFKA_JARS,)

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
        super().__init__(directory, port, progress=progress, port_setting=port_setting)
        self.controller_port = controller_port
        self._storage = BrokerStorage(self.directory)
        self._answers_clients = is_ready

    @property
    def bootstrap(self) -> str:
        """The bootstrap servers: ``127.0.0.1:9092``."""
        return self.address

    @property
    def log(self) -> Path:
        """Where the broker's output goes when this object starts it."""
        return self.directory / "broker.log"

    def prepare(self) -> None:
        """Make everything ready for a start, with the storage formatted."""
        self._storage.require_unused()
        super().prepare()

    def _write_settings(self) -> None:
        self._storage.write_settings(self.port, self._find_controller_port())
        if not self._storage.is_formatted:
            self._storage.format()

    def _command(self) -> tuple[str, ...]:
        return java_command(self.directory, "kafka.Kafka", str(self._storage.settings))

    def _environment(self) -> Mapping[str, str]:
        return java_environment(jar_directory(KAFKA_JARS))

    def _is_ready(self) -> bool:
        return answers(self.port) and self._answers_clients(self.bootstrap)

    def _find_controller_port(self) -> int:
        if self.controller_port is not None:
            require_port(self.controller_port, "another controller port")
            return self.controller_port
        return self.port + 1 if is_free(self.port + 1) else free_port()
