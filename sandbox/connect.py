"""One Kafka Connect worker that writes Iceberg tables, on 127.0.0.1 only."""

import json
import urllib.request
from pathlib import Path
from string import Template

from eddy.sandbox.jars import ICEBERG_SINK_JARS, Progress, ensure_jars, jar_directory
from eddy.sandbox.java import java_command, java_environment, java_property
from eddy.sandbox.machine import LOOPBACK, require_disk, require_port
from eddy.sandbox.processes import BackgroundProcess
from eddy.sandbox.server import Server
from eddy.schemas.errors import ConfigError, MissingResource

DEFAULT_PORT = 8083
SINK = "org.apache.iceberg.connect.IcebergSinkConnector"

_TEMPLATE = Path(__file__).with_name("connect.properties")
_LOGGING = Path(__file__).with_name("connect-log4j2.properties")
_ROOM_BYTES = 256 * 2**20
_ANSWERS_WITHIN_S = 2.0
_READY_WITHIN_S = 90.0  # the first start creates three topics
_STOPS_WITHIN_S = 20.0  # its tasks may take ten of them


class EmbeddedConnect(Server):
    """A Connect worker that lives in `directory`, uses a broker and answers REST on `port`.

    Connectors, their offsets and their state are kept in topics of that broker, which the worker
    creates; so a worker that is killed is replaced by one with the same `group`.

    Parameters
    ----------
    directory : Path
        Settings and log; created when missing.
    bootstrap : str
        The broker's bootstrap servers.
    port : int
        Where REST answers, to this machine only: it asks for no password.
    group : str
        Workers of one group share their connectors; begins the names of its three topics.
    progress : Progress, optional
        Told about the download of the jars.
    port_setting : str
        How the user chooses another port, for messages.
    """

    def __init__(
        self,
        directory: Path,
        bootstrap: str,
        port: int = DEFAULT_PORT,
        *,
        group: str = "eddy.connect",
        progress: Progress | None = None,
        port_setting: str = "EDDY_LAKE__CONNECT_URL",
    ) -> None:
        super().__init__(directory)
        self.bootstrap = bootstrap
        self.port = port
        self.group = group
        self._progress = progress
        self._port_setting = port_setting

    @property
    def url(self) -> str:
        """The REST address: ``http://127.0.0.1:8083``."""
        return f"http://{LOOPBACK}:{self.port}"

    def process(self) -> BackgroundProcess:
        """Describe the worker for a stack; nothing is downloaded, written or started here."""
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        return BackgroundProcess(
            name="connect",
            argv=java_command(self.directory, main, str(self._settings), logging=_LOGGING),
            env=java_environment(jar_directory()),
            ready=self._is_ready,
            ports=(self.port,),
            prepare=self.prepare,
            ready_within_s=_READY_WITHIN_S,
            stop_within_s=_STOPS_WITHIN_S,
        )

    def prepare(self) -> None:
        """Make everything ready for a start: disk, port, jars, settings.

        Raises
        ------
        MissingResource
            Names what is not to be had and what to do.
        ConfigError
            When the folder's name holds a comma.
        """
        require_disk(self.directory, _ROOM_BYTES)
        require_port(self.port, self._port_setting)
        ensure_jars(self._progress)
        ensure_jars(self._progress, ICEBERG_SINK_JARS)
        try:
            self._write()
        except OSError as error:
            raise MissingResource(f"cannot write to {self.directory}: {error}") from error

    @property
    def _settings(self) -> Path:
        return self.directory / "connect.properties"

    def _write(self) -> None:
        """Write the settings, and the plugin folder: Connect takes each folder in it for one."""
        plugins = self.directory / "plugins"
        if "," in str(plugins):  # it would take it for two
            raise ConfigError(f"Connect takes no plugins from a folder with a comma: {plugins}")
        plugins.mkdir(parents=True, exist_ok=True)
        (self.directory / "tmp").mkdir(exist_ok=True)
        link = plugins / "iceberg"
        link.unlink(missing_ok=True)
        link.symlink_to(jar_directory(ICEBERG_SINK_JARS), target_is_directory=True)
        settings = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
            bootstrap=self.bootstrap,
            group=self.group,
            port=self.port,
            plugins=java_property(str(plugins)),
        )
        self._settings.write_text(settings, encoding="ascii")

    def _is_ready(self) -> bool:
        """Whether the worker is in its group and has found the sink."""
        try:
            self._get("/health")
            return any(plugin["class"] == SINK for plugin in self._get("/connector-plugins"))
        except (OSError, ValueError):  # URLError and HTTPError are
            return False

    def _get(self, path: str) -> list[dict[str, str]]:
        address = f"{self.url}{path}"
        with urllib.request.urlopen(address, timeout=_ANSWERS_WITHIN_S) as answer:  # noqa: S310
            found: list[dict[str, str]] = json.load(answer)
            return found
