"""The embedded stack's lake: an object store, a Connect worker, tables, connectors, the watch."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from eddy.app.lake import feed
from eddy.app.lake.tables import every_table
from eddy.app.settings import Settings
from eddy.app.settings.stack_file import StackDefaults, store_folder
from eddy.app.stack import local_stack
from eddy.lake import catalog
from eddy.sandbox.connect import EmbeddedConnect
from eddy.sandbox.machine import LOOPBACK, require_port
from eddy.sandbox.object_store import EmbeddedObjectStore
from eddy.sandbox.processes import BackgroundProcess
from eddy.sandbox.stack import Stack
from eddy.schemas.errors import ConfigError

WATCH = "lake-watch"
_LOCAL_HOSTS = (LOOPBACK, "localhost")

Progress = Callable[[int, int], None]
Say = Callable[[str], None]


def worker_port(settings: Settings) -> int:
    """Return the port of the configured Connect worker.

    Raises
    ------
    ConfigError
        Where the settings name one that is not to be embedded here.
    """
    url = settings.lake.connect_url
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in _LOCAL_HOSTS or not parts.port:
        raise ConfigError(
            f"lake.connect_url: {url}: the embedded Connect worker answers http on {LOOPBACK} "
            "only; with a worker of your own use `eddy lake connect` and `eddy lake watch`"
        )
    return parts.port


def worker(settings: Settings, progress: Progress | None = None) -> EmbeddedConnect:
    """Return the stack's Connect worker, not yet started."""
    return EmbeddedConnect(
        Path(settings.storage.stack) / "connect",
        settings.kafka.bootstrap_servers,
        worker_port(settings),
        progress=progress,
    )


def object_store(
    settings: Settings, port: int, progress: Progress | None = None
) -> EmbeddedObjectStore:
    """Return the stack's object store with the warehouse's bucket, not yet started."""
    return EmbeddedObjectStore(
        store_folder(Path(settings.storage.stack)),
        port,
        buckets=[settings.lake.bucket],
        progress=progress,
    )


def watch(
    settings: Settings, config: Path | None = None, env: Mapping[str, str] | None = None
) -> BackgroundProcess:
    """Describe ``eddy lake watch`` in the background, on the port after the detector's.

    Parameters
    ----------
    config : Path, optional
        The file it reads.
    env : mapping, optional
        Its environment; by default this process' own.
    """
    host, port = settings.health.host, settings.health.port + 1
    arguments = ["--bootstrap-servers", settings.kafka.bootstrap_servers]
    arguments += ["--health-port", str(port)]
    if config is not None:
        arguments += ["--config", str(config.absolute())]
    return BackgroundProcess(
        name=WATCH,
        argv=(sys.executable, "-m", "eddy", "lake", "watch", *arguments),
        env=dict(os.environ if env is None else env),
        ready=lambda: local_stack.answers_ok(f"http://{host}:{port}/live"),
        ports=(port,),
        prepare=lambda: require_port(port, "EDDY_HEALTH__PORT (the watch takes the one after it)"),
    )


def up(
    settings: Settings,
    embedded: StackDefaults,
    say: Say,
    progress: Progress | None = None,
    *,
    config: Path | None = None,
    partitions: int = 8,
) -> Stack:
    """Start what does not run yet of the stack and of its lake. What fails is undone.

    Tables, topics and connectors that were made stay; said again it goes on from there.

    Raises
    ------
    MissingResource
        Where something cannot be had or started; says what to do.
    Unavailable
        Where the catalog, the store or the Connect worker does not answer.
    """
    worker_port(settings)  # before anything is started
    stack = local_stack.up(settings, say, progress, config=config, partitions=partitions)
    try:
        add(stack, settings, embedded, say, progress, config=config)
    except BaseException:  # also Ctrl-C
        stack.end_started(say)
        raise
    return stack


def add(
    stack: Stack,
    settings: Settings,
    embedded: StackDefaults,
    say: Say,
    progress: Progress | None = None,
    *,
    config: Path | None = None,
    env: Mapping[str, str] | None = None,
    prepared: Callable[[BackgroundProcess], BackgroundProcess] = lambda process: process,
) -> None:
    """Start what does not run yet of the lake alone; see `up`.

    Parameters
    ----------
    env : mapping, optional
        The environment of `eddy lake watch`.
    prepared : callable
        Has the last word on each process.
    """
    stack.up([prepared(server) for server in _servers(settings, embedded, progress)], say)
    for creation in catalog.create(settings.lake, every_table()):
        if creation.outcome != "kept":
            say(f"{creation.outcome} table {settings.lake.namespace}.{creation.table}")
    feed.start(settings, say)
    stack.up([prepared(watch(settings, config, env))], say)


def _servers(
    settings: Settings, embedded: StackDefaults, progress: Progress | None
) -> Iterator[BackgroundProcess]:
    if embedded.store_port is not None:
        store = object_store(settings, embedded.store_port, progress)
        store.make_buckets()  # also where it runs already
        yield store.process()
    yield worker(settings, progress).process()
