"""The lake's parts for tests: an S3 server, a catalog, a Connect worker, PostgreSQL.

Shared ones for the session (`object_store`, `connect`), and servers of one's own, with a disk, to
kill and start again (`own_store`, `own_connect`). `postgres` is real where its programs are
installed; elsewhere its tests are skipped. ``EDDY_TEST_STORE=versitygw`` makes `own_store` that
server instead of the embedded one.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from eddy.lake.config import LakeConfig
from eddy.sandbox.connect import EmbeddedConnect
from eddy.sandbox.machine import LOOPBACK, free_port
from eddy.sandbox.object_store import EmbeddedObjectStore, Versitygw
from eddy.sandbox.processes import BackgroundProcess
from eddy.sandbox.server import Server
from tests.support.brokers import Kafka

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

REGION = "us-east-1"
_USER = "eddy"  # of PostgreSQL


@dataclass(frozen=True)
class ObjectStore:
    """An S3 server to test against.

    Parameters
    ----------
    endpoint : str
        Its URL.
    access_key_id, secret_access_key : str
        The only ones it takes; moto takes any.
    server : Server, optional
        To stop, kill and restart; only a store of one's own has it.
    """

    endpoint: str
    access_key_id: str = "test-key"
    secret_access_key: str = "test-secret"
    server: Server | None = None

    def filesystem(self) -> "FileSystem":
        """Return the store as files; it may create and delete buckets."""
        from pyarrow.fs import S3FileSystem

        return S3FileSystem(
            access_key=self.access_key_id,
            secret_key=self.secret_access_key,
            endpoint_override=self.endpoint.removeprefix("http://"),
            scheme="http",
            region=REGION,
            allow_bucket_creation=True,
            allow_bucket_deletion=True,
        )

    def bucket(self) -> str:
        """Create a bucket nobody else has and return its name."""
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.filesystem().create_dir(name)
        return name

    def lake(self, folder: Path, **settings: object) -> LakeConfig:
        """Return a lake of one's own: a new bucket, and a new SQLite catalog in `folder`.

        `settings` are those of LakeConfig and win: ``catalog=postgres.new_catalog()``,
        ``connect_url=connect.url``. Its `connect_prefix` is one nobody else has.
        """
        unique = uuid.uuid4().hex[:8]
        config = LakeConfig(
            catalog=f"sqlite:///{folder}/catalog-{unique}.db",
            warehouse=f"s3://{self.bucket()}/warehouse",
            endpoint=self.endpoint,
            region=REGION,
            access_key_id=self.access_key_id,
            secret_access_key=self.secret_access_key,
            connect_prefix=f"test-{unique}",
            commit_interval_s=1.0,
        )
        return replace(config, **settings)  # type: ignore[arg-type]


class MotoServer(Server):
    """S3 in memory: quick to start, and empty after a restart."""

    def __init__(self, directory: Path, port: int) -> None:
        super().__init__(directory)
        self.port = port
        self.endpoint = f"http://{LOOPBACK}:{port}"

    def process(self) -> BackgroundProcess:
        """Describe it for `start`."""
        return BackgroundProcess(
            name="moto",
            argv=(sys.executable, "-m", "moto.server", "-H", LOOPBACK, "-p", str(self.port)),
            ready=self._answers,
            ports=(self.port,),
        )

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/moto-api/", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """One S3 server (moto) for the session: share it, with buckets of your own."""
    with MotoServer(tmp_path_factory.mktemp("moto"), free_port()) as server:
        yield ObjectStore(server.endpoint)


@contextmanager
def persistent_store(folder: Path, kind: str | None = None) -> Iterator[ObjectStore]:
    """Run an S3 server that keeps its data in `folder` for as long as the ``with`` does."""
    chosen = kind or os.environ.get("EDDY_TEST_STORE", "embedded")
    made = {"embedded": EmbeddedObjectStore, "versitygw": Versitygw}[chosen]
    with made(folder, free_port()) as server:
        keys = server.credentials
        yield ObjectStore(server.endpoint, keys.access_key_id, keys.secret_access_key, server)


@pytest.fixture
def own_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An S3 server of one's own that keeps its data, to kill and start (`own_store.server`)."""
    with persistent_store(tmp_path_factory.mktemp("own-store")) as store:
        yield store


