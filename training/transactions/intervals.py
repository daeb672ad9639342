"""Figures with intervals, bootstrapped by day (Efron and Tibshirani 1993).

The rows of one day are not independent; days nearly are. `scipy.stats.bootstrap` does not serve:
where one resample has no figure (no fraud on its days) its interval is NaN, it refuses a single
day, and the figures here take how often each day counts, not the days.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from eddy.models.arrays import Floats, Ints
from eddy.training.transactions.fraud_metrics import Figure, ScoredRows


class ConfidenceInterval(msgspec.Struct, frozen=True):
    """A figure, and where it lies with the confidence asked for."""

    value: float
    low: float
    high: float


def resampled_days(days: int, resamples: int, random: np.random.Generator) -> Ints:
    """Return how often each day counts in each resample; shape (resamples, days)."""
    drawn = random.integers(0, days, (resamples, days))
    return np.stack([np.bincount(sample, minlength=days) for sample in drawn])


def value(folds: Sequence[ScoredRows], figure: Figure) -> float:
    """Return a figure of the rows as they are: the mean over the folds."""
    return float(np.mean([figure(rows)(np.ones(_days(rows), np.int64)) for rows in folds]))


def with_interval(
    folds: Sequence[ScoredRows], figure: Figure, resamples: int, confidence: float, seed: int
) -> ConfidenceInterval:
    """Return a figure with its percentile interval, days being resampled within each fold."""
    drawn = _resampled(folds, figure, resamples, seed)
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return ConfidenceInterval(value(folds, figure), float("nan"), float("nan"))
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return ConfidenceInterval(value(folds, figure), float(low), float(high))


def differences(
    first: ScoredRows, second: ScoredRows, figure: Figure, resamples: int, seed: int
) -> Floats:
    """Return by how much the first is above the second, in each resample of the same days.

    Returns
    -------
    ndarray of float64, shape (m,)
        At most `resamples`: those in which either has no figure are left out.
    """
    drawn = _resampled([first], figure, resamples, seed)
    drawn = drawn - _resampled([second], figure, resamples, seed)
    kept: Floats = drawn[np.isfinite(drawn)]
    return kept


def _resampled(folds: Sequence[ScoredRows], figure: Figure, resamples: int, seed: int) -> Floats:
    random, parts = np.random.default_rng(seed), []
    for rows in folds:
        statistic = figure(rows)
        times = resampled_days(_days(rows), resamples, random)
        parts.append([statistic(sample) for sample in times])
    return np.asarray(np.mean(parts, axis=0), np.float64)


def _days(rows: ScoredRows) -> int:
    return len(np.unique(rows.days))
