"""Retraining on new data: one function, whoever calls it - a folder's watch, a bucket's function.

It looks at all files that are there. Where some hold content that no model was trained on, the
quality gate looks at the new rows, and a model is trained on all of them together: it becomes the
challenger, never the champion. The record says of every run when, why, on what and to which end,
also where nothing was trained. A run is recorded before it begins: killed anywhere, the next call
finds out, and takes over a version that was registered and not yet recorded.
"""

import hashlib
import tempfile
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import structlog
from msgspec.structs import replace

from eddy.app import wiring
from eddy.app.retraining.inbox import Inbox
from eddy.app.retraining.inbox_files import ArrivedFiles, arrived_files
from eddy.app.retraining.read_files import Read, read
from eddy.app.retraining.run_log import RetrainingRun, RetrainingRuns, cut_short, known
from eddy.app.settings import Settings
from eddy.app.training import transaction_models
from eddy.app.training.history_in_use import as_the_stream
from eddy.models.registry.names import CHALLENGER, CHAMPION
from eddy.schemas.errors import ConfigError, EddyError, MissingResource, ModelRefused, Unavailable
from eddy.training.transactions.data_quality import (
    Profile,
    Profiled,
    QualityCheck,
    check_drift,
    check_labels,
    check_volume,
    profile,
    rows_per_day,
)
from eddy.training.transactions.settings import Parameters
from eddy.training.transactions.train import Trained

log = structlog.get_logger()

NAME = transaction_models.NAME
NOTHING_NEW = "nothing new: every file's content was trained on, or is no data"
_BY = "eddy watch"


def retrain(
    settings: Settings,
    arrivals: Inbox,
    runs: RetrainingRuns,
    how: Parameters,
    *,
    why: str,
    clock: Callable[[], datetime],
    only_news: bool = False,
    anew: bool = False,
) -> RetrainingRun | None:
    """Train on what has arrived, if it is new and good; one caller at a time.

    Parameters
    ----------
    settings : Settings
        Name the registry.
    arrivals : Inbox
        Where the files are.
    runs : RetrainingRuns
        The record.
    how : Parameters
    why : str
        What asked for it; goes into the record.
    clock : callable
        Gives the time in UTC.
    only_news : bool
        Do nothing, and record nothing, where no run has seen other files than those there are.
    anew : bool
        Train also where all content was trained on before: the model wears out, or a drift was
        noticed.

    Returns
    -------
    RetrainingRun or None
        As recorded. None for `only_news` without any.

    Raises
    ------
    MissingResource, Unavailable
        Files, registry or record are not to be had; a run that had begun is recorded as failed.
    Exception
        A defect, or content that shows one; recorded as failed, the third time with the same
        content as given up.
    """
    recover(settings, runs, clock)
    past = runs.all()
    with tempfile.TemporaryDirectory(prefix="eddy-retrain-") as scratch:
        judged_by = _judged_by(how)
        arrived = arrived_files(arrivals, Path(scratch), past, judged_by)
        contents = {one.file.sha256 for one in arrived.files}
        if only_news and not contents - known(past, judged_by):
            return None
        run = RetrainingRun(
            run_id=str(uuid.uuid4()),
            at=clock(),
            why=why,
            outcome="started",
            files=[one.file for one in arrived.files],
            judged_by=judged_by,
            anew=anew,
        )
        runs.write(run)
        try:
            run = _Running(settings, runs, how, clock, past).decide(run, arrived)
        except (MissingResource, Unavailable) as error:
            reasons = [_named(error)]
            end = replace(run, at=clock(), outcome="failed", reasons=reasons, is_outage=True)
            runs.write(end)
            raise
        except Exception as error:
            outcome = cut_short(run, past, "failed")
            runs.write(replace(run, at=clock(), outcome=outcome, reasons=[_named(error)]))
            raise
    runs.write(run)
    log.info("retraining", outcome=run.outcome, why=why, version=run.version, reasons=run.reasons)
    return run


def recover(settings: Settings, runs: RetrainingRuns, clock: Callable[[], datetime]) -> None:
    """Record what became of runs that a crash cut short."""
    past = runs.all()
    for run in runs.unfinished():
        version = _unrecorded_version(settings, run, past)
        if version is None:
            reason = "it ended before it was recorded; its files are taken for new"
            outcome = cut_short(run, past, "interrupted")
            end = replace(run, at=clock(), outcome=outcome, reasons=[reason])
        else:
            wiring.registry(settings).set_alias(NAME, CHALLENGER, version, by=_BY)
            reason = "it ended after its model was registered, before it was recorded"
            end = replace(run, at=clock(), outcome="trained", version=version, reasons=[reason])
        log.warning("retraining_was_cut_short", run_id=run.run_id, outcome=end.outcome)
        runs.write(end)


