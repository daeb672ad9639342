"""Calibrate a model's outputs to probabilities and set the boundary, on rows it has not seen."""

import numpy as np

from eddy.models.arrays import Flags, Floats
from eddy.schemas.errors import ConfigError
from eddy.training.transactions.fraud_metrics import CardDays, ScoredRows
from eddy.training.transactions.settings import Threshold

LEAST_BOUNDARY = 1e-4
"""What is less likely than this is nobody's alert, whatever the budget."""

_STEPS = 100
_CLOSE = 1e-10


def platt(logits: Floats, is_fraud: Flags, weights: Floats) -> tuple[float, float]:
    """Return slope and intercept of the logistic curve through labels over logits.

    Platt (1999), with his smoothed targets, by Newton's method (Lin, Lin, Weng 2007).

    Parameters
    ----------
    logits : ndarray of float64, shape (n,)
        Finite.
    is_fraud : ndarray of bool, shape (n,)
    weights : ndarray of float64, shape (n,)

    Raises
    ------
    ConfigError
        Frauds do not have the higher logits: the model says nothing.
    """
    right, wrong = float(weights[is_fraud].sum()), float(weights[~is_fraud].sum())
    target = np.where(is_fraud, (right + 1) / (right + 2), 1 / (wrong + 2))
    design = np.column_stack([logits, np.ones(len(logits))])
    line = np.array([0.0, np.log((right + 1) / (wrong + 1))])
    loss = _loss(design @ line, target, weights)
    for _ in range(_STEPS):
        predicted = _sigmoid(design @ line)
        gradient = design.T @ (weights * (predicted - target))
        curvature = (design * (weights * predicted * (1 - predicted))[:, None]).T @ design
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        share, better = 1.0, loss
        while share > _CLOSE:
            better = _loss(design @ (line - share * step), target, weights)
            if better <= loss:
                break
            share /= 2
        line = line - share * step
        if loss - better <= _CLOSE * abs(loss):
            break
        loss = better
    if not line[0] > 0:
        raise ConfigError("the model ranks frauds no higher than others on the calibration days")
    return float(line[0]), float(line[1])


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)), np.float64)


def _loss(logits: Floats, target: Floats, weights: Floats) -> float:
    return float(np.sum(weights * (np.logaddexp(0.0, logits) - target * logits)))


def boundary(rows: ScoredRows, threshold: Threshold) -> float:
    """Return what a row's probability must exceed to be flagged.

    Parameters
    ----------
    rows : ScoredRows
        Their `probabilities` are used, their `scores` are not.
    threshold : Threshold
    """
    find = _by_cost if threshold.by == "cost" else _by_budget
    return max(find(rows, threshold), LEAST_BOUNDARY)


def _by_budget(rows: ScoredRows, threshold: Threshold) -> float:
    """Return the probability that just `threshold.cards_per_day` cards a day exceed, or fewer."""
    cards = CardDays.of(rows.days, rows.cards, rows.probabilities, rows.is_fraud)
    days = len(np.unique(rows.days))
    best = np.sort(cards.best)[::-1]
    allowed = int(threshold.cards_per_day * days)
    # with budget for all of them, whoever is above the least likely one
    return float(best[min(allowed, len(best) - 1)])


def _by_cost(rows: ScoredRows, threshold: Threshold) -> float:
    """Return the probability above which flagging costs least.

    Every row above costs an alert, every fraud not above its share of the amount.
    """
    order = np.argsort(-rows.probabilities, kind="stable")
    probabilities, weights = rows.probabilities[order], rows.weights[order]
    saved = threshold.missed_share * np.maximum(rows.amounts[order], 0.0) * rows.is_fraud[order]
    total = np.append(0.0, np.cumsum(weights * (threshold.alert_cost - saved)))
    # a boundary lies between two probabilities: after the last of equal ones, or before all
    changes = probabilities[1:] != probabilities[:-1]
    is_end = np.append(np.append(True, changes)[: len(probabilities)], True)
    ends = np.flatnonzero(is_end)
    flagged = ends[np.argmin(total[ends])]
    return float(probabilities[flagged]) if flagged < len(probabilities) else 0.0
