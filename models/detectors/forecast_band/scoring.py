"""Scores of an interval's cells, and which of them are told."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Codes, Flags, Floats, Ints
from eddy.models.detectors.forecast_band import scoring_kernel as kernel
from eddy.models.forecasting.forecaster import Band, Forecaster
from eddy.models.forecasting.seasonal import COLD_START
from eddy.models.forecasting.silence import boundary_missed


class AlarmLimits(Protocol):
    """Which deviations are told, by slot; may be replaced at any time.

    Attributes
    ----------
    above, below : ndarray of bool
        Sides of the forecast.
    min_absolute, min_relative : ndarray of float64
        Smaller deviations are never told: in the volume's unit, and as a share of the expected.
    cold_score : float
        An entity too young to have a forecast of its own must score this.
    publish_suppressed : bool
        Whether what is muted is told nevertheless, marked.
    """

    above: Flags
    below: Flags
    min_absolute: Floats
    min_relative: Floats

    @property
    def cold_score(self) -> float: ...  # noqa: D102

    @property
    def publish_suppressed(self) -> bool: ...  # noqa: D102

    def make_room(self, count: int) -> None:
        """Have entries for so many slots."""
        ...

    def meet(self, slots: Ints) -> None:
        """Take in entities that have these slots from now on."""
        ...

    def muted(self, begin_us: int, count: int) -> Codes:
        """Return why an interval of the first slots is not told of; 0 where it is.

        What has the code `SPECIAL` is not learned from either.
        """
        ...


TOLD, SNOOZED, SPECIAL = range(3)
MUTED = ("", "snooze", "calendar")
"""By code of `AlarmLimits.muted`: why something is not told."""


def boundaries(band: Band, forecaster: Forecaster, alarms: AlarmLimits) -> tuple[Floats, Floats]:
    """Return how far below and above the forecast scores 1.0, as `deviation.deviation` does."""
    count, rule, calibration = len(band.expected), forecaster.rule, forecaster.calibration
    relative = alarms.min_relative[:count] * band.expected
    least = np.maximum(alarms.min_absolute[:count], relative)
    rate = rule.false_alarm_rate / 2
    below = calibration.tail("lower", rate)[band.group] * band.scale
    above = calibration.tail("upper", rate)[band.group] * band.scale
    return np.maximum(below, least), np.maximum(above, least)


def score(
    cells: NDArray[np.void],
    missed: Floats,
    first: int,
    alarms: AlarmLimits,
    false_alarm_rate: float,
) -> Flags:
    """Fill in score, side and missed payments; return whose alarms were muted, shape (k,).

    Parameters
    ----------
    cells : structured ndarray, shape (k,)
        Of the slots from `first` on; see `judged.Interval`.
    missed : ndarray of float64, shape (k,)
        Payments missed before the interval.
    """
    here = slice(first, first + len(cells))
    muted = np.empty(len(cells), np.bool_)
    kernel.score(
        cells,
        np.ascontiguousarray(missed),
        alarms.above[here],
        alarms.below[here],
        COLD_START,
        alarms.cold_score,
        alarms.publish_suppressed,
        boundary_missed(false_alarm_rate),
        muted,
    )
    return muted
