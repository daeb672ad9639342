"""A broker's folder: its settings, and its storage formatted with Kafka's own tool."""

import base64
import contextlib
import fcntl
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path
from string import Template

from eddy.sandbox.jars import jar_directory
from eddy.sandbox.java import java_command, java_environment, java_property
from eddy.schemas.errors import ConfigError, MissingResource

_TEMPLATE = Path(__file__).with_name("server.properties")
_FORMAT_TIMEOUT_S = 60


@dataclass(frozen=True)
class BrokerStorage:
    """The folder of one broker: ``server.properties``, ``data/``, ``tmp/``."""

    folder: Path

    @property
    def settings(self) -> Path:
        """The file the broker is started with, written anew before every start."""
        return self.folder / "server.properties"

    @property
    def data(self) -> Path:
        """Kafka's log directory."""
        return self.folder / "data"

    @property
    def is_formatted(self) -> bool:
        """Whether a format came to its end: it writes this file last."""
        return (self.data / "meta.properties").exists()

    def require_unused(self) -> None:
        """Raise when a broker runs on this folder: it holds a lock on a file of its data.

        Raises
        ------
        MissingResource
            Names the folder and what to do.
        """
        with contextlib.suppress(FileNotFoundError), (self.data / ".lock").open("r+b") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise MissingResource(
                    f"a broker already runs on {self.folder}; end it or choose another folder"
                ) from error

    def write_settings(self, port: int, controller_port: int) -> None:
        """Write the settings for these ports.

        Raises
        ------
        MissingResource
            When the folder cannot be written.
        ConfigError
            When Kafka cannot keep data in a folder of that name.
        """
        settings = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
            port=port, controller_port=controller_port, data=_property(self.data)
        )
        try:
            (self.folder / "tmp").mkdir(parents=True, exist_ok=True)
            self.settings.write_text(settings, encoding="ascii")
        except OSError as error:
            raise MissingResource(f"cannot write to {self.folder}: {error}") from error

    def format(self) -> None:
        """Give the empty storage its cluster id.

        Raises
        ------
        MissingResource
            Holds the output of Kafka's tool.
        """
        arguments = ("format", "--ignore-formatted", "--config", str(self.settings))
        identity = ("--cluster-id", _new_cluster_id())
        try:
            subprocess.run(
                java_command(self.folder, "kafka.tools.StorageTool", *arguments, *identity),
                env=java_environment(jar_directory()),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=_FORMAT_TIMEOUT_S,
                check=True,
            )
        except (subprocess.SubprocessError, OSError) as error:
            output: bytes = getattr(error, "output", None) or b""
            text = output.decode("utf-8", errors="replace").strip()[-2000:]
            raise MissingResource(
                f"cannot format Kafka's storage in {self.data}: {error}\n{text}"
            ) from error


def _new_cluster_id() -> str:
    """Return a random id as Kafka writes it: 16 bytes in URL-safe base 64, unpadded.

    Not one that starts with a dash, which a command line would take for an option.
    """
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode("ascii").rstrip("=")
        if not text.startswith("-"):
            return text


def _property(path: Path) -> str:
    """Write a path as a Java property.

    Raises
    ------
    ConfigError
        When it holds a comma, which would make two folders of it.
    """
    text = str(path)
    if "," in text:
        raise ConfigError(f"Kafka cannot keep data in a folder with a comma in its name: {text}")
    return java_property(text)
