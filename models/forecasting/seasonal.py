"""The seasonal baseline of very many entities: level, profile of the week, calendar, correction.

With L the level, P the profile of the slot of the week (a mean of one) and C the calendar's
factor, ``base = L P C``. Level and profile are ratios of sums and means with forgetting, so that an
interval of zero is as good as any; a young entity's profile is drawn towards its segment's by the
ratio of variances within and between entities (empirical Bayes). Relative errors of the base
persist: ``expected = base (1 + w x)`` with x the last interval's error, that of a day ago and
that of the last days, and w from a ridge regression with forgetting for each entity. The scale is
the mean absolute residual, in units of root (level x expected), by slot of the day. An interval
that was flagged, or is not known, is not learned from.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Flags, Floats, Ints
from eddy.models.forecasting import seasonal_kernel as kernel
from eddy.models.forecasting.calendar import CalendarFeatures
from eddy.models.forecasting.expectation import LAGS, LEAST_LEVEL, Entities, Rates
from eddy.models.forecasting.segments import Segments

_MOMENTS = LAGS * (LAGS + 1) // 2 + LAGS
_HALF_CONFIDENCE_WEEKS = 2
COLD_START = 0.5


@dataclass(frozen=True, slots=True)
class LearningRates:
    """How fast is learned and forgotten.

    Attributes
    ----------
    level_weeks : float
        Memory of the level.
    level_days : float
        ... and of the ratio that follows it more quickly.
    profile_step : float
        Least share of a week's observation in its slot of the profile.
    regression_weeks, spread_weeks, group_weeks : float
    ridge : float
        Weight of `lag_prior`, in squared relative errors.
    lag_prior : tuple of 3 floats
        Weights of last error, error a day ago, and last days before any is learned.
    """

    level_weeks: float = 3.0
    level_days: float = 2.0
    profile_step: float = 0.2
    regression_weeks: float = 10.0
    spread_weeks: float = 3.0
    group_weeks: float = 6.0
    ridge: float = 0.1
    lag_prior: tuple[float, float, float] = (0.3, 0.1, 0.3)


class SeasonalBand:
    """Expectation and scale of n entities' next interval, learned interval after interval.

    Parameters
    ----------
    segments : int
        How many segments share priors and calendars.
    slots_per_day : int
    learning : LearningRates
    """

    def __init__(
        self, segments: int = 1, *, slots_per_day: int = 12, learning: LearningRates | None = None
    ) -> None:
        if slots_per_day < 1 or segments < 1:
            raise ValueError("at least one segment and one slot a day")
        self._slots_per_day = slots_per_day
        self._segments = Segments(segments, slots_per_day)
        self._rates = _rates(learning or LearningRates(), slots_per_day)
        self._entities = _empty(0, slots_per_day)

    def __len__(self) -> int:
        return len(self._entities.segment)

    @property
    def segment(self) -> NDArray[np.int32]:
        """Which segment each entity is of, shape (n,)."""
        return self._entities.segment

    @property
    def segments(self) -> Segments:
        """What the entities of a segment have in common."""
        return self._segments

    @property
    def bytes_per_entity(self) -> int:
        """How much memory an entity takes."""
        return sum(array[:1].nbytes for array in _empty(1, self._slots_per_day))

    def grow(self, count: int, segment: Ints | int = 0) -> None:
        """Make room for `count` entities in all; the new ones are of the segments given.

        Raises
        ------
        ValueError
            There is no such segment, or fewer entities than now.
        """
        more = count - len(self)
        if more < 0 or np.any(np.asarray(segment) >= len(self._segments)):
            raise ValueError(f"{len(self)} entities of {len(self._segments)} segments")
        new = _empty(more, self._slots_per_day)
        new.segment[:] = segment
        before, after = self._entities._asdict(), new._asdict()
        self._entities = Entities(
            **{name: np.concatenate([before[name], after[name]]) for name in before}
        )

    def forget(self, slots: Ints, segment: Ints | int | None = None) -> None:
        """Clear entities for others to take their place, in the same segment or another."""
        kept = self._entities.segment[slots] if segment is None else segment
        new = _empty(len(slots), self._slots_per_day)._asdict()
        for name, array in self._entities._asdict().items():
            array[slots] = new[name]
        self._entities.segment[slots] = kept

    def take(self, slots: Ints, state: dict[str, NDArray[Any]]) -> None:
        """Put entities into the state of others, as `snapshot` names it; arrays of shape (k, ...).

        Their segments are taken over with it.
        """
        for name, array in self._entities._asdict().items():
            array[slots] = state[f"entity_{name}"]

    def forecast(self, when: CalendarFeatures, slots: Ints | None = None) -> tuple[Floats, Floats]:
        """Forecast the next interval.

        Parameters
        ----------
        when : CalendarFeatures
            The interval as each segment sees it.
        slots : ndarray of int64, shape (k,), optional
            These entities only.

        Returns
        -------
        expected, scale : ndarray of float64, shape (k,)
            The scale is a mean absolute residual, above zero. An entity never seen expects zero.
        """
        at = self._all(slots)
        expected, scale = np.empty(len(at)), np.empty(len(at))
        now = self._segments.now(when)
        kernel.forecast(self._entities, now, self._rates, at, expected, scale)
        return expected, scale

    def ahead(
        self, when: list[CalendarFeatures], slots: Ints | None = None
    ) -> tuple[Floats, Floats]:
        """Forecast the next intervals, `when` in order: expected, scale, both shape (h, k).

        The scale is that of a forecast of one interval; `eddy.models.forecasting.conformal` widens
        it.
        """
        at = self._all(slots)
        expected, scale = np.empty((len(when), len(at))), np.empty((len(when), len(at)))
        last = np.zeros(len(at))
        for step, interval in enumerate(when):
            now = self._segments.now(interval)
            kernel.ahead(
                self._entities, now, self._rates, at, step, last, expected[step], scale[step]
            )
        return expected, scale

    def update(
        self,
        when: CalendarFeatures,
        observed: Floats,
        *,
        known: Flags | None = None,
        flagged: Flags | None = None,
        slots: Ints | None = None,
    ) -> None:
        """Learn from a closed interval.

        Parameters
        ----------
        when : CalendarFeatures
        observed : ndarray of float64, shape (k,)
            Below zero counts as zero.
        known : ndarray of bool, shape (k,), optional
            Not known is missing, which is not zero.
        flagged : ndarray of bool, shape (k,), optional
            Anomalous: only what the calendar does is learned from these.
        slots : ndarray of int64, shape (k,), optional
            These entities only, each once.
        """
        at = self._all(slots)
        is_known = np.ones(len(at), np.bool_) if known is None else known
        learn = is_known if flagged is None else is_known & ~flagged
        now, seen = self._segments.now(when), self._segments.tallies()
        y = np.ascontiguousarray(observed, np.float64)
        kernel.update(self._entities, now, self._rates, y, learn, is_known, at, seen)
        self._segments.learn(when, now, seen)

    def rebaseline(self, slots: Ints, ratio: Floats) -> None:
        """Multiply levels by `ratio`: a shift was confirmed. What was learned else stays."""
        self._entities.level[slots, :2] *= np.array([1.0, 0.0]) * ratio[:, None] + [0.0, 1.0]
        self._entities.level[slots, 2:] = 0.0
        self._entities.errors[slots] = 0.0

    def seed(self, slots: Ints, level: Floats, intervals: float = 1.0) -> None:
        """Give entities never seen a level to start from, believed like so many intervals."""
        self._entities.level[slots, 0] = level * intervals
        self._entities.level[slots, 1] = intervals

    def confidence(self, slots: Ints | None = None) -> Floats:
        """Return how much history stands behind each forecast, 0..1: a half after two weeks.

        Below `COLD_START` an entity rests on its segment's prior.
        """
        learned = self._entities.learned[self._all(slots)].astype(np.float64)
        half = _HALF_CONFIDENCE_WEEKS * 7 * self._slots_per_day
        return np.asarray(learned / (learned + half), np.float64)

    def level(self, slots: Ints | None = None) -> Floats:
        """Return the mean volume of an interval; zero where nothing is known."""
        sums = self._entities.level[self._all(slots)]
        mean = sums[:, 0] / np.maximum(sums[:, 1], LEAST_LEVEL)
        return np.where(mean > LEAST_LEVEL, mean, 0.0)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the learned state as named arrays, copied."""
        entities = {
            f"entity_{name}": array.copy() for name, array in self._entities._asdict().items()
        }
        return entities | self._segments.snapshot()

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned.

        Raises
        ------
        ValueError
            It is of other segments or slots.
        """
        count = len(state["entity_segment"])
        blank = _empty(0, self._slots_per_day)._asdict()
        for name, array in blank.items():
            given = state[f"entity_{name}"]
            if given.dtype != array.dtype or given.shape != (count, *array.shape[1:]):
                raise ValueError(f"entity_{name}: not {given.dtype}{given.shape}")
        self._segments.restore(state)
        self._entities = Entities(*(state[f"entity_{name}"].copy() for name in blank))

    def _all(self, slots: Ints | None) -> Ints:
        return np.arange(len(self)) if slots is None else np.ascontiguousarray(slots, np.int64)


def _empty(count: int, slots_per_day: int) -> Entities:
    weeks = 7 * slots_per_day
    spread = np.ones((count, 1 + 2 * slots_per_day), np.float32)
    return Entities(
        segment=np.zeros(count, np.int32),
        learned=np.zeros(count, np.int32),
        level=np.zeros((count, 4)),
        profile=np.ones((count, weeks), np.float32),
        counts=np.zeros((count, weeks), np.uint8),
        errors=np.zeros((count, slots_per_day), np.float32),
        moments=np.zeros((count, _MOMENTS), np.float32),
        spread=spread,
    )


def _rates(learning: LearningRates, slots_per_day: int) -> Rates:
    week = 7.0 * slots_per_day
    return Rates(
        weeks=1.0 / (learning.level_weeks * week),
        days=min(1.0, 1.0 / (learning.level_days * slots_per_day)),
        profile=learning.profile_step,
        regression=1.0 / (learning.regression_weeks * week),
        spread=1.0 / (learning.spread_weeks * week),
        # a group's slot comes by five or two times a week
        group=1.0 / (learning.group_weeks * 3.5),
        ridge=learning.ridge,
        lag_prior=learning.lag_prior,
    )
