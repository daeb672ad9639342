"""The prediction service: its application on a socket, and the thread that follows the models."""

import signal
import socket
from typing import TYPE_CHECKING

import structlog

from eddy.app import wiring
from eddy.app.settings import Settings
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.installation import pip_install
from eddy.serving.following import Following
from eddy.serving.metrics import ServingMetrics

if TYPE_CHECKING:
    import uvicorn

log = structlog.get_logger()

_LOCAL = ("127.0.0.1", "::1", "localhost")
_BACKLOG = 2_048


def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or Ctrl-C; what is under way then is answered first.

    Raises
    ------
    ConfigError
        FastAPI or uvicorn is not installed.
    MissingResource
        The port is taken.
    """
    config = settings.serving
    metrics = ServingMetrics()
    following = Following(
        wiring.registry(settings),
        config.names,
        FraudParameters,
        metrics,
        config.reload_interval_s,
    )
    server = _server(settings, following, metrics)
    with listen(config.host, config.port) as listening:
        host, port = listening.getsockname()[:2]
        log.info("serving", host=host, port=port, models=config.names)
        if host not in _LOCAL and not config.token_hashes:
            log.warning("open_to_others", why="no serving.token_sha256: whoever comes is answered")
        following.start()
        try:
            _run(server, listening)
        finally:
            following.stop()


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises
    ------
    MissingResource
        The address is taken or is not one of this machine's.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise MissingResource(
            f"serving.port: cannot listen on {host}:{port} ({error.strerror}); "
            "free it or choose another with --port or EDDY_SERVING__PORT (0: any free)"
        ) from error


def _server(settings: Settings, following: Following, metrics: ServingMetrics) -> "uvicorn.Server":
    try:
        import uvicorn  # noqa: PLC0415 - an extra

        from eddy.serving.app import build  # noqa: PLC0415 - FastAPI is one, too
    except ImportError as error:
        raise ConfigError(f"eddy serve needs {error.name}: {pip_install('serve')}") from error
    config = uvicorn.Config(
        build(settings.serving, following, metrics),
        lifespan="off",
        log_config=None,
        access_log=False,
        log_level="warning",
        server_header=False,
        backlog=_BACKLOG,
        timeout_graceful_shutdown=max(1, round(settings.serving.stop_timeout_s)),
    )
    return uvicorn.Server(config)


def _run(server: "uvicorn.Server", listening: socket.socket) -> None:
    """Run until a signal; SIGTERM is a good end, Ctrl-C is told to whoever called."""

    def stop(_signal: int, _frame: object) -> None:
        server.should_exit = True

    # uvicorn handles signals while it runs, then raises what it got for the handler before it
    before = signal.signal(signal.SIGTERM, stop)
    try:
        server.run(sockets=[listening])
    finally:
        signal.signal(signal.SIGTERM, before)
    log.info("stopped")