@pytest.fixture
def lake_config(object_store: ObjectStore, tmp_path: Path) -> LakeConfig:
    """A lake of one's own on the shared store, with an SQLite catalog; no tables yet."""
    return object_store.lake(tmp_path)


@pytest.fixture(scope="session")
def connect(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedConnect]:
    """One Connect worker for the session, on its broker: share it, with your own prefix."""
    folder = tmp_path_factory.mktemp("connect")
    with connect_worker(folder, kafka) as worker:
        yield worker


@contextmanager
def connect_worker(folder: Path, kafka: Kafka) -> Iterator[EmbeddedConnect]:
    """Run a worker in a group of its own for as long as the ``with`` does."""
    group = f"connect-{uuid.uuid4().hex[:8]}"
    with EmbeddedConnect(folder, kafka.bootstrap, free_port(), group=group) as worker:
        yield worker


@pytest.fixture
def own_connect(
    own_broker: Kafka, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmbeddedConnect]:
    """A worker of one's own on `own_broker`, to stop, kill and restart."""
    with connect_worker(tmp_path_factory.mktemp("own-connect"), own_broker) as worker:
        yield worker


class PostgresServer(Server):
    """PostgreSQL in a folder, on 127.0.0.1, without passwords.

    It refuses to run as root: then it, and its folder, are nobody's.
    """

    def __init__(self, directory: Path, programs: Path, port: int) -> None:
        super().__init__(directory)
        self._programs = programs
        self.port = port

    def process(self) -> BackgroundProcess:
        """Describe it for `start`."""
        options = ("-h", LOOPBACK, "-p", str(self.port), "-k", "", "-c", "fsync=off")
        return BackgroundProcess(
            name="postgres",
            argv=self._command("postgres", "-D", str(self._data), *options),
            ready=self._answers,
            ports=(self.port,),
            prepare=self._prepare,
        )

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _prepare(self) -> None:
        if self._data.exists():
            return
        self.directory.mkdir(parents=True, exist_ok=True)
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(self._data, "nobody")
        arguments = ("-D", str(self._data), "-U", _USER, "-A", "trust", "-E", "UTF8")
        subprocess.run(
            self._command("initdb", *arguments, "--no-sync", "--locale=C"),
            check=True,
            capture_output=True,
            cwd="/",
        )

    def _command(self, program: str, *arguments: str) -> tuple[str, ...]:
        as_nobody = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--")
        first = as_nobody if os.geteuid() == 0 else ()
        return (*first, str(self._programs / program), *arguments)

    def _answers(self) -> bool:
        command = [str(self._programs / "pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server to test against."""

    server: PostgresServer

    def new_catalog(self) -> str:
        """Create a database nobody else has and return it as ``lake.catalog``."""
        import pg8000.dbapi

        name, port = f"lake_{uuid.uuid4().hex[:8]}", self.server.port
        connection = pg8000.dbapi.connect(_USER, host=LOOPBACK, port=port, database="postgres")
        try:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {name}")
        finally:
            connection.close()
        return f"postgresql://{_USER}@{LOOPBACK}:{port}/{name}"


def postgres_programs() -> Path | None:
    """Return the folder of PostgreSQL's programs, or None where there is none."""
    if config := shutil.which("pg_config"):
        told = subprocess.run([config, "--bindir"], capture_output=True, text=True, check=True)
        folder = Path(told.stdout.strip())
    elif server := shutil.which("postgres"):
        folder = Path(server).resolve().parent
    else:
        return None
    return folder if (folder / "initdb").exists() else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for the session, with databases of your own (`new_catalog()`)."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (no pg_config and no postgres on the PATH)")
    if os.geteuid() == 0 and not shutil.which("setpriv"):
        pytest.skip("PostgreSQL does not run as root, and there is no setpriv to become nobody")
    # not pytest's own folder, which nobody but its user may enter
    with tempfile.TemporaryDirectory(prefix="eddy-postgres-") as folder:
        Path(folder).chmod(0o711)
        with PostgresServer(Path(folder), programs, free_port()) as server:
            yield Postgres(server)
