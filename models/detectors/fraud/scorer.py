"""From features to scores and reasons: what every model of card transactions does in the end."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from eddy.models.arrays import Floats
from eddy.models.detectors.fraud.calibration import Calibration

# Raw outputs that come from an exponential may differ in the last bits between machines.
_LAST_BITS = 4


class Ranking(Protocol):
    """Orders rows by a margin, which is a sum of features' parts.

    Attributes
    ----------
    is_exact : bool
        Whether raw outputs are the same bits on every machine.
    base_margin : float
        The margin to which parts are added.
    """

    is_exact: bool
    base_margin: float

    def margins(self, X: Floats) -> Floats:
        """Return margins of complete rows, shape (n,)."""
        ...

    def raw(self, margins: Floats) -> Floats:
        """Return the model's own output, of the margins: strictly monotone."""
        ...

    def parts(self, X: Floats) -> Floats:
        """Return what each feature adds to the base margin, shape (n, d)."""
        ...


class ScorerParameters(Protocol):
    """What a scorer needs of a model's parameters; see `FraudParameters`."""

    @property
    def detector(self) -> str:
        """What anomalies name as their detector."""
        ...

    @property
    def features(self) -> list[str]:
        """Columns of the rows, in this order."""
        ...

    @property
    def typical(self) -> list[float]:
        """What missing values are taken for."""
        ...

    @property
    def boundary(self) -> float:
        """The probability, or forest output, whose score is 1.0."""
        ...

    @property
    def calibration(self) -> Calibration | None:
        """Makes a probability of the raw output."""
        ...


class Scorer:
    """Scores rows of features; how rows are cut into batches changes nothing.

    Parameters
    ----------
    parameters : ScorerParameters
    ranking : Ranking
        What `parameters` stand for, opened.

    Attributes
    ----------
    parameters : ScorerParameters
    features : list of str
        Columns of the rows, in this order.
    detector : str
        What anomalies name as their detector.
    boundary : float
        The probability, or forest output, whose score is 1.0.
    base_score : float
        What contributions are added to: of trees the score at the mean output over the training
        rows, of linear models the score of the typical row.
    """

    def __init__(self, parameters: ScorerParameters, ranking: Ranking) -> None:
        self.parameters, self._ranking = parameters, ranking
        self.features, self.detector = parameters.features, parameters.detector
        self.boundary = parameters.boundary
        self._typical = np.array(parameters.typical, float)
        self.base_score = float(self._scores_at(np.array([ranking.base_margin]))[0])

    def raw(self, X: Floats) -> Floats:
        """Return the model's own output: scikit-learn's, bit by bit.

        Of classifiers ``predict_proba(X)[:, 1]``, of isolation forests ``-score_samples(X)``.

        Parameters
        ----------
        X : ndarray of float64, shape (n, len(features))
            What is no finite number is missing, and taken for typical.
        """
        return self._ranking.raw(self._ranking.margins(self._complete(X)))

    def probability(self, X: Floats) -> Floats:
        """Return calibrated probabilities of fraud, shape (n,).

        Without a calibration this is the raw output, which is no probability where an isolation
        forest gives it.
        """
        return self._calibrated(self.raw(X))

    def score(self, X: Floats) -> Floats:
        """Return scores, shape (n,): 1.0 is the boundary, larger is more anomalous."""
        return self._scores_at(self._ranking.margins(self._complete(X)))

    def contributions(self, X: Floats) -> Floats:
        """Split each score between the features; shape (n, len(features)), signed.

        A row's contributions sum to its score less `base_score`. Of trees the change of the
        expected output at every split on the row's way goes to the split's feature (Saabas 2014,
        "Interpreting random forests"), of linear models it is what the feature's distance from
        typical adds to the log-odds; both are then stretched by one factor a row, so that they
        sum in scores instead of margins.
        """
        rows = self._complete(X)
        parts = self._ranking.parts(rows)
        total = parts.sum(axis=1)
        # Where the parts cancel out, the factor is the slope of the score at the base.
        is_clear = np.abs(total) > 1e-9 * np.abs(parts).sum(axis=1)
        change = self._scores_at(self._ranking.margins(rows)) - self.base_score
        factor = np.where(is_clear, change, self._slope())
        np.divide(change, total, out=factor, where=is_clear)
        result: Floats = parts * factor[:, None]
        return result

    def reproduces(self, rows: Sequence[Sequence[float]], outputs: Sequence[float]) -> bool:
        """Whether raw outputs come out as they were.

        Bit by bit, except that what goes through an exponential may differ in its last bits:
        mathematical libraries do, between machines.
        """
        X = np.array(rows, np.float64).reshape(len(rows), len(self.features))
        actual, expected = self.raw(X), np.array(outputs, np.float64)
        if self._ranking.is_exact:
            return bool(np.array_equal(actual, expected))
        near = _LAST_BITS * np.spacing(np.maximum(np.abs(actual), np.abs(expected)))
        return bool((np.abs(actual - expected) <= near).all())

    def _complete(self, X: Floats) -> Floats:
        complete: Floats = np.where(np.isfinite(X), X, self._typical)
        return complete

    def _calibrated(self, raw: Floats) -> Floats:
        platt = self.parameters.calibration
        return raw if platt is None else platt.probabilities(raw)

    def _scores_at(self, margins: Floats) -> Floats:
        raw = self._ranking.raw(margins)
        is_probability = self.detector != "isolation_forest"
        scores: Floats = (self._calibrated(raw) if is_probability else raw) / self.boundary
        return scores

    def _slope(self) -> float:
        """Return the derivative of the score by the margin, at the base."""
        base = self._ranking.base_margin
        step = 1e-6 * max(1.0, abs(base))
        low, high = self._scores_at(np.array([base - step, base + step]))
        return float((high - low) / (2 * step))
