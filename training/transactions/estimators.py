"""Fitting scikit-learn's estimators: seeded, on so many processors, rows weighted."""

from typing import Any

import numpy as np
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from threadpoolctl import threadpool_limits

from eddy.models.arrays import Flags, Floats
from eddy.training.transactions.settings import TrainSettings


def typical(rows: Floats) -> Floats:
    """Return the median of each feature, to fill in missing values; 0 where no row has one.

    Parameters
    ----------
    rows : ndarray of float64, shape (n, d)

    Returns
    -------
    ndarray of float64, shape (d,)
    """
    has_values = ~np.isnan(rows).all(axis=0)
    medians = np.zeros(rows.shape[1])
    medians[has_values] = np.nanmedian(rows[:, has_values], axis=0)
    return medians


def filled(rows: Floats, values: Floats) -> Floats:
    """Return rows with what is missing filled in."""
    return np.where(np.isnan(rows), values, rows)


def fit(settings: TrainSettings, rows: Floats, is_fraud: Flags, weights: Floats) -> Any:
    """Return a fitted estimator of the kind asked for; the same input gives the same one.

    Parameters
    ----------
    settings : TrainSettings
    rows : ndarray of float64, shape (n, d)
        Nothing missing.
    is_fraud : ndarray of bool, shape (n,)
        Not looked at by an isolation forest.
    weights : ndarray of float64, shape (n,)
    """
    even = None if np.all(weights == 1.0) else weights
    # boosting takes as many threads as there are processors unless it is told
    with threadpool_limits(limits=settings.jobs):
        if settings.kind == "isolation_forest":
            return _isolation_forest(settings, len(rows)).fit(rows, sample_weight=even)
        build = _forest if settings.algorithm == "random_forest" else _boosting
        return build(settings).fit(rows, is_fraud, sample_weight=even)


def raw(estimator: Any, rows: Floats) -> Floats:
    """Return the estimator's own output: a probability, or how isolated a row is."""
    if isinstance(estimator, IsolationForest):
        return -np.asarray(estimator.score_samples(rows), np.float64)
    return np.asarray(estimator.predict_proba(rows)[:, 1], np.float64)


def _forest(settings: TrainSettings) -> Any:
    forest = settings.random_forest
    return RandomForestClassifier(
        n_estimators=forest.trees,
        max_depth=forest.max_depth,
        max_leaf_nodes=forest.max_leaves,
        min_samples_leaf=forest.min_rows_leaf,
        max_samples=forest.rows_share,
        max_features=forest.features_share,
        random_state=settings.seed,
        n_jobs=settings.jobs,
    )


def _boosting(settings: TrainSettings) -> Any:
    boosting = settings.hist_gradient_boosting
    return HistGradientBoostingClassifier(
        max_iter=boosting.trees,
        learning_rate=boosting.learning_rate,
        max_leaf_nodes=boosting.max_leaves,
        min_samples_leaf=boosting.min_rows_leaf,
        l2_regularization=boosting.l2,
        max_features=boosting.features_share,
        early_stopping=False,  # it would look at rows from the future
        random_state=settings.seed,
    )


def _isolation_forest(settings: TrainSettings, rows: int) -> Any:
    forest = settings.isolation_forest
    return IsolationForest(
        n_estimators=forest.trees,
        max_samples=min(forest.rows, rows),
        random_state=settings.seed,
        n_jobs=settings.jobs,
    )
