"""The compiled part of the seasonal baseline: one pass over the entities a closed interval.

Formulas are in `eddy.models.forecasting.seasonal`.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats
from eddy.models.forecasting import expectation
from eddy.models.forecasting.expectation import (
    ERROR_LEAST,
    ERROR_MOST,
    LAGS,
    LEAST_SHARE,
    Entities,
    Now,
    Rates,
    expect,
    lags_of,
    level_of,
    profile_of,
    spread_of,
    unit_of,
)
from eddy.models.numba_typing import compiled, compiled_and_kept, fingerprint

_RATIO_MOST = 8.0  # a slot of the week is at most so many times its level
_RESIDUAL_MOST = 4.0  # times the scale: a single surprise does not widen the band
_BETWEEN = 0.3  # by how much profiles differ between the merchants of a segment
_COUNT_MOST = 255


class UpdateCounts(NamedTuple):
    """What the segments learn of an interval, summed over their entities.

    Attributes
    ----------
    ratio : ndarray of float64, shape (s, 2)
        Observed over level, and how many.
    calendar : ndarray of float64, shape (s, 2)
        Observed, and expected before the calendar's factor, both relative to the level.
    spread : ndarray of float64, shape (s, 2)
    """

    ratio: Floats
    calendar: Floats
    spread: Floats


@compiled
def _forecast(
    e: Entities, now: Now, r: Rates, slots: NDArray[np.int64], expected: Floats, scale: Floats
) -> None:
    for k in range(len(slots)):
        i = slots[k]
        lags = lags_of(e, i, now.day_slot[e.segment[i]])
        expected[k], scale[k], _, _ = expect(e, now, r, i, lags)


@compiled
def _ahead(
    e: Entities,
    now: Now,
    r: Rates,
    slots: NDArray[np.int64],
    step: int,
    last: Floats,
    expected: Floats,
    scale: Floats,
) -> None:
    """Forecast the interval `step` (0 is the next); `last` holds the error forecast before it."""
    for k in range(len(slots)):
        i = slots[k]
        known, day_ago, days = lags_of(e, i, now.day_slot[e.segment[i]])
        lags = (
            known if step == 0 else last[k],
            day_ago if step < e.errors.shape[1] else 0.0,
            days,
        )
        expected[k], scale[k], _, last[k] = expect(e, now, r, i, lags)


@compiled
def _learn_errors(e: Entities, now: Now, r: Rates, i: int, base: float, observed: float) -> None:
    """Let the regression learn, then keep the error of this slot."""
    s = e.segment[i]
    level = level_of(e, i)
    day_slot = now.day_slot[s]
    if base <= LEAST_SHARE * level or level <= 0.0:
        e.errors[i, day_slot] = np.float32(0.0)
        return
    error = min(max(observed / base - 1.0, ERROR_LEAST), ERROR_MOST)
    x = lags_of(e, i, day_slot)
    weight, keep, k = base / level, 1.0 - r.regression, 0
    for p in range(LAGS):
        for q in range(p, LAGS):
            e.moments[i, k] = np.float32(keep * e.moments[i, k] + weight * x[p] * x[q])
            k += 1
    for p in range(LAGS):
        e.moments[i, k] = np.float32(keep * e.moments[i, k] + weight * x[p] * error)
        k += 1
    e.errors[i, day_slot] = np.float32(error)


@compiled
def _learn_level(e: Entities, r: Rates, i: int, share: float, base: float, observed: float) -> None:
    """Add an interval to the sums of weeks and of days; `share` is its expected part of a level."""
    e.level[i, 0] = (1.0 - r.weeks) * e.level[i, 0] + observed
    e.level[i, 1] = (1.0 - r.weeks) * e.level[i, 1] + share
    e.level[i, 2] = (1.0 - r.days) * e.level[i, 2] + observed
    e.level[i, 3] = (1.0 - r.days) * e.level[i, 3] + base


@compiled
def _learn_profile(e: Entities, now: Now, r: Rates, i: int, ratio: float) -> None:
    """Move a slot towards what was seen, from the segment's where it is the first time."""
    s = e.segment[i]
    slot = now.slot[s]
    noise = spread_of(e, now, i, s) / _BETWEEN
    pool = noise * noise  # within over between variance: how many weeks the segment counts for
    count, before = np.float64(e.counts[i, slot]), profile_of(e, now, i, s)
    # twice the weight of a plain mean: the first weeks were measured against a level not yet known
    step = max(2.0 / (count + 2.0 + pool), r.profile / (1.0 + 0.5 * pool))
    e.profile[i, slot] = np.float32(before + step * (ratio - before))
    if e.counts[i, slot] < _COUNT_MOST:
        e.counts[i, slot] += np.uint8(1)


