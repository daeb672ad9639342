"""The forecaster: baseline, calibrated band and deviation in one, interval after interval.

The order is the protocol: an interval is forecast from what was closed before it, judged, and only
then learned from. What was flagged moves neither baseline nor profile; the beginning of a
deviation counts for the tail as just beyond the boundary, so that it can neither be blown up by
anomalies nor stay narrower than the rate it promises. Whether an interval was within its band
counts always. Young entities are calibrated apart from the others of their
segment: their errors are larger.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.forecasting.calendar import Moments
from models.forecasting.conformal import ConformalBand
from models.forecasting.deviation import Boundary, Deviation, deviation
from models.forecasting.seasonal import COLD_START, Learning, SeasonalBand
from models.forecasting.shifts import ShiftRule, Shifts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

_JUST_BEYOND = 1.1


@dataclass(frozen=True, slots=True)
class Band:
    """The forecast of an interval for k entities, all arrays of shape (k,).

    Attributes
    ----------
    expected, lower, upper, scale : ndarray of float64
        In the unit of the volume; 0 <= lower <= upper.
    group : ndarray of int64
        By which the band was calibrated: segment, and whether young.
    confidence : ndarray of float64
        0..1; below `seasonal.COLD_START` the entity rests on its segment's prior.
    """

    expected: Floats
    lower: Floats
    upper: Floats
    scale: Floats
    group: Ints
    confidence: Floats

    @property
    def is_cold(self) -> Flags:
        """Which entities are too young to be alarmed about by themselves."""
        return np.asarray(self.confidence < COLD_START, np.bool_)


@dataclass(frozen=True, slots=True)
class Closed:
    """What is said of a closed interval of k entities.

    Attributes
    ----------
    band : Band
        As forecast before the interval.
    deviation : Deviation
    flagged : ndarray of bool, shape (k,)
        Known, not young, and beyond the boundary.
    shifted : ndarray of int64, shape (m,)
        Positions in `slots` whose level shift was confirmed with this interval.
    """

    band: Band
    deviation: Deviation
    flagged: Flags
    shifted: Ints


class Forecaster:
    """Forecasts and judges the intervals of n entities in s segments.

    Parameters
    ----------
    segments : int
    slots_per_day : int
    coverage : float
        Share of intervals within the band.
    rule : Boundary
        What makes a deviation an alarm; may be replaced at any time.
    shift : ShiftRule
    learning : Learning
    """

    def __init__(
        self,
        segments: int = 1,
        *,
        slots_per_day: int = 12,
        coverage: float = 0.95,
        rule: Boundary | None = None,
        shift: ShiftRule | None = None,
        learning: Learning | None = None,
    ) -> None:
        self.rule = rule or Boundary()
        self.baseline = SeasonalBand(segments, slots_per_day=slots_per_day, learning=learning)
        self.calibration = ConformalBand(
            2 * segments, coverage=coverage, window_intervals=14.0 * slots_per_day
        )
        self._shifts = Shifts(shift or _shift_rule(slots_per_day))

    def __len__(self) -> int:
        return len(self.baseline)

    def grow(self, count: int, segment: Ints | int = 0) -> None:
        """Make room for `count` entities in all; the new ones are of the segments given."""
        self.baseline.grow(count, segment)
        self._shifts.grow(count)

    def forget(self, slots: Ints, segment: Ints | int | None = None) -> None:
        """Clear entities for others to take their place."""
        self.baseline.forget(slots, segment)
        self._shifts.forget(slots)

    def forecast(self, when: Moments, slots: Ints | None = None) -> Band:
        """Forecast the next interval; changes nothing."""
        expected, scale = self.baseline.forecast(when, slots)
        return self._band(expected, scale, slots)

    def ahead(self, when: list[Moments], slots: Ints | None = None) -> list[Band]:
        """Forecast the next intervals, the first of `when` being the next to close.

        Bands are calibrated for one interval ahead: of those further on, fewer intervals may be
        within.
        """
        expected, scale = self.baseline.ahead(when, slots)
        return [self._band(e, s, slots) for e, s in zip(expected, scale, strict=True)]

    def close(
        self,
        when: Moments,
        observed: Floats,
        *,
        known: Flags | None = None,
        slots: Ints | None = None,
    ) -> Closed:
        """Judge a closed interval, then learn from it.

        To be called once an interval, with all entities that closed: the segments learn from each
        call.

        Parameters
        ----------
        when : Moments
        observed : ndarray of float64, shape (k,)
        known : ndarray of bool, shape (k,), optional
            Others are missing: not flagged, not learned from; their deviation means nothing.
        slots : ndarray of int64, shape (k,), optional
            These entities only, each once.
        """
        at = np.arange(len(self)) if slots is None else slots
        is_known = np.ones(len(at), np.bool_) if known is None else known
        y = np.where(is_known, observed, 0.0)
        band = self.forecast(when, at)
        found = deviation(y, band.expected, band.scale, band.group, self.calibration, self.rule)
        flagged = is_known & ~band.is_cold & (found.score > 1.0)
        learn = is_known & (self.baseline.level(at) > 0)
        self._calibrate(y, band, found, flagged, learn, self._shifts.is_running(at))
        self.baseline.update(when, y, known=is_known, flagged=flagged, slots=at)
        rows = np.flatnonzero(is_known)
        shifted, ratio = self._shifts.follow(
            at[rows], y[rows], band.expected[rows], flagged[rows], found.is_above[rows]
        )
        self.baseline.rebaseline(at[rows[shifted]], ratio)
        return Closed(band, found, flagged, rows[shifted])

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the learned state as named arrays, copied."""
        parts = (self.baseline, self.calibration, self._shifts)
        return {name: array for part in parts for name, array in part.snapshot().items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned; ValueError where it is of other segments."""
        for part in (self.baseline, self.calibration, self._shifts):
            part.restore(state)

    def _band(self, expected: Floats, scale: Floats, slots: Ints | None) -> Band:
        confidence = self.baseline.confidence(slots)
        segment = self.baseline.segment if slots is None else self.baseline.segment[slots]
        group = 2 * segment.astype(np.int64) + (confidence < COLD_START)
        lower, upper = self.calibration.band(expected, scale, group)
        return Band(expected, lower, upper, scale, group, confidence)

    def _calibrate(
        self,
        y: Floats,
        band: Band,
        found: Deviation,
        flagged: Flags,
        learn: Flags,
        is_running: Flags,
    ) -> None:
        """Let the calibration learn; of a deviation its beginning counts, as just beyond."""
        inside = (y >= band.lower) & (y <= band.upper)
        limit = _JUST_BEYOND * found.boundary
        residual = y - band.expected
        residual = np.where(flagged, np.clip(residual, -limit, limit), residual)
        counted = ~(flagged & is_running)
        self.calibration.update(
            residual[learn], band.scale[learn], inside[learn], band.group[learn], counted[learn]
        )


def _shift_rule(slots_per_day: int) -> ShiftRule:
    """Return the rule in days: three confirm a shift (of daily intervals a week), one is calm."""
    return ShiftRule(intervals=max(3 * slots_per_day, 7), calm=slots_per_day)
