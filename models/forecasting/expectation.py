"""What is known of the entities, and what it lets expect: compiled, for `seasonal_kernel`.

Formulas are in `eddy.models.forecasting.seasonal`.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats, Singles
from eddy.models.numba_typing import compiled, inlined

# Where one of these is changed, the state keeps its form but not its meaning.
LAGS = 3
LEAST_SHARE = 0.05  # of the level: below, an expectation is too small to divide by
LEAST_LEVEL = 1e-9  # of a volume: a smaller one is none, and cannot be divided by
_LEAST_WEIGHT, _LEAST_SCALE = 1e-9, 1e-12
ERROR_LEAST, ERROR_MOST = -1.0, 2.0  # relative errors are learned from within these
_CORRECTION_LEAST, _CORRECTION_MOST = -0.7, 1.5


class Entities(NamedTuple):
    """What is known of n entities.

    Attributes
    ----------
    segment : ndarray of int32, shape (n,)
    learned : ndarray of int32, shape (n,)
        Intervals learned from.
    level : ndarray of float64, shape (n, 4)
        Sums with forgetting: observed and profile over weeks; observed and expected over days.
    profile : ndarray of float32, shape (n, 7 * slots_per_day)
        Of a slot of the week, relative to the level.
    counts : ndarray of uint8, the same shape
        How often the slot was learned from, at most 255.
    errors : ndarray of float32, shape (n, slots_per_day)
        The last relative error of each slot of the day.
    moments : ndarray of float32, shape (n, 9)
        Sums with forgetting of the regression of errors on earlier ones: the upper triangle of
        X'X, then X'y.
    spread : ndarray of float32, shape (n, 1 + 2 * slots_per_day)
        Mean absolute residual, in root level x expected; then factors by slot of the day, of
        working days and of weekends.
    """

    segment: NDArray[np.int32]
    learned: NDArray[np.int32]
    level: Floats
    profile: Singles
    counts: NDArray[np.uint8]
    errors: Singles
    moments: Singles
    spread: Singles


class Now(NamedTuple):
    """The interval, as each of s segments sees it.

    Attributes
    ----------
    slot, group, day_slot, plain_slot : ndarray of int64, shape (s,)
        Which slot of the profile counts, which factor of the spread, the slot of the day, and
        which slot would count were it no holiday.
    factor : ndarray of float64, shape (s,)
        What the calendar does to the volume.
    prior : ndarray of float64, shape (s,)
        The segment's own profile at that slot.
    spread : ndarray of float64, shape (s,)
        The segment's mean spread.
    is_plain : ndarray of bool, shape (s,)
        No holiday: profiles are learned from.
    is_informed : ndarray of bool, shape (s,)
        Whether the segment has seen this slot of the week: its prior is more than a guess.
    """

    slot: NDArray[np.int64]
    group: NDArray[np.int64]
    day_slot: NDArray[np.int64]
    plain_slot: NDArray[np.int64]
    factor: Floats
    prior: Floats
    spread: Floats
    is_plain: NDArray[np.bool_]
    is_informed: NDArray[np.bool_]


class Rates(NamedTuple):
    """How fast is learned and forgotten; shares of one an interval, weights in intervals."""

    weeks: float
    days: float
    profile: float
    regression: float
    spread: float
    group: float
    ridge: float
    lag_prior: tuple[float, float, float]


@inlined
def level_of(e: Entities, i: int) -> float:
    """Return an entity's mean volume of an interval, 0 where nothing is known."""
    level = e.level[i, 0] / e.level[i, 1] if e.level[i, 1] > _LEAST_WEIGHT else 0.0
    return level if level > LEAST_LEVEL else 0.0


@inlined
def profile_of(e: Entities, now: Now, i: int, s: int) -> float:
    """Return its share of the level at this slot, its segment's where it has none."""
    slot = now.slot[s]
    return np.float64(e.profile[i, slot]) if e.counts[i, slot] > 0 else now.prior[s]


@compiled
def lags_of(e: Entities, i: int, day_slot: int) -> tuple[float, float, float]:
    """Return the last interval's error, that of a day ago, and the ratio of the last days."""
    slots = e.errors.shape[1]
    last = e.errors[i, day_slot - 1 if day_slot > 0 else slots - 1]
    days = 0.0
    if e.level[i, 3] > _LEAST_WEIGHT:
        days = e.level[i, 2] / e.level[i, 3] - 1.0
        days = min(max(days, ERROR_LEAST), ERROR_MOST)
    return np.float64(last), np.float64(e.errors[i, day_slot]), days


@compiled
def _weights(e: Entities, i: int, r: Rates) -> tuple[float, float, float]:
    """Solve the ridge regression of errors on lags, drawn towards `lag_prior` (Cramer's rule)."""
    m, k, p = e.moments, r.ridge, r.lag_prior
    a, b, c = m[i, 0] + k, np.float64(m[i, 1]), np.float64(m[i, 2])
    d, f, g = m[i, 3] + k, np.float64(m[i, 4]), m[i, 5] + k
    u, v, w = m[i, 6] + k * p[0], m[i, 7] + k * p[1], m[i, 8] + k * p[2]
    # cofactors of the symmetric [[a b c], [b d f], [c f g]]
    A, B, C = d * g - f * f, c * f - b * g, b * f - c * d
    D, F, G = a * g - c * c, b * c - a * f, a * d - b * b
    determinant = a * A + b * B + c * C
    if determinant <= 0.0:
        return p
    return (
        min(max((A * u + B * v + C * w) / determinant, -0.5), 0.95),
        min(max((B * u + D * v + F * w) / determinant, -0.5), 0.95),
        min(max((C * u + F * v + G * w) / determinant, -0.5), 1.2),
    )


@inlined
def _correction(w: tuple[float, float, float], x: tuple[float, float, float]) -> float:
    correction = w[0] * x[0] + w[1] * x[1] + w[2] * x[2]
    return min(max(correction, _CORRECTION_LEAST), _CORRECTION_MOST)


@inlined
def unit_of(expected: float, level: float) -> float:
    """Return what a spread is measured in: between a Poisson's root and a proportion."""
    return math.sqrt(max(expected, LEAST_SHARE * level) * level)


@inlined
def spread_of(e: Entities, now: Now, i: int, s: int) -> float:
    """Return its spread, its segment's where it has none."""
    return np.float64(e.spread[i, 0]) if e.learned[i] > 0 else now.spread[s]


@compiled
def _holiday_doubt(e: Entities, now: Now, i: int, s: int) -> float:
    """Return half of how far a holiday's slot is from the working day's it might be instead."""
    if now.is_plain[s] or e.counts[i, now.plain_slot[s]] == 0 or e.counts[i, now.slot[s]] == 0:
        return 0.0
    plain, holiday = e.profile[i, now.plain_slot[s]], e.profile[i, now.slot[s]]
    return float(0.5 * abs(np.float64(plain) - np.float64(holiday)))


@compiled
def expect(
    e: Entities, now: Now, r: Rates, i: int, lags: tuple[float, float, float]
) -> tuple[float, float, float, float]:
    """Return the expectation, its scale, the expectation before correction, the correction."""
    s = e.segment[i]
    level = level_of(e, i)
    base = level * profile_of(e, now, i, s) * now.factor[s]
    correction = _correction(_weights(e, i, r), lags)
    expected = base * (1.0 + correction)
    spread = spread_of(e, now, i, s) * e.spread[i, 1 + now.group[s]]
    scale = max(spread * unit_of(expected, level), _LEAST_SCALE)
    return expected, max(scale, _holiday_doubt(e, now, i, s) * level), base, correction
