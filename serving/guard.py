"""The guard at the door: who comes in, how much is carried in, and how long it may take.

Pure ASGI around the application, so that nothing of a request is read before it was let in.
"""

import asyncio
import time
import traceback
from collections.abc import Collection, Mapping
from typing import Any

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from eddy.serving.config import ServingConfig
from eddy.serving.metrics import ServingMetrics
from eddy.serving.problems import RequestRefused
from eddy.serving.tokens import Tokens

log = structlog.get_logger()

PROBES = frozenset({"/live", "/ready"})
"""Open to everybody, however much is under way."""

_NOT_COUNTED = PROBES | {"/metrics"}


class Guard:
    """Lets requests through to an application within the limits of the settings.

    Every answer is counted, and one that went wrong is a problem too.

    Parameters
    ----------
    app : ASGI application
    config : ServingConfig
    routes : collection of str
        The paths there are; all others are one label in the metrics.
    body_limits : mapping of str to int
        By path, in bytes; `config.max_body_bytes` for all others.
    metrics : ServingMetrics
    """

    def __init__(
        self,
        app: ASGIApp,
        config: ServingConfig,
        *,
        routes: Collection[str],
        body_limits: Mapping[str, int],
        metrics: ServingMetrics,
    ) -> None:
        self._app = app
        self._config = config
        self._routes = frozenset(routes)
        self._body_limits = body_limits
        self._metrics = metrics
        self._tokens = Tokens(config.token_hashes)
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        route = path if path in self._routes else "other"
        answer = _Answer(send)
        began = time.perf_counter()
        with self._metrics.in_flight.track_inprogress():
            await self._answered(scope, receive, answer)
        self._metrics.requests.labels(route, answer.status).inc()
        self._metrics.request_seconds.labels(route).observe(time.perf_counter() - began)

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        try:
            await self._let_in(scope, receive, answer)
        except RequestRefused as refused:
            await answer.instead(refused, scope, receive)
        except ClientDisconnect:  # nobody is there to be told
            answer.status = "disconnected"
        except Exception as error:
            kind = type(error).__name__
            log.error("request_failed", kind=kind, at=_frames(error))  # noqa: TRY400 - see there
            await answer.instead(RequestRefused(500, "a defect; it is in the log"), scope, receive)

    async def _let_in(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        headers = dict(scope["headers"])
        path = scope["path"]
        if path not in PROBES:
            self._tokens.check(headers.get(b"authorization"))
        if path in _NOT_COUNTED:
            await self._app(scope, receive, answer.send)
            return
        if self._under_way >= self._config.max_requests:
            raise RequestRefused(503, "too many requests at once", headers={"Retry-After": "1"})
        limit = self._body_limits.get(path, self._config.max_body_bytes)
        body = _Body(receive, limit, headers.get(b"content-length"))
        self._under_way += 1
        try:
            async with asyncio.timeout(self._config.request_timeout_s):
                await self._app(scope, body.receive, answer.send)
        except TimeoutError:
            raise _too_slow(body) from None
        finally:
            self._under_way -= 1


def _frames(error: Exception) -> list[str]:
    """Return where it went wrong; a full traceback could show what the body held."""
    frames = traceback.extract_tb(error.__traceback__)
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def _too_slow(body: "_Body") -> RequestRefused:
    if body.is_complete:
        return RequestRefused(503, "it took too long", headers={"Retry-After": "1"})
    return RequestRefused(408, "the body did not come in time", headers={"Connection": "close"})


class _Body:
    """Hands on the body of a request until it is too large."""

    def __init__(self, receive: Receive, limit: int, length: bytes | None) -> None:
        self._receive = receive
        self._limit = limit
        self._got = 0
        self.is_complete = False
        if length is not None and (not length.isdigit() or int(length) > limit):
            raise self._too_large()

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._got += len(message.get("body", b""))
            self.is_complete = not message.get("more_body", False)
            if self._got > self._limit:
                raise self._too_large()
        return message

    def _too_large(self) -> RequestRefused:
        return RequestRefused(
            413, f"the body is larger than {self._limit} bytes", headers={"Connection": "close"}
        )


class _Answer:
    """Hands on an answer and keeps its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = ""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = str(message["status"])
        await self._send(message)

    async def instead(self, refused: RequestRefused, scope: Scope, receive: Receive) -> None:
        """Send a problem, unless an answer has begun."""
        if not self.status:
            await refused.response()(scope, receive, self.send)
