"""Retraining on new data: one function for a folder's watch and for a bucket's function.

It reads all files that are there. Where some hold content that no model was trained on, the
quality gate checks the new rows, and a model is trained on all of them together: it becomes the
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
from eddy.app.retraining.read_files import FileRows, read
from eddy.app.retraining.run_log import (
    RetrainingRun,
    RetrainingRuns,
    known_contents,
    outcome_of_failure,
)
from eddy.app.settings import Settings
from eddy.app.training import transaction_models
from eddy.app.training.history_in_use import as_the_stream
from eddy.models.domains.transactions.domain import DOMAIN
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

NAME = DOMAIN.name
NOTHING_NEW = "nothing new: every file's content was trained on, or is no data"
_BY = "eddy watch"


def retrain(
    settings: Settings,
    inbox: Inbox,
    runs: RetrainingRuns,
    parameters: Parameters,
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
    inbox : Inbox
        The files.
    runs : RetrainingRuns
        The record.
    parameters : Parameters
    why : str
        The reason; goes into the record.
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
        judged_by = _judged_by(parameters)
        arrived = arrived_files(inbox, Path(scratch), past, judged_by)
        contents = {arrival.file.sha256 for arrival in arrived.files}
        if only_news and not contents - known_contents(past, judged_by):
            return None
        run = RetrainingRun(
            run_id=str(uuid.uuid4()),
            at=clock(),
            why=why,
            outcome="started",
            files=[arrival.file for arrival in arrived.files],
            judged_by=judged_by,
            anew=anew,
        )
        runs.write(run)
        try:
            run = _Running(settings, runs, parameters, clock, past).decide(run, arrived)
        except (MissingResource, Unavailable) as error:
            reasons = [_named(error)]
            end = replace(run, at=clock(), outcome="failed", reasons=reasons, is_outage=True)
            runs.write(end)
            raise
        except Exception as error:
            outcome = outcome_of_failure(run, past, "failed")
            runs.write(replace(run, at=clock(), outcome=outcome, reasons=[_named(error)]))
            raise
    runs.write(run)
    log.info("retraining", outcome=run.outcome, why=why, version=run.version, reasons=run.reasons)
    return run


def recover(settings: Settings, runs: RetrainingRuns, clock: Callable[[], datetime]) -> None:
    """Record the outcome of runs that a crash ended."""
    past = runs.all()
    for run in runs.unfinished():
        version = _unrecorded_version(settings, run, past)
        if version is None:
            reason = "it ended before it was recorded; its files are taken for new"
            outcome = outcome_of_failure(run, past, "interrupted")
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
    recorded = {earlier.version for earlier in past}
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
        parameters: Parameters,
        clock: Callable[[], datetime],
        past: Sequence[RetrainingRun],
    ) -> None:
        self._settings, self._runs, self._parameters = settings, runs, parameters
        self._clock, self._past = clock, past

    def decide(self, run: RetrainingRun, arrived: ArrivedFiles) -> RetrainingRun:
        """Return the run with its outcome."""
        usable = [arrival for arrival in arrived.files if not arrival.file.is_bad]
        if not run.anew and not any(arrival.file.is_new for arrival in usable):
            details = [f"{check.what}: {check.detail}" for check in arrived.checks]
            return self._refused(replace(run, checks=arrived.checks), details or [NOTHING_NEW])
        try:
            prepare = as_the_stream(self._settings, self._parameters.prepare)
            rows = read(arrived.files, replace(self._parameters, prepare=prepare))
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

    def _checks(self, rows: FileRows) -> list[QualityCheck]:
        bounds, delay = self._parameters.retrain, self._parameters.train.delay_days
        checks = check_labels(rows.table, rows.new, delay, bounds)
        if len(rows.new):  # else labels only have come
            usual = [run.rows_per_day for run in self._past if run.outcome == "trained"]
            checks.append(check_volume(rows.new, [rate for rate in usual if rate], bounds))
            checks += check_drift(rows.new, self._reference(), bounds)
        return checks

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
            reference: Profile | None = registry.load(NAME, version, Profiled).parameters
        except ModelRefused as error:
            log.warning("champion_not_read", version=version, why=str(error))
            reference = None
        # versions of before have their profile in the record only
        profiles = {run.version: run.profile for run in self._past if run.version is not None}
        return reference or profiles.get(version)

    def _trained(self, run: RetrainingRun, rows: FileRows) -> RetrainingRun:
        run = replace(run, profile=profile(rows.table))

        def about_to_register(trained: Trained) -> None:
            nonlocal run
            run = replace(run, at=self._clock(), data_sha256=trained.data_sha256)
            self._runs.write(run)

        try:
            trained = transaction_models.train_model(
                self._settings, rows.table, self._parameters, about_to_register
            )
        except ConfigError as error:  # too few rows or frauds in the periods asked for
            return self._refused(run, [str(error)])
        return replace(run, at=self._clock(), outcome="trained", version=trained.version)

    def _refused(self, run: RetrainingRun, reasons: list[str]) -> RetrainingRun:
        return replace(run, at=self._clock(), outcome="refused", reasons=reasons, profile=None)


def _reasons(rows: FileRows, checks: Sequence[QualityCheck], anew: bool) -> list[str]:
    """Return why nothing is to be trained; a file that is no data is no reason if others are."""
    failed = [f"{check.what}: {check.detail}" for check in checks if not check.ok]
    form = [reason for reason in failed if reason.startswith("schema: ")]
    good = [file for file in rows.files if (anew or file.is_new) and not file.is_bad]
    return [reason for reason in failed if reason not in form] + (form if not good else [])


def _judged_by(parameters: Parameters) -> str:
    """Identify what decides whether content is data, and is good."""
    bounds = msgspec.json.encode(
        [parameters.retrain, parameters.prepare.zone], order="deterministic"
    )
    return hashlib.sha256(bounds).hexdigest()


def _named(error: Exception) -> str:
    if isinstance(error, EddyError):
        return str(error)
    return f"{type(error).__name__}: see the log"  # its message may quote a record
