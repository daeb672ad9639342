"""The features of a ride: logarithms of its distance and duration.

Speed is deliberately not a feature: a long ride at an ordinary speed must stay visible.
"""

import numpy as np

from eddy.models.arrays import Floats

NAMES = ("distance_km", "duration_s")
_UNITS = np.array([1.0, 60.0])  # kilometres, minutes: about one each for a short ride


def features(values: Floats) -> Floats:
    """Return sign(x) log(1 + |x|) of kilometres and minutes: ratios matter, not differences.

    Parameters
    ----------
    values : ndarray of float64, shape (n, 2)
        distance_km, duration_s.
    """
    scaled = values / _UNITS
    logs: Floats = np.copysign(np.log1p(np.abs(scaled)), scaled)
    return logs


def in_units(rows: Floats) -> Floats:
    """Return kilometres and seconds of features: the inverse of `features`."""
    sizes: Floats = np.copysign(np.expm1(np.abs(rows)), rows) * _UNITS
    return sizes
