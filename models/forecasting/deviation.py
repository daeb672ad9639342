"""How far an interval is from its forecast: 1.0 is the boundary of an alarm.

The boundary is where a share `false_alarm_rate` of ordinary intervals would lie beyond, by the
segment's own tail (see `eddy.models.forecasting.conformal`); and never so near that the deviation
does not matter: at least `min_absolute`, at least `min_relative` of what was expected. These
three alone set it; a stream needs no labels. (The defaults of the method were chosen while looking
at nyc_taxi, whose five labelled windows are therefore no untouched test; see
docs/explanation/benchmarks.md.)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats, Ints
from eddy.models.forecasting.conformal import ConformalBand


@dataclass(frozen=True, slots=True)
class Boundary:
    """What makes a deviation an alarm.

    Attributes
    ----------
    false_alarm_rate : float
        Nominal share of ordinary intervals beyond the boundary, both sides together: 1 in 1,000
        is one in twelve weeks of two-hour intervals.
    min_absolute : float
        In the unit of the volume.
    min_relative : float
        Of the expected volume.
    """

    false_alarm_rate: float = 0.001
    min_absolute: float = 0.0
    min_relative: float = 0.1

    def __post_init__(self) -> None:
        if not 0 < self.false_alarm_rate <= 0.05:
            raise ValueError("false_alarm_rate: above 0, at most 0.05: that of the band")
        if self.min_absolute < 0 or self.min_relative < 0:
            raise ValueError("min_absolute, min_relative: at least 0")


@dataclass(frozen=True, slots=True)
class Deviation:
    """What is said of n intervals.

    Attributes
    ----------
    score : ndarray of float64, shape (n,)
        Distance from the forecast over the boundary's.
    is_above : ndarray of bool, shape (n,)
        Which direction the distance has.
    boundary : ndarray of float64, shape (n,)
        The distance that would score 1.0, in the unit of the volume.
    """

    score: Floats
    is_above: NDArray[np.bool_]
    boundary: Floats


def deviation(
    observed: Floats,
    expected: Floats,
    scale: Floats,
    segment: Ints,
    band: ConformalBand,
    rule: Boundary,
) -> Deviation:
    """Score observed intervals against their forecasts; all arrays have shape (n,)."""
    residual = observed - expected
    is_above = residual >= 0
    rate = rule.false_alarm_rate / 2
    upper, lower = band.tail("upper", rate)[segment], band.tail("lower", rate)[segment]
    least = np.maximum(rule.min_absolute, rule.min_relative * expected)
    boundary = np.maximum(np.where(is_above, upper, lower) * scale, least)
    boundary = np.maximum(boundary, 1e-12)
    return Deviation(np.abs(residual) / boundary, is_above, boundary)
