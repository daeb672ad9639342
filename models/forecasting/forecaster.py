"""The forecaster: baseline, calibrated band and deviation in one, interval after interval.

The order is the protocol: an interval is forecast from what was closed before it, judged, and only
then learned from. What was flagged moves neither baseline nor profile; the beginning of a
deviation counts for the tail as just beyond the boundary, so that it can neither be blown up by
anomalies nor stay narrower than the rate it promises. Whether an interval was within its band
counts always. Young entities are calibrated apart from the others of their
segment: their errors are larger.

A network may stand beside the baseline: as the champion, whose forecasts count, or as a challenger,
whose forecasts are only measured. Scales are the baseline's in either case, and the calibration
learns from whichever counts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Flags, Floats, Ints
from eddy.models.forecasting.calendar import CalendarFeatures
from eddy.models.forecasting.conformal import ConformalBand
from eddy.models.forecasting.deviation import Boundary, Deviation, deviation
from eddy.models.forecasting.network.correction import Baseline
from eddy.models.forecasting.network.errors import ModelErrors
from eddy.models.forecasting.network.model_comparison import Champion, ModelComparison
from eddy.models.forecasting.network.weights import NetworkWeights
from eddy.models.forecasting.seasonal import COLD_START, LearningRates, SeasonalBand
from eddy.models.forecasting.shifts import ShiftRule, Shifts

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
    learning : LearningRates
    """

    def __init__(
        self,
        segments: int = 1,
        *,
        slots_per_day: int = 12,
        coverage: float = 0.95,
        rule: Boundary | None = None,
        shift: ShiftRule | None = None,
        learning: LearningRates | None = None,
    ) -> None:
        self.rule = rule or Boundary()
        self.baseline = SeasonalBand(segments, slots_per_day=slots_per_day, learning=learning)
        self.calibration = ConformalBand(
            2 * segments, coverage=coverage, window_intervals=14.0 * slots_per_day
        )
        self.shifts = Shifts(shift or _shift_rule(slots_per_day))
        self._comparison = ModelComparison(segments, slots_per_day)

    def __len__(self) -> int:
        return len(self.baseline)

    def grow(self, count: int, segment: Ints | int = 0) -> None:
        """Make room for `count` entities in all; the new ones are of the segments given."""
        self.baseline.grow(count, segment)
        self.shifts.grow(count)
        self._comparison.grow(count)

    def forget(self, slots: Ints, segment: Ints | int | None = None) -> None:
        """Clear entities for others to take their place."""
        self.baseline.forget(slots, segment)
        self.shifts.forget(slots)
        self._comparison.forget(slots)

    def use(self, network: NetworkWeights | None, champion: Champion = "network") -> bool:
        """Go on with another network, with none, or with the same in another part.

        Another one remembers nothing yet, and the errors of both models are counted anew.

        Parameters
        ----------
        network : NetworkWeights or None
        champion : {"baseline", "network"}
            Whose forecasts count; the network's are only measured where it is the baseline.

        Returns
        -------
        bool
            False where the network is of other inputs or of intervals of another length: it is
            left aside, and the baseline goes on.
        """
        return self._comparison.use(network, champion)

    @property
    def champion(self) -> Champion:
        """Whose forecasts count."""
        return self._comparison.champion

    @property
    def errors(self) -> dict[str, ModelErrors]:
        """Errors one interval ahead by model, over the same intervals; both where a network is."""
        return self._comparison.errors

    def forecast(self, when: CalendarFeatures, slots: Ints | None = None) -> Band:
        """Forecast the next interval; changes nothing."""
        return self.ahead([when], slots)[0]

    def inputs(self, when: CalendarFeatures) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return what the network is told of the next interval: of all entities, and of segments.

        For training; LookupError where there is no network.
        """
        at = np.arange(len(self))
        return self._comparison.inputs(self._base(when, *self.baseline.forecast(when), at), at)

    def ahead(self, when: list[CalendarFeatures], slots: Ints | None = None) -> list[Band]:
        """Forecast the next intervals, the first of `when` being the next to close.

        Bands are calibrated for one interval ahead: of those further on, fewer intervals may be
        within.
        """
        at = np.arange(len(self)) if slots is None else slots
        expected, scale = self.baseline.ahead(when, at)
        bases = [self._base(*step, at) for step in zip(when, expected, scale, strict=True)]
        counted = self._comparison.ahead(bases, at)
        return [self._band(e, s, at) for e, s in zip(counted, scale, strict=True)]

    def close(
        self,
        when: CalendarFeatures,
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
        when : CalendarFeatures
        observed : ndarray of float64, shape (k,)
        known : ndarray of bool, shape (k,), optional
            Others are missing: not flagged, not learned from; their deviation means nothing.
        slots : ndarray of int64, shape (k,), optional
            These entities only, each once.
        """
        at = np.arange(len(self)) if slots is None else slots
        is_known = np.ones(len(at), np.bool_) if known is None else known
        y = np.where(is_known, observed, 0.0)
        base = self._base(when, *self.baseline.forecast(when, at), at)
        bids = self._comparison.bids(base, at)
        band = self._band(bids.counted, base.scale, at)
        result = deviation(y, band.expected, band.scale, band.group, self.calibration, self.rule)
        flagged = is_known & ~band.is_cold & (result.score > 1.0)
        learn = is_known & (base.level > 0)
        self._calibrate(y, band, result, flagged, learn, self.shifts.is_running(at))
        self._comparison.close(bids, y, is_known, flagged, at)
        self.baseline.update(when, y, known=is_known, flagged=flagged, slots=at)
        rows = np.flatnonzero(is_known)
        shifted, ratio = self.shifts.follow(
            # the level that moves is the baseline's, whoever is the champion
            *(at[rows], y[rows], base.expected[rows], flagged[rows], result.is_above[rows])
        )
        self.baseline.rebaseline(at[rows[shifted]], ratio)
        self._comparison.forget(at[rows[shifted]])
        return Closed(band, result, flagged, rows[shifted])

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the learned state as named arrays, copied."""
        parts = (self.baseline, self.calibration, self.shifts, self._comparison)
        return {name: array for part in parts for name, array in part.snapshot().items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned; ValueError where it is of other segments.

        The network stays the one in use: what the state holds of another one is left aside.
        """
        for part in (self.baseline, self.calibration, self.shifts):
            part.restore(state)
        self._comparison.restore(state, len(self))

    def _base(self, when: CalendarFeatures, expected: Floats, scale: Floats, at: Ints) -> Baseline:
        return Baseline(
            when,
            expected,
            scale,
            self.baseline.level(at),
            self.baseline.confidence(at),
            self.baseline.segment[at].astype(np.int64),
        )

    def _band(self, expected: Floats, scale: Floats, slots: Ints) -> Band:
        confidence = self.baseline.confidence(slots)
        segment = self.baseline.segment[slots]
        group = 2 * segment.astype(np.int64) + (confidence < COLD_START)
        lower, upper = self.calibration.band(expected, scale, group)
        return Band(expected, lower, upper, scale, group, confidence)

    def _calibrate(
        self,
        y: Floats,
        band: Band,
        result: Deviation,
        flagged: Flags,
        learn: Flags,
        is_running: Flags,
    ) -> None:
        """Let the calibration learn; of a deviation its beginning counts, as just beyond."""
        inside = (y >= band.lower) & (y <= band.upper)
        limit = _JUST_BEYOND * result.boundary
        residual = y - band.expected
        residual = np.where(flagged, np.clip(residual, -limit, limit), residual)
        counted = ~(flagged & is_running)
        self.calibration.update(
            residual[learn], band.scale[learn], inside[learn], band.group[learn], counted[learn]
        )


def _shift_rule(slots_per_day: int) -> ShiftRule:
    """Return the rule in days: three confirm a shift (of daily intervals a week), one is calm."""
    return ShiftRule(intervals=max(3 * slots_per_day, 7), calm=slots_per_day)
