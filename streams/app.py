"""The Faust app: an agent that judges batches, and one that hears commands.

::

    reader thread -> SteadyChannel(maxsize) -> agent `judge`
    topic `control` -> agent `hear`

An error in an agent is told to whoever owns the app instead of being acknowledged.
"""

import uuid
from collections.abc import Awaitable, Callable
from typing import Any, cast

import faust
import structlog

from eddy.streams import control
from eddy.streams.batch import Batch
from eddy.streams.channel import SteadyChannel
from eddy.streams.config import EngineConfig
from eddy.streams.connection import Connection

log = structlog.get_logger()

_RELOADS = ("model_promoted", "configuration_reloaded")


class App:
    """Built without starting anything.

    Parameters
    ----------
    control_topic : str
        Where commands are heard.
    scratch : str
        Folder for Faust's own files; holds nothing of worth.
    process : callable
        Judges a batch.
    reload : callable
        Looks for new models.
    fail : callable
        Told of an error in an agent; the process must end then.
    """

    def __init__(
        self,
        config: EngineConfig,
        connection: Connection,
        control_topic: str,
        scratch: str,
        *,
        process: Callable[[Batch], Awaitable[None]],
        reload: Callable[[], Awaitable[None]],
        fail: Callable[[BaseException], None],
    ) -> None:
        self._process, self._reload, self._fail = process, reload, fail
        # A group of its own for every start: commands are hints, so nothing is resumed, and a group
        # that still waits for a dead member would hold up start and stop.
        self._app = faust.App(
            f"{config.group}.control.{config.instance_id}.{uuid.uuid4().hex[:8]}",
            broker=connection.faust_broker(),
            broker_credentials=connection.faust_credentials(),
            store="memory://",
            topic_allow_declare=False,
            topic_disable_leader=True,
            web_enabled=False,
            consumer_auto_offset_reset="latest",
            datadir=scratch,
        )
        self._batches = SteadyChannel(self._app, maxsize=config.queue_batches)
        self._app.agent(self._batches, name="judge")(self._judge)
        commands = self._app.topic(control_topic, value_serializer="raw", key_serializer="raw")
        self._app.agent(commands, name="hear")(self._hear)

    async def start(self) -> None:
        """Start the agents; returns only when the app is stopped."""
        await self._app.start()

    async def stop(self) -> None:
        """Stop; may wait long for a broker that does not answer."""
        await self._app.stop()

    async def put(self, batch: Batch) -> None:
        """Queue a batch for the judging agent; waits while the queue is full."""
        await self._batches.put(cast("Any", batch))  # a channel takes what it is given

    def release_queued(self) -> None:
        """Throw away what waits in the queue."""
        for batch in self._batches.drain():
            batch.release()

    async def _judge(self, stream: Any) -> None:
        async for batch in stream:
            try:
                await self._process(batch)
            except BaseException as error:
                self._fail(error)
                raise

    async def _hear(self, stream: Any) -> None:
        async for payload in stream:
            command = control.parse(payload)
            if command is not None and command.kind in _RELOADS:
                log.info("command_heard", kind=command.kind, name=command.name)
                try:
                    await self._reload()
                except BaseException as error:
                    self._fail(error)
                    raise
