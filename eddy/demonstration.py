"""The demonstration: a broker, a detector and a simulator, from nothing to anomalies in seconds.

Everything lives in one directory that is emptied at the start, on ports of its own, under
settings of its own: whatever else runs on the machine is neither used nor touched.
"""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from rich.console import Console
from rich.live import Live

from deploy.embedded.processes import tail
from deploy.embedded.stack import Stack, running
from eddy import demo_settings, local_stack, wiring
from eddy.demo_folder import FOLDER, empty, only_demo
from eddy.demo_view import Frame, Page, Summary, plain
from eddy.demo_watch import Watch
from eddy.feeder import Feed, Shares
from eddy.progress import downloads
from eddy.scrape import Scrape, scrape
from eddy.settings import Settings
from models.domains import domain
from schemas.errors import ConfigError, MissingResource, Unavailable

if TYPE_CHECKING:
    from eddy.new_model import NewModel

_LOOK_S = 0.25
_PLAIN_EVERY_S = 5.0
_SETTLE_S = 10.0
_STOPS_WITHIN_S = 4.0  # nothing in it is worth waiting for longer
_RATE_OVER_S = 3.0
# Late records a few seconds late, so that even a short demo sees them come.
_SHARES = Shares(anomalies=0.003, late=0.005, duplicates=0.005, malformed=0.002)
_LATE_S = (5.0, 20.0)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What may be chosen; `duration_s` None goes on until Ctrl-C."""

    duration_s: float | None
    rate: float
    port: int
    seed: int


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
        self._scrape = Scrape()
        self._rates: list[tuple[float, int]] = []

    def run(self) -> Summary:
        """Run until the time is over or Ctrl-C, end everything that was started, sum up.

        Raises
        ------
        MissingResource
            Where something could not be started, died on the way, or judged nothing.
        """
        with only_demo(self._base):
            empty(self._directory, self._say)
            path = self._directory / "eddy.toml"
            settings = demo_settings.write(
                path, demo_settings.tree(self._directory, self._options.port)
            )
            self._say(f"everything is in {self._directory}; Ctrl-C ends it all")
            with downloads(self._console, "Kafka") as progress:
                broker = local_stack.broker(settings, progress).process()
                broker = replace(broker, stop_within_s=_STOPS_WITHIN_S)
                with ThreadPoolExecutor(1, thread_name_prefix="training") as pool:
                    # both take seconds: the broker starts on one core, the model on another
                    model = pool.submit(_train, settings, self._options.seed)
                    with running([broker], self._directory, self._say) as stack, _blaming(stack):
                        local_stack.create_topics(settings, demo_settings.PARTITIONS)
                        return self._stream(settings, path, stack, model)

    def _stream(
        self, settings: Settings, path: Path, stack: Stack, model: "Future[NewModel]"
    ) -> Summary:
        options = self._options
        feed = Feed(
            seed=options.seed,
            rate=options.rate,
            start=datetime.now(UTC),
            shares=_SHARES,
            late_s=_LATE_S,
        )
        names = wiring.topics(settings, domain("rides"))
        detector = local_stack.detector(settings, path, demo_settings.environment())
        interrupted = False
        # rides come in while the detector starts: it has something to judge at once
        with Watch(settings, names, feed) as watch:
            self._await(model)
            stack.up([replace(detector, stop_within_s=_STOPS_WITHIN_S)], self._say)
            try:
                self._show(watch, stack, settings, path)
                watch.stop_feeding()
                self._settle(watch, stack, settings)
            except KeyboardInterrupt:
                interrupted = True
            summary = self._sum_up(watch, interrupted)
        if not interrupted and not summary.judged:
            raise MissingResource(f"the detector judged nothing; see {_log(stack)}")
        return summary

    def _await(self, model: "Future[NewModel]") -> None:
        try:
            made = model.result()
        except ConfigError as error:  # without the extra for training there is still a default
            self._say(f"the default model judges: {error}")
        else:
            rate = made.metrics["expected_alert_rate"]
            self._say(f"trained a model on {made.rows:,} rides, expects to flag {rate:.2%}")

    # -- looking ------------------------------------------------------------------------------

    def _show(self, watch: Watch, stack: Stack, settings: Settings, path: Path) -> None:
        if self._console.is_terminal:
            page = Page()
            with Live(page, console=self._console, screen=True, auto_refresh=False) as live:
                for frame in self._frames(watch, stack, settings, path):
                    page.frame = frame
                    live.refresh()
            return
        told = time.monotonic()
        for frame in self._frames(watch, stack, settings, path):
            if time.monotonic() - told >= _PLAIN_EVERY_S:
                told = time.monotonic()
                self._say(plain(frame))

    def _frames(
        self, watch: Watch, stack: Stack, settings: Settings, path: Path
    ) -> Iterator[Frame]:
        """Yield looks until the time is over; raise where something died."""
        begin, duration = time.monotonic(), self._options.duration_s
        while duration is None or time.monotonic() - begin < duration:
            time.sleep(_LOOK_S)
            self._look(watch, stack, settings)
            elapsed = time.monotonic() - begin
            yield Frame(
                broker=settings.kafka.bootstrap_servers,
                config=str(path),
                elapsed_s=elapsed,
                left_s=None if duration is None else duration - elapsed,
                sent=watch.feeder.sent,
                malformed=watch.malformed,
                events_per_s=self._rate(),
                warming=watch.tally.warming,
                scrape=self._scrape,
                score=watch.tally.score(),
                latest=watch.latest.items(),
            )

    def _look(self, watch: Watch, stack: Stack, settings: Settings) -> None:
        watch.check()
        _check_running(stack)
        try:
            self._scrape = scrape(f"http://{settings.health.host}:{settings.health.port}/metrics")
        except Unavailable:
            return  # it may be busy; when it is dead, the next look says so
        self._rates.append((time.monotonic(), self._scrape.judged))

    def _rate(self) -> float:
        """Return events judged a second, over the last few seconds."""
        now = time.monotonic()
        self._rates = [look for look in self._rates if now - look[0] <= _RATE_OVER_S]
        if len(self._rates) < 2:
            return 0.0
        (begin, first), (end, last) = self._rates[0], self._rates[-1]
        return (last - first) / (end - begin)

    def _settle(self, watch: Watch, stack: Stack, settings: Settings) -> None:
        """Wait until everything sent is accounted for and read back."""
        end = time.monotonic() + _SETTLE_S
        while time.monotonic() < end:
            self._look(watch, stack, settings)
            seen = self._scrape
            if seen.judged + seen.rejections >= watch.feeder.sent and watch.judged >= seen.judged:
                return
            time.sleep(_LOOK_S)

    def _sum_up(self, watch: Watch, interrupted: bool) -> Summary:
        seen, sent = self._scrape, watch.feeder.sent
        first = watch.first_anomaly
        return Summary(
            sent=sent,
            judged=seen.judged,
            rejected=dict(seen.rejected),
            unaccounted=sent - seen.judged - seen.rejections,
            warming=watch.tally.warming,
            anomalies=seen.anomalies,
            score=watch.tally.score(),
            missed=watch.tally.missed(),
            first_anomaly_s=None if first is None else first - self._began,
            interrupted=interrupted,
        )

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _blaming(stack: Stack) -> Iterator[None]:
    """Where something fails because a process died, say that instead of what came of it."""
    try:
        yield
    except Exception:
        _check_running(stack)
        raise


def _check_running(stack: Stack) -> None:
    for one in stack.status():  # in starting order: the broker's death comes before its clients'
        if not one.is_running:
            raise MissingResource(
                f"{one.name} ended during the demo (exit code {one.exit_code}); see {one.log}, "
                f"which says:\n{tail(one.log)}"
            )


def _train(settings: Settings, seed: int) -> "NewModel":
    from eddy import demo_model  # noqa: PLC0415 - takes a second, while the broker starts

    return demo_model.make(settings, seed, _SHARES)


def _log(stack: Stack) -> Path:
    return stack.directory / "logs" / f"{local_stack.DETECTOR}.log"
