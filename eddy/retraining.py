"""Retraining on new data: one function, whoever calls it - a folder's watch, a bucket's function.

It looks at all files that are there. Where some hold content that no model was trained on, the
quality gate looks at the new rows, and a model is trained on all of them together: it becomes the
challenger, never the champion. The record says of every run when, why, on what and to which end,
also where nothing was trained. A run is recorded before it begins: killed anywhere, the next call
finds out, and takes over a version that was registered and not yet recorded.
"""

import tempfile
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import structlog
from msgspec.structs import replace

from eddy import transaction_models, wiring
from eddy.arrivals import Arrivals, sha256_of
from eddy.new_rows import ArrivedFile, Read, read
from eddy.retraining_runs import (
    RetrainingRun,
    RetrainingRuns,
    RunFile,
    found_bad,
    known,
    trained_on,
)
from eddy.settings import Settings
from models.registry.registry import CHALLENGER, CHAMPION
from models.training.data_quality import (
    Check,
    Profile,
    check_drift,
    check_labels,
    check_volume,
    profile,
    rows_per_day,
)
from models.training.settings import Parameters
from models.training.transactions import Trained
from schemas.errors import ConfigError, EddyError, ModelRefused

log = structlog.get_logger()

NAME = transaction_models.NAME
NOTHING_NEW = "nothing new: every file's content was trained on, or is no data"
_BY = "eddy watch"


def retrain(
    settings: Settings,
    arrivals: Arrivals,
    runs: RetrainingRuns,
    how: Parameters,
    *,
    why: str,
    clock: Callable[[], datetime],
    only_news: bool = False,
) -> RetrainingRun | None:
    """Train on what has arrived, if it is new and good; one caller at a time.

    Parameters
    ----------
    settings : Settings
        Name the registry.
    arrivals : Arrivals
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

    Returns
    -------
    RetrainingRun or None
        As recorded. None for `only_news` without any.

    Raises
    ------
    MissingResource, Unavailable
        Files, registry or record are not to be had; a run that had begun is recorded as failed.
    """
    recover(settings, runs, clock)
    past = runs.all()
    with tempfile.TemporaryDirectory(prefix="eddy-retrain-") as scratch:
        arrived = _arrived(arrivals, Path(scratch), past)
        contents = {one.file.sha256 for one in arrived}
        if only_news and not contents - known(past):
            return None
        run = RetrainingRun(
            run_id=str(uuid.uuid4()),
            at=clock(),
            why=why,
            outcome="started",
            files=[one.file for one in arrived],
        )
        runs.write(run)
        try:
            run = _Running(settings, runs, how, clock, past).decide(run, arrived)
        except Exception as error:
            runs.write(replace(run, at=clock(), outcome="failed", reasons=[_named(error)]))
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
            end = replace(run, at=clock(), outcome="interrupted", reasons=[reason])
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
        manifest = registry.resolve(NAME, version)
        if version not in recorded and manifest.training.data_sha256 == run.data_sha256:
            return version if manifest.created_at >= run.at else None
    return None


def _arrived(arrivals: Arrivals, scratch: Path, past: Sequence[RetrainingRun]) -> list[ArrivedFile]:
    """Return the files that are there, each content once."""
    trained, bad = trained_on(past), found_bad(past)
    found: dict[str, ArrivedFile] = {}
    for one in arrivals.look():
        path = arrivals.fetch(one.name, scratch)
        sha256 = sha256_of(path)
        file = RunFile(
            name=one.name,
            sha256=sha256,
            size_bytes=one.size_bytes,
            is_new=sha256 not in trained,
            is_bad=sha256 in bad,
        )
        found.setdefault(sha256, ArrivedFile(file, path))
    return list(found.values())


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

    def decide(self, run: RetrainingRun, arrived: Sequence[ArrivedFile]) -> RetrainingRun:
        """Return how the run ended."""
        if not any(one.file.is_new and not one.file.is_bad for one in arrived):
            return self._refused(run, [NOTHING_NEW])
        try:
            rows = read(arrived, self._how)
        except ConfigError as error:
            return self._refused(run, [str(error)])
        checks = [*rows.checks, *self._checks(rows)]
        run = replace(
            run,
            files=rows.files,
            checks=checks,
            rows=len(rows.new),
            rows_per_day=rows_per_day(rows.new),
        )
        reasons = _reasons(rows, checks)
        if reasons:
            return self._refused(run, reasons)
        return self._trained(run, rows)

    def _checks(self, rows: Read) -> list[Check]:
        bounds, delay = self._how.retrain, self._how.train.delay_days
        found = check_labels(rows.table, rows.new, delay, bounds)
        if len(rows.new):  # else labels only have come
            usual = [run.rows_per_day for run in self._past if run.outcome == "trained"]
            found.append(check_volume(rows.new, [one for one in usual if one], bounds))
            found += check_drift(rows.new, self._reference(), bounds)
        return found

    def _reference(self) -> Profile | None:
        """Return the distribution of what the champion learned from, where a run trained it."""
        try:
            version = wiring.registry(self._settings).aliases(NAME).get(CHAMPION)
        except ModelRefused:
            return None
        profiles = {run.version: run.profile for run in self._past if run.version is not None}
        return profiles.get(version) if version is not None else None

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


def _reasons(rows: Read, checks: Sequence[Check]) -> list[str]:
    """Return why nothing is to be trained; a file that is no data is no reason if others are."""
    failed = [f"{one.what}: {one.detail}" for one in checks if not one.ok]
    form = [one for one in failed if one.startswith("schema: ")]
    good = [file for file in rows.files if file.is_new and not file.is_bad]
    return [one for one in failed if one not in form] + (form if not good else [])


def _named(error: Exception) -> str:
    kind = "" if isinstance(error, EddyError) else f"{type(error).__name__}: "
    return f"{kind}{error}"
