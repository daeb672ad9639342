"""Watching for new data to train on, and hearing requests for a retraining.

It keeps nothing but the record of runs: killed anywhere and started again it goes on, and trains
no content twice.
"""

import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from eddy.app.retraining.inbox import Debounce, Inbox, InboxFile, arrivals
from eddy.app.retraining.refits import Refits
from eddy.app.retraining.retrain import NAME, retrain
from eddy.app.retraining.run_log import BucketLog, FileLog, RetrainingRun, RetrainingRuns
from eddy.app.settings import Settings
from eddy.lake.store import Folder, filesystem, object_path
from eddy.schemas.errors import EddyError, FatalError, MissingResource, Unavailable
from eddy.schemas.topics import CONTROL
from eddy.streams import control
from eddy.streams.reading import TopicReader
from eddy.training.transactions.settings import Parameters

log = structlog.get_logger()

RUNS_FILE = "retraining.jsonl"
_AFTER_FAILURE_S = 60.0


def runs_at(place: str | None, settings: Settings) -> RetrainingRuns:
    """Return the record at a path or an ``s3://`` address; by default in the stack's folder."""
    if place is not None and place.startswith("s3://"):
        folder, _, name = object_path(place).rpartition("/")
        return RetrainingRuns(BucketLog(Folder(filesystem(settings.lake), folder), name))
    path = Path(place) if place is not None else Path(settings.storage.stack) / RUNS_FILE
    return RetrainingRuns(FileLog(path))


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What is watched, and how.

    Attributes
    ----------
    place : str
        A folder, or ``s3://BUCKET/PREFIX``.
    runs : str, optional
        Where the record of runs is.
    quiet_s : float
        Files must have come to rest for so long.
    every_s : float
        Between two looks.
    hears_requests : bool
        Whether ``retrain_requested`` on the control topic counts.
    refit_every_days : float, optional
        So long after the last training, train again on what is there, also without news.
    cooldown_s : float
        Known content is trained on again for a request at most once in so long.
    """

    place: str
    runs: str | None = None
    quiet_s: float = 60.0
    every_s: float = 10.0
    hears_requests: bool = False
    refit_every_days: float | None = None
    cooldown_s: float = 86_400.0


class RetrainingWatch:
    """Looks for new data until stopped.

    Parameters
    ----------
    settings : Settings
    options : WatchOptions
    how : Parameters
    now_s : callable
        A clock that only goes forward, in seconds.
    clock : callable
        Gives the time in UTC.
    """

    def __init__(
        self,
        settings: Settings,
        options: WatchOptions,
        how: Parameters,
        now_s: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._options, self._how = settings, options, how
        self._arrivals: Inbox = arrivals(options.place, settings.lake)
        self._runs = runs_at(options.runs, settings)
        self._quiet = Debounce(options.quiet_s)
        self._now_s, self._clock = now_s, clock
        every = options.refit_every_days
        self._refits = Refits(
            timedelta(seconds=options.cooldown_s), timedelta(days=every) if every else None
        )
        self._refit_at: datetime | None = None
        self._done: list[InboxFile] | None = None
        self._stopped = threading.Event()
        self._requests = Requests(settings) if options.hears_requests else None

    def stop(self) -> None:
        """Let `run` return soon: after the training that is under way."""
        self._stopped.set()

    def run(self) -> None:
        """Watch until `stop`: neither an outage nor a file that nobody thought of ends it.

        Raises
        ------
        FatalError
            Settings or record are wrong, so that no later look can do better.
        """
        log.info("watching", place=self._options.place)
        try:
            while not self._stopped.is_set():
                pause_s = self._options.every_s
                try:
                    self.look()
                except (MissingResource, Unavailable) as error:
                    log.warning("not_looked_at", place=self._options.place, why=str(error))
                    pause_s = max(pause_s, _AFTER_FAILURE_S)
                except FatalError:
                    raise
                except Exception as error:
                    # on record, and after the third time given up; a message may quote a record
                    where = traceback.format_tb(error.__traceback__)
                    why = type(error).__name__
                    log.error("look_failed", why=why, where="".join(where))  # noqa: TRY400
                    pause_s = max(pause_s, _AFTER_FAILURE_S)
                self._stopped.wait(pause_s)
        finally:
            if self._requests is not None:
                self._requests.close()

    def until_quiet(self) -> RetrainingRun | None:
        """Look until the files have come to rest and were dealt with; return the run, if any."""
        while not self._stopped.is_set():
            run = self.look()
            if self._done is not None:
                return run
            self._stopped.wait(min(self._options.every_s, 1.0))
        return None

    def look(self) -> RetrainingRun | None:
        """Look once; return the run that came of it, if any."""
        files = self._arrivals.look()
        asked = self._requests.heard() if self._requests is not None else None
        if not self._quiet.since(files, self._now_s()):
            if asked and self._requests is not None:
                self._requests.put_back(asked)
            return None
        why_anew = self._why_anew(asked)
        if not asked and not why_anew and files == self._done:
            return None
        try:
            run = retrain(
                self._settings,
                self._arrivals,
                self._runs,
                self._how,
                why=why_anew or asked or "new files",
                clock=self._clock,
                only_news=not why_anew,
                anew=why_anew is not None,
            )
        except (MissingResource, Unavailable):
            if asked and self._requests is not None:
                self._requests.put_back(asked)
            raise
        finally:
            self._refit_at = None  # the record has changed
        self._done = files
        return run

    def _why_anew(self, asked: str | None) -> str | None:
        """Return what asks for training on known content, too; None where nothing does now."""
        if asked:
            if self._refits.may_be_asked(self._runs.all(), self._clock()):
                return asked
            log.info("only_news_are_trained_on", why=asked, cooldown_s=self._options.cooldown_s)
        days = self._options.refit_every_days
        if days is None:
            return None
        if self._refit_at is None:  # the record is not read at every look
            self._refit_at = self._refits.due_at(self._runs.all())
        is_due = self._refit_at is not None and self._refit_at <= self._clock()
        return f"refit: the last training is {days:g} days ago" if is_due else None


class Requests:
    """Hears ``retrain_requested`` on the control topic, from now on: requests are hints.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._reader = TopicReader(settings.kafka)
        ranges = self._reader.ranges(CONTROL)
        self._positions = {partition: high for partition, (_, high) in ranges.items()}
        self._waiting: str | None = None

    def heard(self) -> str | None:
        """Return what was asked for since the last time, None where nothing was."""
        found, self._waiting = self._waiting, None
        try:
            for record in self._reader.read(CONTROL, self._positions):
                self._positions[record.partition] = record.offset + 1
                command = control.parse(record.value)
                if command and command.kind == "retrain_requested" and command.name == NAME:
                    asked = command.arguments
                    why = f"{asked.get('why', '')} {asked.get('what', '')}".strip()
                    found = f"request {command.command_id}: {why or 'no reason given'}"
        except EddyError as error:
            log.warning("no_requests_heard", why=str(error))
        return found

    def put_back(self, asked: str) -> None:
        """Hear a request once more."""
        self._waiting = asked

    def close(self) -> None:
        """End the reader."""
        self._reader.close()
