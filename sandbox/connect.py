"""One Kafka Connect worker that writes Iceberg tables, on 127.0.0.1 only."""

import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from string import Template

from eddy.sandbox.jars import ICEBERG_SINK_JARS, KAFKA_JARS, Progress, jar_directory
from eddy.sandbox.java import java_command, java_environment, java_property
from eddy.sandbox.server import EmbeddedServer
from eddy.schemas.errors import ConfigError

DEFAULT_PORT = 8083
SINK = "org.apache.iceberg.connect.IcebergSinkConnector"

_TEMPLATE = Path(__file__).with_name("connect.properties")
_LOGGING = Path(__file__).with_name("connect-log4j2.properties")
_ANSWERS_WITHIN_S = 2.0


class EmbeddedConnect(EmbeddedServer):
    """A Connect worker that lives in `directory`, uses a broker and answers REST on `port`.

    Connectors, their offsets and their state are kept in topics of that broker, which the worker
    creates; so a worker that is killed is replaced by one with the same `group`.

    Parameters
    ----------
    directory, port, progress, port_setting
        See `EmbeddedServer`. REST answers this machine only: it asks for no password.
    bootstrap : str
        The broker's bootstrap servers.
    group : str
        Workers of one group share their connectors; begins the names of its three topics.
    """

    name = "connect"
    listings = (KAFKA_JARS, ICEBERG_SINK_JARS)
    room_bytes = 256 * 2**20
    ready_within_s = 90.0  # the first start creates three topics
    stop_within_s = 20.0  # its tasks may take ten of them

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
        super().__init__(directory, port, progress=progress, port_setting=port_setting)
        self.bootstrap = bootstrap
        self.group = group

    @property
    def url(self) -> str:
        """The REST address: ``http://127.0.0.1:8083``."""
        return f"http://{self.address}"

    def _command(self) -> tuple[str, ...]:
        main = "org.apache.kafka.connect.cli.ConnectDistributed"
        return java_command(self.directory, main, str(self._settings), logging=_LOGGING)

    def _environment(self) -> Mapping[str, str]:
        return java_environment(jar_directory(KAFKA_JARS))

    @property
    def _settings(self) -> Path:
        return self.directory / "connect.properties"

    def _write_settings(self) -> None:
        """Write the settings, and the plugin folder: Connect takes each folder in it for one."""
        plugins = self.directory / "plugins"
        if "," in str(plugins):  # it would take it for two
            raise ConfigError(f"Connect takes no plugins from a folder with a comma: {plugins}")
        plugins.mkdir(parents=True, exist_ok=True)
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
            plugins: list[dict[str, str]] = json.load(answer)
            return plugins
