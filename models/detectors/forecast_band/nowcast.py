"""The nowcast: what the running interval will come to."""

from typing import NamedTuple

import numpy as np

from eddy.models.arrays import Floats, Ints
from eddy.models.forecasting.forecaster import Band


class NowcastColumns(NamedTuple):
    """The running interval of k entities, all arrays of shape (k,), in the volume's unit.

    Attributes
    ----------
    as_of_us : int
        Up to when payments are in it; event time in microseconds since 1970.
    observed : ndarray of float64
    expected, lower, upper : ndarray of float64
        What the whole interval will have brought.
    """

    as_of_us: int
    observed: Floats
    expected: Floats
    lower: Floats
    upper: Floats

    def of(self, rows: Ints) -> "NowcastColumns":
        """Return some of the entities."""
        return NowcastColumns(self.as_of_us, *(column[rows] for column in self[1:]))


def nowcast(observed: Floats, band: Band, passed: float, as_of_us: int) -> NowcastColumns:
    """Add what is still to come, as forecast, to what has come.

    The rest of the interval is taken to bring its share of the expected volume. Were payments
    independent, variances would add up over time, so the band of the rest is narrower by the root
    of that share.

    Parameters
    ----------
    observed : ndarray of float64, shape (k,)
    band : Band
        Of the whole interval.
    passed : float
        Share of the interval that is over, 0..1.
    """
    rest = 1.0 - passed
    to_come = rest * band.expected
    narrow = np.sqrt(rest)
    low = np.maximum(to_come - narrow * (band.expected - band.lower), 0.0)
    high = to_come + narrow * (band.upper - band.expected)
    return NowcastColumns(as_of_us, observed, observed + to_come, observed + low, observed + high)
