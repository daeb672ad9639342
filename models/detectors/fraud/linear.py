"""Logistic regressions."""

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from eddy.models.arrays import Floats

if TYPE_CHECKING:
    from eddy.models.detectors.fraud.parameters import Linear


class LinearRanking:
    """A `eddy.models.detectors.fraud.scorer.Ranking`: the margin is the log-odds.

    A feature's part is coefficient (x - typical) / scale, which is exact.

    Parameters
    ----------
    linear : Linear
    typical : list of float
        Where the parts begin.
    """

    is_exact = False

    def __init__(self, linear: "Linear", typical: list[float]) -> None:
        self._center, self._scale = np.array(linear.center, float), np.array(linear.scale, float)
        self._coefficients, self._intercept = (
            np.array(linear.coefficients, float),
            float(linear.intercept),
        )
        self._typical = np.array(typical, float)
        self.base_margin = float(self.margins(self._typical[None])[0])

    def margins(self, X: Floats) -> Floats:
        """Return log-odds, shape (n,)."""
        # column by column: a matrix product adds up differently for other numbers of rows
        margins: Floats = np.full(len(X), self._intercept)
        with np.errstate(over="ignore", invalid="ignore"):  # certain, whichever way
            for j, coefficient in enumerate(self._coefficients):
                margins += coefficient * ((X[:, j] - self._center[j]) / self._scale[j])
        return margins

    def raw(self, margins: Floats) -> Floats:
        """Return probabilities."""
        probabilities: Floats = expit(margins)
        return probabilities

    def parts(self, X: Floats) -> Floats:
        """Return what each feature adds to the base margin, shape (n, d)."""
        result: Floats = self._coefficients * ((X - self._typical) / self._scale)
        return result
