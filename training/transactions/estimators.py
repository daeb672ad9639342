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
    """Return the median of each feature, 0 where no row says: it stands for what is missing.

    Parameters
    ----------
    rows : ndarray of float64, shape (n, d)

    Returns
    -------
    ndarray of float64, shape (d,)
    """
    said = ~np.isnan(rows).all(axis=0)
    medians = np.zeros(rows.shape[1])
    medians[said] = np.nanmedian(rows[:, said], axis=0)
    return medians


def filled(rows: Floats, values: Floats) -> Floats:
    """Return rows with what is missing filled in."""
    return np.where(np.isnan(rows), values, rows)


def fit(how: TrainSettings, rows: Floats, is_fraud: Flags, weights: Floats) -> Any:
    """Return a fitted estimator of the kind asked for; the same input gives the same one.

    Parameters
    ----------
    how : TrainSettings
    rows : ndarray of float64, shape (n, d)
        Nothing missing.
    is_fraud : ndarray of bool, shape (n,)
        Not looked at by an isolation forest.
    weights : ndarray of float64, shape (n,)
    """
    even = None if np.all(weights == 1.0) else weights
    # boosting takes as many threads as there are processors unless it is told
    with threadpool_limits(limits=how.jobs):
        if how.kind == "isolation_forest":
            return _isolation_forest(how, len(rows)).fit(rows, sample_weight=even)
        build = _forest if how.algorithm == "random_forest" else _boosting
        return build(how).fit(rows, is_fraud, sample_weight=even)


def raw(estimator: Any, rows: Floats) -> Floats:
    """Return what the estimator itself says: a probability, or how isolated a row is."""
    if isinstance(estimator, IsolationForest):
        return -np.asarray(estimator.score_samples(rows), np.float64)
    return np.asarray(estimator.predict_proba(rows)[:, 1], np.float64)


def _forest(how: TrainSettings) -> Any:
    chosen = how.random_forest
    return RandomForestClassifier(
        n_estimators=chosen.trees,
        max_depth=chosen.max_depth,
        max_leaf_nodes=chosen.max_leaves,
        min_samples_leaf=chosen.min_rows_leaf,
        max_samples=chosen.rows_share,
        max_features=chosen.features_share,
        random_state=how.seed,
        n_jobs=how.jobs,
    )


def _boosting(how: TrainSettings) -> Any:
    chosen = how.hist_gradient_boosting
    return HistGradientBoostingClassifier(
        max_iter=chosen.trees,
        learning_rate=chosen.learning_rate,
        max_leaf_nodes=chosen.max_leaves,
        min_samples_leaf=chosen.min_rows_leaf,
        l2_regularization=chosen.l2,
        max_features=chosen.features_share,
        early_stopping=False,  # it would look at rows from the future
        random_state=how.seed,
    )


def _isolation_forest(how: TrainSettings, rows: int) -> Any:
    chosen = how.isolation_forest
    return IsolationForest(
        n_estimators=chosen.trees,
        max_samples=min(chosen.rows, rows),
        random_state=how.seed,
        n_jobs=how.jobs,
    )
