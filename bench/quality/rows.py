"""One figure of quality, and how it comes about: the detector's beside a random scorer's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from eddy.models.arrays import Floats

Labels = NDArray[np.bool_]

_SEEDS = 20


class Row(msgspec.Struct, frozen=True):
    """One figure.

    Attributes
    ----------
    dataset, detector, metric : str
    value, random_value : float
        The detector's, and the mean of random scorers that flag as many rows.
    """

    dataset: str
    detector: str
    metric: str
    value: float
    random_value: float


class Target(msgspec.Struct, frozen=True):
    """What a figure is to exceed."""

    dataset: str
    detector: str
    metric: str
    above: float


@dataclass(frozen=True, slots=True)
class Case:
    """One public set and all that is measured on it.

    Attributes
    ----------
    name : str
    files : tuple of str
        Below the folder of data; where one is missing, the case is skipped.
    measure : callable
        ``measure(folder)`` yields the figures.
    targets : tuple of Target
    sensitivity : callable, optional
        ``sensitivity(folder, console)`` prints how the figures depend on the settings.
    """

    name: str
    files: tuple[str, ...]
    measure: Callable[[Path], Iterator[Row]]
    targets: tuple[Target, ...] = ()
    sensitivity: Callable[[Path, Console], None] | None = None


def average_precision(labels: Labels, scores: Floats) -> float:
    """Return the area under precision over recall."""
    return float(average_precision_score(labels, scores))


def f1_at_one(labels: Labels, scores: Floats) -> float:
    """Return F1 of the rows whose score is above 1.0."""
    return float(f1_score(labels, scores > 1.0, zero_division=0.0))


def auroc(labels: Labels, scores: Floats) -> float:
    """Return the area under the ROC curve."""
    return float(roc_auc_score(labels, scores))


METRICS = {"AP": average_precision, "F1 at score > 1": f1_at_one, "AUROC": auroc}


def rows(
    dataset: str, detector: str, labels: Labels, scores: Floats, metrics: tuple[str, ...]
) -> Iterator[Row]:
    """Yield the figures of one detector.

    Parameters
    ----------
    dataset, detector : str
    labels : ndarray of bool, shape (n,)
    scores : ndarray of float64, shape (n,)
        NaN where it had nothing to say: as good as "ordinary".
    metrics : tuple of str
        Keys of `METRICS`.
    """
    known = np.nan_to_num(scores, nan=0.0)
    shuffled = [np.random.default_rng(seed).permutation(known) for seed in range(_SEEDS)]
    for name in metrics:
        metric = METRICS[name]
        chance = float(np.mean([metric(labels, permuted) for permuted in shuffled]))
        yield Row(dataset, detector, name, metric(labels, known), chance)
