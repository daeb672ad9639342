"""Probabilities of raw outputs."""

from typing import Annotated

import msgspec
from msgspec import Meta
from scipy.special import expit, logit

from eddy.models.arrays import Floats


class Calibration(msgspec.Struct, frozen=True):
    """Platt scaling: probability = sigmoid(slope * logit(raw output) + intercept).

    Strictly increasing, so that it changes no ranking.

    Source: Platt 1999, "Probabilistic outputs for support vector machines".
    """

    slope: Annotated[float, Meta(gt=0)]
    intercept: float

    def probabilities(self, raw: Floats) -> Floats:
        """Return the probabilities of raw outputs, shape as given."""
        result: Floats = expit(self.slope * logit(raw) + self.intercept)
        return result
