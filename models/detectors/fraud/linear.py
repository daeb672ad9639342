"""Logistic regressions."""

import math
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from scipy.special import expit

from eddy.models.arrays import Floats


class Linear(msgspec.Struct, frozen=True):
    """A logistic regression: sigmoid(intercept + sum_j coefficient_j (x_j - center_j) / scale_j).

    Attributes
    ----------
    center, scale, coefficients : list of float
        One a feature.
    intercept : float
        The log-odds where every feature is at its center.
    """

    center: list[float]
    scale: list[Annotated[float, Meta(gt=0)]]
    coefficients: list[float]
    intercept: float

    def __post_init__(self) -> None:
        if not len(self.center) == len(self.scale) == len(self.coefficients):
            raise ValueError("linear: center, scale and coefficients differ in length")
        check_finite("linear", *self.center, *self.scale, *self.coefficients, self.intercept)


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

    def __init__(self, linear: Linear, typical: list[float]) -> None:
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


def check_finite(what: str, *numbers: float) -> None:
    """Raise ValueError where one of `numbers` is a NaN or an infinity."""
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{what}: numbers must be finite")
