"""The embedded stack's processes: a broker, the topics and a detector, for `up` and for `demo`."""

import os
import sys
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

from eddy.app import wiring
from eddy.app.settings import Settings
from eddy.sandbox.broker import EmbeddedBroker
from eddy.sandbox.machine import LOOPBACK, require_port
from eddy.sandbox.processes import BackgroundProcess
from eddy.sandbox.stack import Stack
from eddy.schemas.errors import ConfigError
from eddy.streams import inspection
from eddy.streams import topics as kafka_topics

DETECTOR = "detector"
_LOCAL_HOSTS = (LOOPBACK, "localhost")
# The first start compiles the kernels; later ones take a second or two.
_DETECTOR_READY_WITHIN_S = 180.0
_SERVED_WITHIN_S = 30.0
_DETECTOR_STOPS_WITHIN_S = 28.0  # the detector itself gives up tidying after 25 s


def local_port(settings: Settings) -> int:
    """Return the port of the configured broker.

    Raises
    ------
    ConfigError
        Where the settings name a cluster that is not to be embedded here.
    """
    host, _, port = settings.kafka.bootstrap_servers.rpartition(":")
    if host not in _LOCAL_HOSTS or not port.isdigit():
        raise ConfigError(
            f"kafka.bootstrap_servers: {settings.kafka.bootstrap_servers}: the embedded broker "
            f"listens on {LOOPBACK} only; give --port, or use your cluster with `eddy run`"
        )
    if settings.kafka.security_protocol != "PLAINTEXT":
        raise ConfigError("kafka.security_protocol: the embedded broker speaks PLAINTEXT only")
    return int(port)


def broker(
    settings: Settings, progress: Callable[[int, int], None] | None = None
) -> EmbeddedBroker:
    """Return the stack's broker, not yet started."""
    return EmbeddedBroker(
        Path(settings.storage.stack) / "kafka",
        local_port(settings),
        is_ready=kafka_topics.answers,
        progress=progress,
    )


def create_topics(settings: Settings, partitions: int) -> list[str]:
    """Create the topics that are missing, wait until they are served; return their names."""
    names = [wiring.topics(settings, domain) for domain in wiring.chosen_domains(settings)]
    created, _ = kafka_topics.create(settings.kafka, kafka_topics.specs(names, partitions))
    inspection.wait_until_served(settings.kafka, created, _SERVED_WITHIN_S)
    return created


def detector(
    settings: Settings, config: Path | None = None, env: Mapping[str, str] | None = None
) -> BackgroundProcess:
    """Describe ``eddy run`` in the background, ready once ``/ready`` says so.

    Parameters
    ----------
    config : Path, optional
        The file it reads; what the stack decides goes to its command line and so wins.
    env : mapping, optional
        Its environment; by default this process' own.
    """
    health = settings.health
    arguments = ["--bootstrap-servers", settings.kafka.bootstrap_servers]
    arguments += ["--health-port", str(health.port)]
    if config is not None:
        arguments += ["--config", str(config.absolute())]
    url = f"http://{health.host}:{health.port}/ready"
    return BackgroundProcess(
        name=DETECTOR,
        argv=(sys.executable, "-m", "eddy", "run", *arguments),
        env=dict(os.environ if env is None else env),
        ready=lambda: answers_ok(url),
        ports=(health.port,),
        prepare=lambda: require_port(health.port, "EDDY_HEALTH__PORT"),
        ready_within_s=_DETECTOR_READY_WITHIN_S,
        stop_within_s=_DETECTOR_STOPS_WITHIN_S,
    )


def answers_ok(url: str) -> bool:
    """Whether an HTTP GET answers 200 within a second."""
    try:
        with urllib.request.urlopen(url, timeout=1.0) as answer:  # noqa: S310 - ours, on loopback
            return bool(answer.status == 200)
    except OSError:  # URLError and HTTPError are
        return False


def up(
    settings: Settings,
    say: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
    *,
    config: Path | None = None,
    partitions: int = 8,
) -> Stack:
    """Start what does not run yet: broker, topics, detector. What fails is undone.

    Raises
    ------
    MissingResource
        Where something cannot be had or started; says what to do.
    """
    stack = Stack(Path(settings.storage.stack))
    try:
        stack.up([broker(settings, progress).process()], say)
        for name in create_topics(settings, partitions):
            say(f"created topic {name}")
        stack.up([detector(settings, config)], say)
    except BaseException:  # also Ctrl-C
        stack.end_started(say)
        raise
    return stack
