"""Isolation forests: what is easily told apart from the rest, without labels.

Source: Liu, Ting, Zhou 2008, "Isolation forest"; scikit-learn's `IsolationForest`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from eddy.models.arrays import Floats
from eddy.models.detectors.fraud.packing import package
from eddy.models.detectors.fraud.parameters import FraudParameters

_SMOKE_ROWS = 16


def fit_isolation_forest(
    X: Floats,
    *,
    features: Sequence[str],
    trees: int = 100,
    samples: int = 256,
    seed: int = 0,
    expected_alert_share: float,
) -> tuple[Any, FraudParameters, dict[str, bytes]]:
    """Fit a forest to rows, most of which are taken to be genuine.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)
        What is no finite number is taken for the median of its column.
    features : sequence of str, of length d
    trees : int
    samples : int
        Rows that each tree is grown from.
    seed : int
        The same rows and seed give the same bytes.
    expected_alert_share : float
        The share of the rows that lies above the boundary, between 0 and 1.

    Returns
    -------
    estimator : sklearn.ensemble.IsolationForest
    parameters : FraudParameters
        With the boundary at that quantile of the rows' own outputs.
    files : dict of str to bytes
        To be registered beside the parameters.

    Raises
    ------
    ValueError
        The share is not within 0 and 1, or a column has no finite number.
    """
    from sklearn.ensemble import IsolationForest  # noqa: PLC0415 # scoring does without

    if not 0 < expected_alert_share < 1:
        raise ValueError("expected_alert_share: between 0 and 1")
    if not np.isfinite(X).any(axis=0).all():
        raise ValueError("X: a column without a finite number, or no rows")
    typical = np.nanmedian(np.where(np.isfinite(X), X, np.nan), axis=0)
    complete = np.where(np.isfinite(X), X, typical)
    forest = IsolationForest(
        n_estimators=trees, max_samples=min(samples, len(X)), random_state=seed
    ).fit(complete)
    outputs = -forest.score_samples(complete)
    parameters, files = package(
        forest,
        features=features,
        typical=typical,
        boundary=float(np.quantile(outputs, 1 - expected_alert_share)),
        smoke_rows=complete[:: max(1, len(X) // _SMOKE_ROWS)][:_SMOKE_ROWS],
    )
    return forest, parameters, files
