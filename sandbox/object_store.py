"""S3 servers that keep objects in a folder, on 127.0.0.1 only: S3Proxy, and versitygw by choice."""

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from eddy.sandbox.credentials import Credentials, write_private
from eddy.sandbox.jars import OBJECT_STORE_JARS, Progress, jar_directory
from eddy.sandbox.java import java_command, java_environment, java_property
from eddy.sandbox.machine import LOOPBACK
from eddy.sandbox.server import EmbeddedServer
from eddy.schemas.errors import MissingResource

REGION = "us-east-1"

_HEAP = "-Xmx256m"


class ObjectStoreServer(EmbeddedServer):
    """An S3 server that lives in `directory` and answers on `port`, with path-style addresses.

    It keeps its data: start it again on the same directory and everything is there. An object
    whose upload was acknowledged outlives the server's death (``kill -9``), and not that of the
    machine, because flushing is left to the kernel. A bucket is a folder, made before the start.

    Parameters
    ----------
    directory, port, progress, port_setting
        See `EmbeddedServer`.
    buckets : sequence of str
        Made when missing.
    """

    name = "object-store"

    def __init__(
        self,
        directory: Path,
        port: int,
        *,
        buckets: Sequence[str] = (),
        progress: Progress | None = None,
        port_setting: str = "--store-port",
    ) -> None:
        super().__init__(directory, port, progress=progress, port_setting=port_setting)
        self._buckets = tuple(buckets)

    @property
    def endpoint(self) -> str:
        """Its URL: ``http://127.0.0.1:9000``."""
        return f"http://{self.address}"

    @property
    def credentials(self) -> Credentials:
        """The only ones it takes; made when they are first asked for."""
        return Credentials.kept_in(self.directory)

    def _write_settings(self) -> None:
        self.make_buckets()

    def make_buckets(self) -> None:
        """Make the buckets that are missing; the server may be running.

        Raises
        ------
        MissingResource
            When the folder cannot be written.
        """
        try:
            for folder in (self._data, *(self._data / name for name in self._buckets)):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MissingResource(f"cannot write to {self.directory}: {error}") from error

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _is_ready(self) -> bool:
        """Whether it refuses who shows no key, as only an S3 server with keys does."""
        try:
            with urllib.request.urlopen(f"{self.endpoint}/", timeout=2.0):  # noqa: S310
                return False
        except urllib.error.HTTPError as error:
            with error:
                return error.code == 403
        except OSError:
            return False


class EmbeddedObjectStore(ObjectStoreServer):
    """S3Proxy over a folder, run by the same Java as the broker."""

    listings = (OBJECT_STORE_JARS,)

    @property
    def _settings(self) -> Path:
        return self.directory / "s3proxy.properties"

    def _write_settings(self) -> None:
        """Write the settings; the secret is among them, so nobody else may read the file."""
        super()._write_settings()
        settings = {
            "s3proxy.endpoint": self.endpoint,
            "s3proxy.authorization": "aws-v2-or-v4",
            "s3proxy.identity": self.credentials.access_key_id,
            "s3proxy.credential": self.credentials.secret_access_key,
            "jclouds.provider": "filesystem-nio2",
            "jclouds.filesystem.basedir": java_property(str(self._data)),
        }
        lines = [f"{key}={value}\n" for key, value in settings.items()]
        write_private(self._settings, "".join(lines))

    def _command(self) -> tuple[str, ...]:
        main = "org.gaul.s3proxy.Main"
        java, *rest = java_command(self.directory, main, "--properties", str(self._settings))
        at = rest.index(main)
        options = (_HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
        return (java, *rest[:at], *options, *rest[at:])

    def _environment(self) -> Mapping[str, str]:
        return java_environment(jar_directory(OBJECT_STORE_JARS))


class Versitygw(ObjectStoreServer):
    """The ``versitygw`` that is on the PATH, over a folder."""

    def _require_program(self) -> None:
        if not shutil.which("versitygw"):
            raise MissingResource("there is no versitygw on the PATH; see its project for one")

    def _command(self) -> tuple[str, ...]:
        options = ("--port", f"{LOOPBACK}:{self.port}", "--region", REGION, "--quiet")
        return (shutil.which("versitygw") or "versitygw", *options, "posix", str(self._data))

    def _environment(self) -> Mapping[str, str]:
        keys = self.credentials
        return {
            **os.environ,
            "ROOT_ACCESS_KEY_ID": keys.access_key_id,
            "ROOT_SECRET_ACCESS_KEY": keys.secret_access_key,
        }
