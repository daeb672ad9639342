"""From an estimator to what is registered: the parameters and the files beside them."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
from msgspec.structs import replace

from eddy.models.arrays import Floats
from eddy.models.artefact import File, digest
from eddy.models.detectors.fraud.calibration import Calibration
from eddy.models.detectors.fraud.estimator_file import ESTIMATOR_FILE, dump
from eddy.models.detectors.fraud.linear import Linear
from eddy.models.detectors.fraud.parameters import FraudParameters, Kind, Smoke


def package(
    estimator: Any,
    *,
    features: Sequence[str],
    typical: Sequence[float] | Floats,
    boundary: float,
    smoke_rows: Floats,
    detector: Kind | None = None,
    calibration: Calibration | None = None,
) -> tuple[FraudParameters, dict[str, bytes]]:
    """Return the parameters and the files of a fitted estimator, to be registered together.

    Parameters
    ----------
    estimator : estimator of scikit-learn, or Linear
        A RandomForestClassifier, ExtraTreesClassifier, HistGradientBoostingClassifier or
        IsolationForest; or a LogisticRegression, alone or behind a StandardScaler in a Pipeline.
        Fitted on arrays, with classes 0 and 1 (or False and True).
    features : sequence of str
        Names of its columns.
    typical : sequence of float
        Medians of the training rows.
    boundary : float
        The calibrated probability (of an isolation forest the raw output) whose score is 1.0.
    smoke_rows : ndarray of float64, shape (m, d)
        A few complete rows; their raw outputs are kept beside them.
    detector : str, optional
        What anomalies name; by default by the kind of estimator.
    calibration : Calibration, optional

    Raises
    ------
    ModelRefused
        The estimator cannot be kept or scored with.
    ValueError
        The arguments do not belong together.
    """
    linear = estimator if isinstance(estimator, Linear) else _linear(estimator)
    # more than one worker would add up in any order, and is nothing of the model's
    alone = copy(estimator)
    if linear is None and hasattr(alone, "n_jobs"):
        alone.n_jobs = None
    content = None if linear else dump(alone)
    is_isolating = type(estimator).__name__ == "IsolationForest"
    untried = FraudParameters(
        detector=detector or ("isolation_forest" if is_isolating else "fraud_classifier"),
        features=list(features),
        typical=[float(value) for value in typical],
        boundary=float(boundary),
        calibration=calibration,
        linear=linear,
        estimator=None if content is None else File(digest(content), len(content)),
    )
    files = {} if content is None else {ESTIMATOR_FILE: content}
    rows = np.asarray(smoke_rows, np.float64).reshape(-1, len(features))
    outputs = untried.opened(files).raw(rows) if linear else _outputs(alone, rows)
    tried = replace(untried, smoke=Smoke(rows.tolist(), outputs.tolist()))
    tried.opened(files)
    return tried, files


def _outputs(estimator: Any, rows: Floats) -> Floats:
    """Return scikit-learn's own outputs."""
    if not len(rows):
        return np.empty(0)
    if hasattr(estimator, "predict_proba"):
        outputs: Floats = estimator.predict_proba(rows)[:, 1]
        return outputs
    lonely: Floats = -estimator.score_samples(rows)
    return lonely


def _linear(estimator: Any) -> Linear | None:
    """Return a logistic regression's numbers, None where it is another estimator."""
    steps = [step for _, step in getattr(estimator, "steps", [("", estimator)])]
    kinds = [type(step).__name__ for step in steps]
    if kinds not in (["LogisticRegression"], ["StandardScaler", "LogisticRegression"]):
        return None
    fitted = steps[-1]
    if fitted.coef_.shape[0] != 1 or fitted.classes_.tolist() != [False, True]:
        raise ValueError("a logistic regression of genuine (0) and fraud (1) is wanted")
    width = fitted.coef_.shape[1]
    center = scale = None
    if len(steps) == 2:
        center, scale = steps[0].mean_, steps[0].scale_
    return Linear(
        center=(np.zeros(width) if center is None else center).tolist(),
        scale=(np.ones(width) if scale is None else scale).tolist(),
        coefficients=fitted.coef_[0].tolist(),
        intercept=float(fitted.intercept_[0]),
    )
