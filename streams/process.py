"""The process: everything that runs beside the app, from the first connection to a good end.

Building runs nothing; `run` starts everything and ends everything it started. An error anywhere
stops the process with a non-zero exit code instead of being acknowledged.
"""

import asyncio
import gc
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import NoReturn

import structlog

from eddy.schemas import scored_records
from eddy.schemas.decoding import Decoder
from eddy.schemas.errors import EddyError, FatalError
from eddy.streams.app import App
from eddy.streams.checkpoints import Checkpoints, open_store
from eddy.streams.engine import Engine
from eddy.streams.fetchers import open_fetcher
from eddy.streams.health import HealthServer
from eddy.streams.label_updates import LabelUpdates
from eddy.streams.labels import LabelFeed
from eddy.streams.membership import Membership
from eddy.streams.metrics import Metrics
from eddy.streams.probes import Probes
from eddy.streams.publisher import Publisher
from eddy.streams.reader import Reader
from eddy.streams.rebalances import RebalanceListener
from eddy.streams.wiring import Wiring

log = structlog.get_logger()

_TICK_S = 0.01
_LABELS_S = 1.0
_STOP_LIMIT_S = 20.0


class Process:
    """One running detector process; made and run on one event loop."""

    def __init__(self, wiring: Wiring, metrics: Metrics) -> None:
        config, connection = wiring.config, wiring.connection
        self._wiring = wiring
        self._config = config
        self._metrics = metrics
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self.ended = True
        self._loop = asyncio.get_running_loop()
        self._reader_thread = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._membership_thread = ThreadPoolExecutor(1, thread_name_prefix="membership")
        lanes = {lane.route.topics.events: lane for lane in wiring.lanes}
        decoders = {
            topic: Decoder(lane.domain.event_type, config.max_skew_s)
            for topic, lane in lanes.items()
        }
        for topic, lane in lanes.items():
            decoders[topic].prepare()
            lane.warm_up()
        if config.publish_scored:
            scored_records.prepare()
        labelled = [lane.domain.name for lane in wiring.lanes if lane.domain.is_labelled]
        feed = LabelFeed(connection, wiring.labels_topic, labelled, metrics)
        self._labels = LabelUpdates(feed, metrics)
        self._reader = Reader(open_fetcher(config.reader, connection, config.group), decoders)
        self._membership = Membership(
            connection, config.group, config.instance_id, config.session_timeout_ms
        )
        self._publisher = Publisher(
            connection,
            f"{config.group}.{config.instance_id}",
            config.transaction_timeout_ms,
            native=config.reader != "portable",
        )
        self.engine = Engine(
            config,
            lanes,
            self._reader,
            self._reader_thread,
            self._membership,
            self._publisher,
            Checkpoints(open_store(wiring.checkpoints_url), config.group),
            self._labels,
            metrics,
        )
        self.probes = Probes(self.engine, metrics, config.liveness_timeout_s)
        self._app = App(
            config,
            connection,
            wiring.control_topic,
            wiring.scratch,
            process=self.engine.process,
            reload=self.engine.reload,
            fail=self._fail,
        )

    # -- loops --------------------------------------------------------------------------------

    async def _read_forever(self) -> None:
        size, timeout_ms = self._config.batch_size, self._config.read_timeout_ms
        while not self._stop.is_set():
            reading = await self._loop.run_in_executor(
                self._reader_thread, self._reader.read, size, timeout_ms
            )
            self.probes.read(reading.batch is not None)
            if reading.errors:
                await self.engine.read_errors(reading.errors)
            if reading.batch is not None:
                await self._app.put(reading.batch)

    async def _tick_forever(self) -> None:
        while not self._stop.is_set():
            await asyncio.sleep(_TICK_S)
            await self.engine.tick()

    async def _watch_forever(self) -> None:
        looked = time.monotonic()
        while not self._stop.is_set():
            await asyncio.sleep(0.5)
            self.probes.observe()
            if self._wiring.until_done and self.probes.done():
                self._stop.set()
            if time.monotonic() - looked >= self._wiring.reload_interval_s:
                looked = time.monotonic()
                await self.engine.reload()

    async def _learn_forever(self) -> None:
        while not self._stop.is_set():
            await asyncio.sleep(_LABELS_S)
            await self.engine.take_labels()

    async def _stay_member(self) -> None:
        while not self._stop.is_set():
            await self._loop.run_in_executor(self._membership_thread, self._membership.poll, 0.01)

    # -- life ---------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until told to stop; what was open is committed, checkpoints are left.

        Raises
        ------
        FatalError
            Where the process had to end.
        """
        health = HealthServer(
            self._metrics.registry,
            self.probes.live,
            self.probes.ready,
            self._wiring.health_host,
            self._wiring.health_port,
        )
        log.info(
            "starting",
            group=self._config.group,
            instance=self._config.instance_id,
            health_port=health.port,
            loop=type(self._loop).__module__,
        )
        try:
            await self._run()
        finally:
            health.close()
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Ask the process to end in good order."""
        self._stop.set()

    async def _run(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.stop)
        await self._loop.run_in_executor(None, self._publisher.connect)
        self.ended = False
        # What is there now stays to the end: without it, collections cost the portable reader,
        # which makes an object per record, a third of its speed (docs/explanation/benchmarks.md).
        gc.collect()
        gc.freeze()
        topics = [lane.route.topics.events for lane in self._wiring.lanes]
        self._membership.join(topics, RebalanceListener(self.engine, self._loop))
        loops = [
            asyncio.create_task(self._or_fail(loop))
            for loop in (
                self._app.start,
                self._learn_forever,
                self._read_forever,
                self._tick_forever,
                self._watch_forever,
                self._stay_member,
            )
        ]
        await self._stop.wait()
        log.info("stopping", failed=self._failure is not None)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._end(loops), _STOP_LIMIT_S)
        log.info("stopped")

    async def _end(self, loops: Sequence[asyncio.Task[None]]) -> None:
        try:
            if self._failure is None:
                await self.engine.finish()
            else:
                await self._loop.run_in_executor(None, self._publisher.abort)
        except EddyError as error:
            self._fail(error)
        await self._end_loops(loops)
        await self._leave_group()
        await self._loop.run_in_executor(self._reader_thread, self._reader.close)
        self._publisher.close()
        await asyncio.to_thread(self._labels.close)
        # Last, because Faust may wait long for a broker that does not answer; nothing hangs on it.
        await self._app.stop()
        self.ended = not self.engine.stuck

    async def _leave_group(self) -> None:
        """Leave the group; a rebalance that goes wrong meanwhile harms nothing any more.

        All is committed and let go by then. What a callback raises reaches us mangled.
        """
        try:
            await self._loop.run_in_executor(self._membership_thread, self._membership.close)
        except (EddyError, SystemError, RuntimeError) as error:
            log.warning("left_in_a_rebalance", kind=type(error).__name__, why=str(error))

    async def _end_loops(self, loops: Sequence[asyncio.Task[None]]) -> None:
        # The reader ends by itself, for a batch that is being fetched must be released; where it
        # waits to put one, draining the channel lets it go on.
        for _ in range(20):
            self._app.release_queued()
            _, pending = await asyncio.wait(loops, timeout=0.1)
            if not pending:
                break
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        self._app.release_queued()

    async def _or_fail(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            if self._stop.is_set():
                return
            error = FatalError("an agent was cancelled from outside")
        if self._failure is None:
            self._failure = error
            log.error("failed", kind=type(error).__name__, why=str(error))
        self._stop.set()


def run(wiring: Wiring, metrics: Metrics | None = None) -> None:
    """Run a detector process until SIGTERM, SIGINT, or until it is done.

    Raises
    ------
    FatalError
        Where the process had to end; nothing of the open transaction is committed.
    """
    import uvloop  # noqa: PLC0415 - not on every platform

    async def main() -> None:
        process = Process(wiring, metrics or Metrics())
        try:
            await process.run()
        except BaseException as error:
            if not process.ended:
                _leave(error)
            raise
        if not process.ended:
            _leave(None)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def _leave(failure: BaseException | None) -> NoReturn:
    """End at once: a library's thread that cannot be stopped must not keep a finished process.

    What was open is committed or will be aborted by the broker; nothing is left to be saved.
    """
    log.warning("forced_end", why="a client does not stop", failure=str(failure or ""))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0 if failure is None else getattr(failure, "exit_code", 1))
