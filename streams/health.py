"""``/live``, ``/ready`` and ``/metrics`` on their own port, answered from their own thread.

A thread answers even when the event loop hangs; that is the point: liveness is judged by
progress, not by the ability to answer.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from eddy.schemas.errors import MissingResource


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """An answer to "are you alive" or "are you ready"."""

    ok: bool
    detail: str


class HealthServer:
    """Serves the three paths until closed.

    Parameters
    ----------
    registry : CollectorRegistry
        What ``/metrics`` shows.
    live, ready : callable
        Give the `ProbeResult` of the moment.
    host, port : str, int
        Port 0 takes a free one; `port` tells which.

    Raises
    ------
    MissingResource
        Where the port is taken.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        live: Callable[[], ProbeResult],
        ready: Callable[[], ProbeResult],
        host: str,
        port: int,
    ) -> None:
        handler = type("Handler", (_Handler,), {"probes": {"/live": live, "/ready": ready}})
        handler.registry = registry  # type: ignore[attr-defined]
        try:
            self._server = ThreadingHTTPServer((host, port), handler)
        except OSError as error:
            raise MissingResource(
                f"health.port: cannot listen on {host}:{port} ({error.strerror}); "
                "free it or choose another with --health-port or EDDY_HEALTH__PORT (0: any free)"
            ) from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _Handler(BaseHTTPRequestHandler):
    registry: CollectorRegistry
    probes: dict[str, Callable[[], ProbeResult]]

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, generate_latest(self.registry), CONTENT_TYPE_LATEST)
        elif path in self.probes:
            health = self.probes[path]()
            body = msgspec.json.encode({"ok": health.ok, "detail": health.detail})
            self._answer(200 if health.ok else 503, body, "application/json")
        else:
            self._answer(404, b'{"detail":"try /live, /ready or /metrics"}', "application/json")

    def _answer(self, status: int, body: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Probes come every few seconds; they are not news."""
