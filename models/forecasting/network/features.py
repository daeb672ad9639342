"""What the network is told: defined here once, for the stream and for training.

A step leads from the last closed interval to the next: what was surprising about the one, what
is known beforehand of the other. All inputs are between -1 and 1 and need neither logarithm nor
exponential, which differ in the last bit from machine to machine:
``difference = (y - E) / (y + E + 0.1 L)`` is near tanh of half the log ratio, with y observed, E
expected by the baseline and L the level; and an answer a (through tanh, between -1 and 1) corrects
by ``(2 + a) / (2 - a)``, between 1/3 and 3.
"""

import math
from functools import lru_cache

import numpy as np

from eddy.models.arrays import Floats, Ints, Singles
from eddy.models.forecasting.calendar import CalendarFeatures
from eddy.models.forecasting.network.cell import tanh

INDIVIDUAL = ("difference", "is_known", "day_ago", "confidence", "noise", "size")
"""Of an entity: how it differed in the last interval and whether that is known, how it did in the
slot to come a day ago; how well it is known, the forecast's scale and size."""
SHARED = (
    *("common", "common_day_ago"),
    *("slot_sine", "slot_cosine", "half_day_sine", "half_day_cosine"),
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    *("is_holiday", "is_payday", "is_month_end"),
)
"""Of a segment: how all differed together, then and a day before the interval to come; and that
interval's calendar."""
INPUTS = INDIVIDUAL + SHARED

_LEAST = 0.1  # of the level: differences of next to nothing count for little
_RATIO_MOST = 8.0
_FEW = 3.0  # levels' worth of volume: what entities have in common is believed from there


def difference(observed: Floats, expected: Floats, level: Floats) -> Floats:
    """Return how far volumes are from their expectation, between -1 and 1; all of shape (k,)."""
    y = np.maximum(observed, 0.0)
    return np.asarray((y - expected) / np.maximum(y + expected + _LEAST * level, 1e-300))


def common_difference(
    observed: Floats, expected: Floats, level: Floats, segment: Ints, segments: int
) -> Floats:
    """Return how the entities of each segment differ together, shape (s,); 0 where there are none.

    Each counts in its own level, so that it is no matter of the largest.
    """
    seen = np.clip(observed / level, 0.0, _RATIO_MOST)
    wanted = np.minimum(expected / level, _RATIO_MOST)
    y = np.bincount(segment, weights=seen, minlength=segments)
    e = np.bincount(segment, weights=wanted, minlength=segments)
    return np.asarray((y - e) / (y + e + _FEW), np.float64)


def individual_inputs(
    surprise: Singles,
    day_ago: Singles,
    confidence: Floats,
    base: Floats,
    scale: Floats,
    level: Floats,
) -> Singles:
    """Return the inputs of k entities, shape (k, len(INDIVIDUAL)).

    Parameters
    ----------
    surprise : ndarray of float32, shape (k, 2)
        Difference in the last interval, and whether that is known.
    day_ago : ndarray of float32, shape (k,)
        Difference in the slot to come a day ago.
    confidence, base, scale, level : ndarray of float64, shape (k,)
        What the baseline says of the interval to come.
    """
    columns = (
        surprise[:, 0],
        surprise[:, 1],
        day_ago,
        confidence,
        scale / (scale + base),
        base / np.maximum(base + level, 1e-300),
    )
    return np.column_stack(columns).astype(np.float32)


def shared_inputs(
    common: Singles, common_day_ago: Singles, when: CalendarFeatures, slots_per_day: int
) -> Singles:
    """Return the inputs of s segments, shape (s, len(SHARED))."""
    day, slot = np.divmod(when.week_slot, slots_per_day)
    columns = (
        common,
        common_day_ago,
        *_waves(slots_per_day)[:, slot],
        *(np.arange(7)[:, None] == day),
        when.is_holiday,
        when.is_payday,
        when.is_month_end,
    )
    return np.column_stack(columns).astype(np.float32)


def factor(answer: Singles) -> Floats:
    """Return what the baseline's expectation is multiplied with, between 1/3 and 3."""
    a = tanh(answer).astype(np.float64)
    return np.asarray((2.0 + a) / (2.0 - a), np.float64)


@lru_cache(maxsize=8)
def _waves(slots_per_day: int) -> Floats:
    """Return sine and cosine of the slot in the day and in its half, shape (4, slots)."""
    turns = [2 * math.pi * slot / slots_per_day for slot in range(slots_per_day)]
    waves = (math.sin, 1), (math.cos, 1), (math.sin, 2), (math.cos, 2)
    return np.array([[wave(times * turn) for turn in turns] for wave, times in waves])
