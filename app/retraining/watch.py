"""The watch for new data to train on, and for requests for a retraining.

It keeps nothing but the record of runs: killed anywhere and started again it goes on, and trains
no content twice.
"""

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from eddy.app.retraining.inbox import Debounce, InboxFile, open_inbox
from eddy.app.retraining.requests import RequestListener
from eddy.app.retraining.retrain import NAME, retrain
from eddy.app.retraining.run_log import BucketLog, FileLog, RetrainingRun, RetrainingRuns
from eddy.app.settings import Settings
from eddy.lake.store import Folder, filesystem, object_path
from eddy.schemas.errors import FatalError, MissingResource, Unavailable
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
class RefitSchedule:
    """When a model is trained again on content that was trained on, by the record of runs.

    Attributes
    ----------
    cooldown : timedelta
        The least time between two refits that are asked for.
    every : timedelta, optional
        The time from the last training to a refit that nobody asks for.
    """

    cooldown: timedelta
    every: timedelta | None = None

    def allows_request(self, past: Sequence[RetrainingRun], now: datetime) -> bool:
        """Whether no run has trained anew, or tried to, within the cooldown; outages do not count.

        Parameters
        ----------
        past : sequence of RetrainingRun
        now : datetime
            In UTC.
        """
        tries = [run.at for run in past if run.anew and not run.is_outage]
        return not tries or now - max(tries) >= self.cooldown

    def due_at(self, past: Sequence[RetrainingRun]) -> datetime | None:
        """Return when the next is due; None where it never is, or nothing was trained yet."""
        if self.every is None:
            return None
        is_trained = any(run.outcome == "trained" for run in past)
        times = [
            run.at for run in past if run.outcome == "trained" or (run.anew and not run.is_outage)
        ]
        return max(times) + self.every if is_trained else None


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What is watched, and how often.

    Attributes
    ----------
    inbox : str
        A folder, or ``s3://BUCKET/PREFIX``.
    runs : str, optional
        Where the record of runs is.
    quiet_s : float
        Files must have come to rest for so long.
    every_s : float
        Between two polls.
    listens_to_requests : bool
        Whether ``retrain_requested`` on the control topic counts.
    refit_every_days : float, optional
        So long after the last training, train again on what is there, also without news.
    cooldown_s : float
        Known content is trained on again for a request at most once in so long.
    """

    inbox: str
    runs: str | None = None
    quiet_s: float = 60.0
    every_s: float = 10.0
    listens_to_requests: bool = False
    refit_every_days: float | None = None
    cooldown_s: float = 86_400.0


class RetrainingWatch:
    """Polls for new data until stopped.

    Parameters
    ----------
    settings : Settings
    options : WatchOptions
    parameters : Parameters
    now_s : callable
        A clock that only goes forward, in seconds.
    clock : callable
        Gives the time in UTC.
    """

    def __init__(
        self,
        settings: Settings,
        options: WatchOptions,
        parameters: Parameters,
        now_s: Callable[[], float] = time.monotonic,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings, self._options, self._parameters = settings, options, parameters
        self._inbox = open_inbox(options.inbox, settings.lake)
        self._runs = runs_at(options.runs, settings)
        self._debounce = Debounce(options.quiet_s)
        self._now_s, self._clock = now_s, clock
        every = options.refit_every_days
        self._refits = RefitSchedule(
            timedelta(seconds=options.cooldown_s), timedelta(days=every) if every else None
        )
        self._refit_at: datetime | None = None
        self._done: list[InboxFile] | None = None
        self._stopped = threading.Event()
        self._requests = (
            RequestListener(settings.kafka, NAME) if options.listens_to_requests else None
        )

    def stop(self) -> None:
        """Let `run` return soon: after the training that is under way."""
        self._stopped.set()

    def run(self) -> None:
        """Watch until `stop`: neither an outage nor an unexpected file ends it.

        Raises
        ------
        FatalError
            Settings or record are wrong, so that no later poll can succeed.
        """
        log.info("watching", place=self._options.inbox)
        try:
            while not self._stopped.is_set():
                pause_s = self._options.every_s
                try:
                    self.poll()
                except (MissingResource, Unavailable) as error:
                    log.warning("not_looked_at", place=self._options.inbox, why=str(error))
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
        """Poll until the files have settled and were handled; return the run, if there was one."""
        while not self._stopped.is_set():
            run = self.poll()
            if self._done is not None:
                return run
            self._stopped.wait(min(self._options.every_s, 1.0))
        return None

    def poll(self) -> RetrainingRun | None:
        """Handle what is in the inbox now; return the run, if there was one."""
        files = self._inbox.list_files()
        request = self._requests.poll() if self._requests is not None else None
        if not self._debounce.is_settled(files, self._now_s()):
            if request and self._requests is not None:
                self._requests.put_back(request)
            return None
        refit_reason = self._reason_for_refit(request)
        if not request and not refit_reason and files == self._done:
            return None
        try:
            run = retrain(
                self._settings,
                self._inbox,
                self._runs,
                self._parameters,
                why=refit_reason or request or "new files",
                clock=self._clock,
                only_news=not refit_reason,
                anew=refit_reason is not None,
            )
        except (MissingResource, Unavailable):
            if request and self._requests is not None:
                self._requests.put_back(request)
            raise
        finally:
            self._refit_at = None  # the record has changed
        self._done = files
        return run

    def _reason_for_refit(self, request: str | None) -> str | None:
        """Return the reason to train on known content, too; None where there is none now."""
        if request:
            if self._refits.allows_request(self._runs.all(), self._clock()):
                return request
            log.info("only_news_are_trained_on", why=request, cooldown_s=self._options.cooldown_s)
        days = self._options.refit_every_days
        if days is None:
            return None
        if self._refit_at is None:  # the record is not read at every poll
            self._refit_at = self._refits.due_at(self._runs.all())
        is_due = self._refit_at is not None and self._refit_at <= self._clock()
        return f"refit: the last training is {days:g} days ago" if is_due else None