def _unrecorded_version(
    settings: Settings, run: RetrainingRun, past: Sequence[RetrainingRun]
) -> str | None:
    """Return the version that a run registered, if it came that far."""
    if not run.data_sha256:
        return None
    registry = wiring.registry(settings)
    recorded = {one.version for one in past}
    for version in reversed(registry.versions(NAME)):
        try:
            manifest = registry.resolve(NAME, version)
        except ModelRefused as error:
            log.warning("version_passed_over", version=version, why=str(error))
            continue
        if version not in recorded and manifest.training.data_sha256 == run.data_sha256:
            return version if manifest.created_at >= run.at else None
    return None


class _Running:
    """One run, from its files to its end."""

    def __init__(
        self,
        settings: Settings,
        runs: RetrainingRuns,
        how: Parameters,
        clock: Callable[[], datetime],
        past: Sequence[RetrainingRun],
    ) -> None:
        self._settings, self._runs, self._how = settings, runs, how
        self._clock, self._past = clock, past

    def decide(self, run: RetrainingRun, arrived: ArrivedFiles) -> RetrainingRun:
        """Return how the run ended."""
        usable = [one for one in arrived.files if not one.file.is_bad]
        if not run.anew and not any(one.file.is_new for one in usable):
            told = [f"{one.what}: {one.detail}" for one in arrived.checks]
            return self._refused(replace(run, checks=arrived.checks), told or [NOTHING_NEW])
        try:
            prepare = as_the_stream(self._settings, self._how.prepare)
            rows = read(arrived.files, replace(self._how, prepare=prepare))
        except ConfigError as error:
            return self._refused(run, [str(error)])
        checks = [*arrived.checks, *rows.checks, *self._checks(rows)]
        run = replace(
            run,
            files=rows.files,
            checks=checks,
            rows=len(rows.new),
            rows_per_day=rows_per_day(rows.new),
        )
        reasons = _reasons(rows, checks, run.anew)
        if reasons:
            return self._refused(run, reasons)
        return self._trained(run, rows)

    def _checks(self, rows: Read) -> list[QualityCheck]:
        bounds, delay = self._how.retrain, self._how.train.delay_days
        found = check_labels(rows.table, rows.new, delay, bounds)
        if len(rows.new):  # else labels only have come
            usual = [run.rows_per_day for run in self._past if run.outcome == "trained"]
            found.append(check_volume(rows.new, [one for one in usual if one], bounds))
            found += check_drift(rows.new, self._reference(), bounds)
        return found

    def _reference(self) -> Profile | None:
        """Return the distribution of what the champion learned from, where it is known."""
        registry = wiring.registry(self._settings)
        try:
            version = registry.aliases(NAME).get(CHAMPION)
        except ModelRefused:
            return None
        if version is None:
            return None
        try:
            kept: Profile | None = registry.load(NAME, version, Profiled).parameters
        except ModelRefused as error:
            log.warning("champion_not_read", version=version, why=str(error))
            kept = None
        # versions of before have their profile in the record only
        profiles = {run.version: run.profile for run in self._past if run.version is not None}
        return kept or profiles.get(version)

    def _trained(self, run: RetrainingRun, rows: Read) -> RetrainingRun:
        run = replace(run, profile=profile(rows.table))

        def about_to_register(made: Trained) -> None:
            nonlocal run
            run = replace(run, at=self._clock(), data_sha256=made.data_sha256)
            self._runs.write(run)

        try:
            made = transaction_models.train_model(
                self._settings, rows.table, self._how, about_to_register
            )
        except ConfigError as error:  # too few rows or frauds in the periods asked for
            return self._refused(run, [str(error)])
        return replace(run, at=self._clock(), outcome="trained", version=made.version)

    def _refused(self, run: RetrainingRun, reasons: list[str]) -> RetrainingRun:
        return replace(run, at=self._clock(), outcome="refused", reasons=reasons, profile=None)


def _reasons(rows: Read, checks: Sequence[QualityCheck], anew: bool) -> list[str]:
    """Return why nothing is to be trained; a file that is no data is no reason if others are."""
    failed = [f"{one.what}: {one.detail}" for one in checks if not one.ok]
    form = [one for one in failed if one.startswith("schema: ")]
    good = [file for file in rows.files if (anew or file.is_new) and not file.is_bad]
    return [one for one in failed if one not in form] + (form if not good else [])


def _judged_by(how: Parameters) -> str:
    """Identify what decides whether content is data, and is good."""
    bounds = msgspec.json.encode([how.retrain, how.prepare.zone], order="deterministic")
    return hashlib.sha256(bounds).hexdigest()


def _named(error: Exception) -> str:
    if isinstance(error, EddyError):
        return str(error)
    return f"{type(error).__name__}: see the log"  # its message may quote a record
