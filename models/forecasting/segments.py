"""What the merchants of a segment have in common: profile, spread, what the calendar does.

A young merchant starts from its segment's prior; a segment that has not seen a slot of the week
yet takes the mean of the same slot on the days it has seen.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats
from eddy.models.forecasting.calendar import SUNDAY, CalendarFeatures
from eddy.models.forecasting.expectation import Now
from eddy.models.forecasting.seasonal_kernel import UpdateCounts

_FIRST_SPREAD = 0.5  # of a segment nothing is known of
_WEEKS = 8.0  # of memory of a profile
_CALENDAR_PRIOR = 1.0  # intervals: how soon a factor is believed
_CALENDAR_MEMORY = 24.0  # intervals of its kind
_FACTORS = 2  # payday, month end
_FACTOR_LEAST, _FACTOR_MOST = 0.1, 5.0
_SPREAD_STEP = 1.0 / 84.0
_LEAST_EXPECTED = 1e-3  # in levels: of less, a ratio says nothing


class Segments:
    """Packed state of s segments.

    Parameters
    ----------
    count : int
    slots_per_day : int
    """

    def __init__(self, count: int, slots_per_day: int) -> None:
        self._slots = slots_per_day
        weeks = 7 * slots_per_day
        self._state: dict[str, NDArray[Any]] = {
            "profile": np.ones((count, weeks)),
            "counts": np.zeros((count, weeks), np.int64),
            "spread": np.full(count, _FIRST_SPREAD),
            # sums of observed and expected: a factor for each slot of a holiday, then the others
            "calendar": np.full((count, slots_per_day + _FACTORS, 2), _CALENDAR_PRIOR),
        }

    def __len__(self) -> int:
        return len(self._state["spread"])

    def now(self, when: CalendarFeatures) -> Now:
        """Return the interval as the segments see it: a holiday is a Sunday times a factor."""
        day_slot = when.week_slot % self._slots
        week_slot = np.where(when.is_holiday, SUNDAY * self._slots + day_slot, when.week_slot)
        is_weekend = week_slot >= 5 * self._slots
        return Now(
            week_slot,
            day_slot + is_weekend * self._slots,
            day_slot,
            when.week_slot,
            self._factors(when, day_slot).prod(axis=1),
            self._prior(week_slot, day_slot),
            self._state["spread"],
            ~when.is_holiday,
            self._state["counts"][np.arange(len(self)), week_slot] > 0,
        )

    def tallies(self) -> UpdateCounts:
        """Return empty sums for `learn`."""
        return UpdateCounts(*(np.zeros((len(self), 2)) for _ in UpdateCounts._fields))

    def learn(self, when: CalendarFeatures, now: Now, seen: UpdateCounts) -> None:
        """Learn from what the entities saw of an interval."""
        rows = np.flatnonzero(seen.ratio[:, 1] > 0)
        ratio = seen.ratio[rows, 0] / seen.ratio[rows, 1]
        at = (rows, now.slot[rows])
        before, counts = now.prior[rows], self._state["counts"]
        step = np.maximum(2.0 / (counts[at] + 2.0), 1.0 / _WEEKS)
        self._state["profile"][at] = before + step * (ratio - before)
        counts[at] += 1
        rows = np.flatnonzero(seen.spread[:, 1] > 0)
        spread = self._state["spread"]
        spread[rows] += _SPREAD_STEP * (seen.spread[rows, 0] / seen.spread[rows, 1] - spread[rows])
        self._learn_calendar(when, now, seen)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return copies of the state."""
        return {f"segment_{name}": array.copy() for name, array in self._state.items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a snapshot.

        Raises
        ------
        ValueError
            It is of other segments.
        """
        for name, array in self._state.items():
            given = state[f"segment_{name}"]
            if given.shape != array.shape or given.dtype != array.dtype:
                raise ValueError(f"segment_{name}: {array.shape} expected, not {given.shape}")
        self._state = {name: state[f"segment_{name}"].copy() for name in self._state}

    def _prior(self, week_slot: NDArray[np.int64], day_slot: NDArray[np.int64]) -> Floats:
        rows = np.arange(len(self))
        of_slot = self._state["profile"][rows, week_slot]
        if (self._state["counts"][rows, week_slot] > 0).all():
            return np.asarray(of_slot, np.float64)
        shape = (len(self), 7, self._slots)
        of_days = self._state["profile"].reshape(shape)[rows, :, day_slot]
        seen = self._state["counts"].reshape(shape)[rows, :, day_slot] > 0
        mean = np.where(seen, of_days, 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
        other = np.where(seen.any(axis=1), mean, 1.0)
        return np.where(self._state["counts"][rows, week_slot] > 0, of_slot, other)

    def _active(self, when: CalendarFeatures) -> NDArray[np.bool_]:
        """Return which of holiday, payday, month end hold; a holiday is nothing but a holiday."""
        holiday = when.is_holiday
        return np.column_stack([holiday, when.is_payday & ~holiday, when.is_month_end & ~holiday])

    def _places(self, day_slot: NDArray[np.int64]) -> NDArray[np.int64]:
        others = np.arange(self._slots, self._slots + _FACTORS)
        return np.column_stack([day_slot, np.tile(others, (len(self), 1))])

    def _factors(self, when: CalendarFeatures, day_slot: NDArray[np.int64]) -> Floats:
        """Return the factors of holiday, payday and month end, shape (s, 3); 1 where not so."""
        sums = self._state["calendar"][np.arange(len(self))[:, None], self._places(day_slot)]
        ratio = np.clip(sums[..., 0] / sums[..., 1], _FACTOR_LEAST, _FACTOR_MOST)
        return np.where(self._active(when), ratio, 1.0)

    def _learn_calendar(self, when: CalendarFeatures, now: Now, seen: UpdateCounts) -> None:
        """Add the interval, as a mean over entities, to the sums of what it was."""
        rows = np.flatnonzero(seen.calendar[:, 1] > _LEAST_EXPECTED)
        active = self._active(when)
        if not active[rows].any():
            return
        factors, places = self._factors(when, now.day_slot), self._places(now.day_slot)
        for s in rows[active[rows].any(axis=1)]:
            whole = factors[s].prod()
            for kind in np.flatnonzero(active[s]):
                sums = self._state["calendar"][s, places[s, kind]]
                sums *= 1.0 - 1.0 / _CALENDAR_MEMORY
                weight = 1.0 / seen.calendar[s, 1]
                sums += (seen.calendar[s, 0] * weight, whole / factors[s, kind])
