"""The demonstration: a broker, a detector and a simulator, from nothing to anomalies in seconds.

Everything lives in one directory that is emptied at the start, on ports of its own, under
settings of its own: whatever else runs on the machine is neither used nor touched.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.live import Live

from eddy.app import wiring
from eddy.app.demo import settings as demo_settings
from eddy.app.demo.feeding import Feeding
from eddy.app.demo.folder import FOLDER, empty, only_demo
from eddy.app.demo.payment_watch import PaymentWatch
from eddy.app.demo.payments import PaymentFeed
from eddy.app.demo.snapshot import PAYMENTS, RIDES, TRANSACTIONS, SnapshotReader
from eddy.app.demo.transaction_watch import TransactionWatch
from eddy.app.demo.transactions import TransactionFeed
from eddy.app.demo.view import CARDS_ENDED, PAYMENTS_ENDED, DemoFrame, DemoSummary, Page, plain
from eddy.app.demo.watch import DemoWatch
from eddy.app.domains import domain
from eddy.app.progress import downloads
from eddy.app.settings import Settings
from eddy.app.settings.stack_file import StackDefaults
from eddy.app.simulate.feeder import FeedOptions, Shares
from eddy.app.stack import local_stack
from eddy.sandbox.processes import BackgroundProcess, tail
from eddy.sandbox.stack import Stack, running
from eddy.schemas.errors import ConfigError, MissingResource

if TYPE_CHECKING:
    from eddy.app.demo.lake import DemoLake
    from eddy.app.training.new_model import NewModel

_LOOK_S = 0.25
_PLAIN_EVERY_S = 5.0
_SETTLE_S = 20.0
_STOPS_WITHIN_S = 4.0  # nothing in it is worth waiting for longer
# Late records a few seconds late, so that even a short demo sees them come.
_SHARES = Shares(anomalies=0.003, late=0.005, duplicates=0.005, malformed=0.002)
_LATE_S = (5.0, 20.0)
_ONE_DAY = timedelta(days=1)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What may be chosen; `duration_s` None goes on until Ctrl-C."""

    duration_s: float | None
    rate: float
    port: int
    seed: int
    lake: bool = False