@compiled
def _learn_spread(e: Entities, now: Now, r: Rates, i: int, residual: float, unit: float) -> float:
    """Move the spread towards a residual; return the residual in units, cut off."""
    s = e.segment[i]
    spread, group = spread_of(e, now, i, s), 1 + now.group[s]
    factor = np.float64(e.spread[i, group])
    seen = min(abs(residual) / unit, _RESIDUAL_MOST * spread * factor)
    step = max(1.0 / (e.learned[i] + 13.0), r.spread)  # the segment's counts for a day
    e.spread[i, 0] = np.float32(spread + step * (seen / max(factor, 1e-6) - spread))
    relative = seen / max(spread, 1e-12)
    moved = factor + r.group * (relative - factor)
    e.spread[i, group] = np.float32(min(max(moved, 0.2), 5.0))
    return seen


@compiled
def _update(
    e: Entities,
    now: Now,
    r: Rates,
    observed: Floats,
    learn: NDArray[np.bool_],
    known: NDArray[np.bool_],
    slots: NDArray[np.int64],
    tallies: UpdateCounts,
) -> None:
    """Learn from one closed interval; `known` ones that are not to be learned from are skipped."""
    for k in range(len(slots)):
        i = slots[k]
        s = e.segment[i]
        day_slot = now.day_slot[s]
        y = max(observed[k], 0.0)
        expected, _, base, _ = expect(e, now, r, i, lags_of(e, i, day_slot))
        level, share = level_of(e, i), profile_of(e, now, i, s)
        if known[k] and level > 0.0:
            tallies.calendar[s, 0] += min(y / level, _RATIO_MOST)
            tallies.calendar[s, 1] += (base / now.factor[s]) / level
        if not (known[k] and learn[k]):
            e.errors[i, day_slot] *= np.float32(0.5)
            continue
        unit = unit_of(expected, level)
        if level > 0.0:
            seen = _learn_spread(e, now, r, i, observed[k] - expected, unit)
            tallies.spread[s, 0] += seen
            tallies.spread[s, 1] += 1.0
        _learn_errors(e, now, r, i, base, y)
        _learn_level(e, r, i, share * now.factor[s], base, y)
        # the level of less than a day is that of its slots
        is_level_known = e.learned[i] >= e.errors.shape[1] and level_of(e, i) > 0.0
        if now.is_plain[s] and is_level_known:
            ratio = min(y / (level_of(e, i) * now.factor[s]), _RATIO_MOST)
            # drawn towards a guess, it would take weeks to come free of it
            if now.is_informed[s]:
                _learn_profile(e, now, r, i, ratio)
            tallies.ratio[s, 0] += ratio
            tallies.ratio[s, 1] += 1.0
        if e.learned[i] < 2_000_000_000:
            e.learned[i] += np.int32(1)


def _entries(source: int) -> tuple[Callable[..., int], Callable[..., int], Callable[..., int]]:
    """Make the functions to call from outside, which carry the version of their sources."""

    @compiled_and_kept
    def forecast(
        e: Entities, now: Now, r: Rates, slots: NDArray[np.int64], expected: Floats, scale: Floats
    ) -> int:
        _forecast(e, now, r, slots, expected, scale)
        return source

    @compiled_and_kept
    def ahead(
        e: Entities,
        now: Now,
        r: Rates,
        slots: NDArray[np.int64],
        step: int,
        last: Floats,
        expected: Floats,
        scale: Floats,
    ) -> int:
        _ahead(e, now, r, slots, step, last, expected, scale)
        return source

    @compiled_and_kept
    def update(
        e: Entities,
        now: Now,
        r: Rates,
        observed: Floats,
        learn: NDArray[np.bool_],
        known: NDArray[np.bool_],
        slots: NDArray[np.int64],
        tallies: UpdateCounts,
    ) -> int:
        _update(e, now, r, observed, learn, known, slots, tallies)
        return source

    return forecast, ahead, update


forecast, ahead, update = _entries(fingerprint(expectation, __file__))
