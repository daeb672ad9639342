"""Training for transactions: a calibrated classifier, or an isolation forest; and its boundary.

Time order throughout: a model like the one wanted is trained on rows that end a delay before the
calibration days, and judged on these; from that come Platt's calibration and the boundary. Then
the model itself learns from all rows, the calibration days among them. So neither rests on rows
that were learned by heart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from scipy.special import expit, logit

from eddy.models.arrays import Flags, Floats
from eddy.models.detectors.fraud.calibration import Calibration
from eddy.models.detectors.fraud.packing import package
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.detectors.fraud.scorer import Scorer
from eddy.schemas.errors import ConfigError
from eddy.training.transactions import estimators
from eddy.training.transactions.calibration import boundary, platt
from eddy.training.transactions.feature_history import FeatureHistory
from eddy.training.transactions.fraud_metrics import ScoredRows
from eddy.training.transactions.prequential import (
    Fold,
    learnable,
    newest_rows,
    newest_window,
    rows_seen,
)
from eddy.training.transactions.settings import TrainSettings
from eddy.training.transactions.table import DAY_US, NO_TIME, TrainingTable, whole_days

LEAST_FRAUDS = 10
"""With fewer there is nothing to learn from."""

_CERTAIN = 1e-6
_SMOKE_ROWS = 16  # of each kind
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Trained:
    """A model that is not yet registered.

    Attributes
    ----------
    parameters : FraudParameters
    files : mapping of str to bytes
        What is registered beside it.
    scorer : Scorer
        The parameters and files, opened as a detector opens them.
    rows, frauds : int
        That it learned from.
    data_sha256 : str
        Of these rows.
    first_us, until_us : int
        The period they are of.
    calibration_delay_days : float
        Days between the rows learned from and the calibration days: 0 where the table does not
        reach back far enough to leave more.
    history : FeatureHistory, optional
        What their features were made with; None where the table does not say.
    """

    parameters: FraudParameters
    files: Mapping[str, bytes]
    scorer: Scorer
    rows: int
    frauds: int
    data_sha256: str
    first_us: int
    until_us: int
    calibration_delay_days: float
    history: FeatureHistory | None

    def settings(self, settings: TrainSettings) -> dict[str, Any]:
        """Return how it was trained, as plain values for the registry."""
        return {
            **msgspec.to_builtins(settings),
            "learned_from": text(self.first_us),
            "learned_until": text(self.until_us),
            "frauds": self.frauds,
            "calibration_delay_days": self.calibration_delay_days,
            "history": msgspec.to_builtins(self.history),
        }


def text(time_us: int) -> str:
    """Return a time as RFC 3339."""
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z")


def moment(written: str) -> int:
    """Return what `text` wrote as microseconds since 1970."""
    return (datetime.fromisoformat(written) - _EPOCH) // timedelta(microseconds=1)


def train(table: TrainingTable, settings: TrainSettings) -> Trained:
    """Return a model of the newest rows that training may see; the rest is for the gate.

    The same rows and settings give the same model.

    Raises
    ------
    ConfigError
        There are too few rows, or frauds, in the periods the settings ask for.
    """
    # without a fraud nobody can judge an isolation forest, and no label has to be waited for
    unjudged = settings.kind == "isolation_forest" and not table.frauds.any()
    newest = newest_rows if unjudged else newest_window
    if settings.hold_out_days:
        fold = newest(table, settings.hold_out_days, settings.delay_days)
        return train_until(table, settings, fold.learn_until_us, fold.test_start_us)
    until = newest(table, 1, settings.delay_days).test_stop_us
    return train_until(table, settings, until, NO_TIME - 1)


def train_until(
    table: TrainingTable, settings: TrainSettings, until_us: int, known_by_us: int
) -> Trained:
    """Return a model of the rows before a time whose labels were known by another.

    Raises
    ------
    ConfigError
        As `train`.
    """
    names = list(settings.features or table.names)
    if settings.threshold.by == "cards_per_day":
        whole_days(table, "train.threshold.by: cards_per_day")
    rows = _to_learn(table, settings, until_us, known_by_us)
    typical = estimators.typical(rows.columns(names))
    calibrated = _calibrate(table, settings, names, until_us, known_by_us)
    parameters, files = package(
        _fitted(rows, settings, names, typical),
        features=names,
        typical=typical,
        boundary=calibrated.boundary,
        calibration=calibrated.calibration,
        smoke_rows=_smoke(rows, names, typical),
    )
    return Trained(
        parameters=parameters,
        files=files,
        scorer=parameters.opened(files),
        rows=len(rows),
        frauds=int(rows.frauds.sum()),
        data_sha256=rows.sha256(),
        first_us=int(rows.occurred_at[0]),
        until_us=until_us,
        calibration_delay_days=calibrated.delay_days,
        history=table.history,
    )


def _to_learn(
    table: TrainingTable, settings: TrainSettings, until_us: int, known_by_us: int
) -> TrainingTable:
    if settings.kind == "isolation_forest":
        rows = table.rows(table.between(until_us - settings.train_days * DAY_US, until_us))
        enough = len(rows) > 1
    else:
        rows = learnable(table, until_us, settings.train_days, known_by_us)
        frauds = int(rows.frauds.sum())
        enough = LEAST_FRAUDS <= frauds < len(rows)
    if not enough:
        raise ConfigError(
            f"train.train_days: {len(rows):,} rows with {int(rows.frauds.sum())} frauds in the "
            f"{settings.train_days} days before {text(until_us)}: too few to learn from (at least "
            f"{LEAST_FRAUDS} frauds, and others)"
        )
    return rows


def _fitted(rows: TrainingTable, settings: TrainSettings, names: list[str], typical: Floats) -> Any:
    known = estimators.filled(rows.columns(names), typical)
    return estimators.fit(settings, known, rows.frauds, rows.weights)


def _smoke(rows: TrainingTable, names: list[str], typical: Floats) -> Floats:
    """Return a few rows, frauds among them, that must always come out the same."""
    frauds, others = np.flatnonzero(rows.frauds), np.flatnonzero(~rows.frauds)
    picked = [
        kind[np.unique(np.linspace(0, len(kind) - 1, _SMOKE_ROWS).astype(int))]
        for kind in (frauds, others)
        if len(kind)
    ]
    return estimators.filled(rows.rows(np.concatenate(picked)).columns(names), typical)


@dataclass(frozen=True, slots=True)
class _Calibrated:
    """Calibration and boundary from the calibration days, and the delay left before them."""

    calibration: Calibration | None
    boundary: float
    delay_days: float


def _calibrate(
    table: TrainingTable, settings: TrainSettings, names: list[str], until_us: int, known_by_us: int
) -> _Calibrated:
    """Return calibration and boundary, found on days that a model like the one wanted has not seen.

    Where the table does not reach back far enough to leave a delay before them, it leaves none.
    """
    start = until_us - settings.calibration_days * DAY_US
    delay_days = settings.delay_days
    delayed = start - round(delay_days * DAY_US)
    try:
        earlier = _to_learn(table, settings, delayed, start)
    except ConfigError:
        earlier, delay_days = _to_learn(table, settings, start, known_by_us), 0.0
    typical = estimators.typical(earlier.columns(names))
    estimator = _fitted(earlier, settings, names, typical)
    days = rows_seen(table, Fold(delayed, start, until_us), settings.delay_days)
    if not len(days):
        raise ConfigError(f"train.calibration_days: no rows from {text(start)} on")
    outputs = estimators.raw(estimator, estimators.filled(days.columns(names), typical))
    known = days.labelled & (days.labelled_at <= known_by_us)
    calibration = None
    if settings.kind == "classifier":
        calibration = _calibration(days, outputs, known)
        outputs = expit(calibration.slope * logit(outputs) + calibration.intercept)
    scored = replace(ScoredRows.of(days, start, outputs, outputs), is_fraud=days.frauds & known)
    if settings.threshold.by == "cost" and not scored.is_fraud.any():
        raise ConfigError(
            "train.threshold.by: cost wants frauds that are known on the calibration days; without "
            "any take cards_per_day"
        )
    return _Calibrated(calibration, boundary(scored, settings.threshold), delay_days)


def _calibration(days: TrainingTable, outputs: Floats, known: Flags) -> Calibration:
    if not days.frauds[known].any():
        raise ConfigError("train.calibration_days: no fraud in them is known; take more days")
    finite = np.clip(outputs[known], _CERTAIN, 1 - _CERTAIN)  # a forest may be quite sure
    slope, intercept = platt(logit(finite), days.frauds[known], days.weights[known])
    return Calibration(slope=slope, intercept=intercept)