class Demonstration:
    """One run of the demo.

    Parameters
    ----------
    base : Path
        The folder under which the demo has its own.
    """

    def __init__(self, options: Options, console: Console, base: Path) -> None:
        self._options = options
        self._console = console
        self._directory = base / FOLDER
        self._base = base
        self._began = time.monotonic()

    def run(self) -> DemoSummary:
        """Run until the time is over or Ctrl-C, end everything that was started, sum up.

        Raises
        ------
        MissingResource
            Where something could not be started, died on the way, or judged nothing.
        """
        with only_demo(self._base):
            empty(self._directory, self._say)
            path = self._directory / "eddy.toml"
            embedded, section = (
                demo_settings.lake(self._directory) if self._options.lake else (None, None)
            )
            settings = demo_settings.write(
                path, demo_settings.tree(self._directory, self._options.port, section)
            )
            lake = None if embedded is None else _lake(settings, embedded, path, self._say)
            self._say(f"everything is in {self._directory}; Ctrl-C ends it all")
            with downloads(self._console, "Kafka") as progress:
                broker = local_stack.broker(settings, progress).process()
                broker = _soon_stopped(broker)
                with ThreadPoolExecutor(1, thread_name_prefix="training") as pool:
                    # both take seconds: the broker starts on one core, the model on another
                    model = pool.submit(_train, settings, self._options.seed)
                    with running([broker], self._directory, self._say) as stack, _blaming(stack):
                        local_stack.create_topics(settings, demo_settings.PARTITIONS)
                        if lake is not None:
                            lake.start(stack, _soon_stopped)
                        return self._stream(settings, path, stack, model, lake)

    def _stream(
        self,
        settings: Settings,
        path: Path,
        stack: Stack,
        model: "Future[NewModel]",
        lake: "DemoLake | None",
    ) -> DemoSummary:
        detector = local_stack.detector(settings, path, demo_settings.environment())
        # rides come in while the detector starts: it has something to judge at once
        with self._rides(settings) as rides:
            self._await(model)
            stack.up([_soon_stopped(detector)], self._say)
            # weeks of the others come after them, so that the first odd ride is not kept waiting
            with self._payments(settings) as payments, self._transactions(settings) as cards:
                looks = SnapshotReader(rides, payments, cards, settings, str(path), self._began)
                interrupted = self._watch([rides, payments, cards], looks, stack)
                summary = looks.summary(interrupted)
        if not interrupted and not looks.has_judged:
            raise MissingResource(f"the detector judged nothing; see {_log(stack)}")
        if lake is not None and not interrupted:
            return msgspec.structs.replace(summary, lake=lake.finish())
        return summary

    def _watch(self, feeds: list[Feeding], looks: SnapshotReader, stack: Stack) -> bool:
        """Show what goes on until the time is over; return whether Ctrl-C ended it."""
        try:
            self._show(looks, stack)
            for feed in feeds:
                feed.stop_feeding()
            self._settle(looks, stack)
        except KeyboardInterrupt:
            return True
        return False

    def _rides(self, settings: Settings) -> DemoWatch:
        feed = FeedOptions(
            seed=self._options.seed,
            rate=self._options.rate,
            # the lake is asked about yesterday: so its rides are of yesterday
            start=datetime.now(UTC) - (_ONE_DAY if self._options.lake else timedelta()),
            shares=_SHARES,
            late_s=_LATE_S,
        )
        return DemoWatch(settings, wiring.topics(settings, domain(RIDES)), feed)

    def _payments(self, settings: Settings) -> PaymentWatch:
        feed = PaymentFeed(seed=self._options.seed, end=datetime.now(UTC))
        return PaymentWatch(settings, wiring.topics(settings, domain(PAYMENTS)), feed)

    def _transactions(self, settings: Settings) -> TransactionWatch:
        feed = TransactionFeed(seed=self._options.seed, end=datetime.now(UTC))
        return TransactionWatch(settings, wiring.topics(settings, domain(TRANSACTIONS)), feed)

    def _await(self, model: "Future[NewModel]") -> None:
        try:
            new_model = model.result()
        except ConfigError as error:  # without the extra for training there is still a default
            self._say(f"the default model judges: {error}")
        else:
            rate = new_model.metrics["expected_alert_rate"]
            self._say(f"trained a model on {new_model.rows:,} rides, expects to flag {rate:.2%}")

    # -- looking ------------------------------------------------------------------------------

    def _show(self, looks: SnapshotReader, stack: Stack) -> None:
        if self._console.is_terminal:
            page = Page()
            with Live(page, console=self._console, screen=True, auto_refresh=False) as live:
                for frame in self._frames(looks, stack):
                    page.frame = frame
                    live.refresh()
            return
        printed_at, ended = time.monotonic(), set[str]()
        for frame in self._frames(looks, stack):
            if time.monotonic() - printed_at >= _PLAIN_EVERY_S:
                printed_at = time.monotonic()
                self._say(plain(frame))
            for text in _endings(frame):
                if text not in ended:
                    ended.add(text)
                    self._say(text)

    def _frames(self, looks: SnapshotReader, stack: Stack) -> Iterator[DemoFrame]:
        """Yield looks until the time is over; raise where something died."""
        begin, duration = time.monotonic(), self._options.duration_s
        while duration is None or time.monotonic() - begin < duration:
            time.sleep(_LOOK_S)
            _look(looks, stack)
            elapsed = time.monotonic() - begin
            yield looks.frame(elapsed, None if duration is None else duration - elapsed)

    def _settle(self, looks: SnapshotReader, stack: Stack) -> None:
        """Wait until everything sent is accounted for and read back."""
        end = time.monotonic() + _SETTLE_S
        while time.monotonic() < end:
            _look(looks, stack)
            if looks.is_settled:
                return
            time.sleep(_LOOK_S)

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def _soon_stopped(process: BackgroundProcess) -> BackgroundProcess:
    return replace(process, stop_within_s=_STOPS_WITHIN_S)


def _lake(
    settings: Settings, embedded: StackDefaults, path: Path, say: Callable[[str], None]
) -> "DemoLake":
    from eddy.app.demo.lake import DemoLake  # noqa: PLC0415 - brings an extra that only this needs

    return DemoLake(settings, embedded, path, demo_settings.environment(), say)


def _endings(frame: DemoFrame) -> Iterator[str]:
    if frame.payments.has_ended:
        yield PAYMENTS_ENDED
    if frame.transactions.has_ended:
        yield CARDS_ENDED


@contextmanager
def _blaming(stack: Stack) -> Iterator[None]:
    """Where something fails because a process died, say that instead of what came of it."""
    try:
        yield
    except Exception:
        _check_running(stack)
        raise


def _look(looks: SnapshotReader, stack: Stack) -> None:
    _check_running(stack)
    looks.look()


def _check_running(stack: Stack) -> None:
    # in starting order: the broker's death comes before its clients'
    for process in stack.status():
        if not process.is_running:
            raise MissingResource(
                f"{process.name} ended during the demo (exit code {process.exit_code}); "
                f"see {process.log}, which says:\n{tail(process.log)}"
            )


def _train(settings: Settings, seed: int) -> "NewModel":
    from eddy.app.demo import model as demo_model  # noqa: PLC0415 - takes a second, while the broker starts

    return demo_model.make(settings, seed, _SHARES)


def _log(stack: Stack) -> Path:
    return stack.directory / "logs" / f"{local_stack.DETECTOR}.log"
