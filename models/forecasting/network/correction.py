"""The correction: what the network makes of the baseline's forecasts, interval after interval."""

from dataclasses import dataclass, replace
from hashlib import sha256

import msgspec
import numpy as np

from eddy.models.arrays import Flags, Floats, Ints, Singles
from eddy.models.forecasting.calendar import CalendarFeatures
from eddy.models.forecasting.network.cell import Cell
from eddy.models.forecasting.network.features import (
    INPUTS,
    SHARED,
    common_difference,
    difference,
    factor,
    individual_inputs,
    shared_inputs,
)
from eddy.models.forecasting.network.hidden import Hidden, State
from eddy.models.forecasting.network.weights import NetworkWeights


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the baseline says of an interval of k entities, all arrays of shape (k,).

    Attributes
    ----------
    when : CalendarFeatures
        The interval as each segment sees it.
    expected, scale : ndarray of float64
    level, confidence : ndarray of float64
    segment : ndarray of int64
    """

    when: CalendarFeatures
    expected: Floats
    scale: Floats
    level: Floats
    confidence: Floats
    segment: Ints


@dataclass(frozen=True, slots=True)
class Past:
    """What the network goes by, of k entities in s segments.

    Attributes
    ----------
    h, c : ndarray of float32, shape (k, w)
    surprise : ndarray of float32, shape (k, 2)
    common : ndarray of float32, shape (s,)
    """

    h: Singles
    c: Singles
    surprise: Singles
    common: Singles


class Correction:
    """A network at work on n entities in s segments.

    Parameters
    ----------
    weights : NetworkWeights
    segments, slots_per_day : int

    Raises
    ------
    ValueError
        The weights are of other inputs or of intervals of another length; see `fits`.
    """

    def __init__(self, weights: NetworkWeights, segments: int, slots_per_day: int) -> None:
        if not fits(weights, slots_per_day):
            raise ValueError("a network of other inputs, or of intervals of another length")
        self._cell = Cell(weights, len(SHARED))
        self._fingerprint = fingerprint(weights)
        self._slots = slots_per_day
        self._hidden = Hidden(weights.width, segments, slots_per_day)

    def is_of(self, weights: NetworkWeights) -> bool:
        """Whether this is the correction by these very weights."""
        return self._fingerprint == fingerprint(weights)

    def grow(self, count: int) -> None:
        """Make room for `count` entities in all."""
        self._hidden.grow(count)

    def forget(self, slots: Ints) -> None:
        """Clear entities for others to take their place."""
        self._hidden.forget(slots)

    def inputs(self, base: Baseline, slots: Ints) -> tuple[Singles, Singles]:
        """Return what the network is told of the next interval: of entities, and of segments."""
        return self._inputs(base, self._past(slots), slots, is_seen_day_ago=True)

    def ahead(self, bases: list[Baseline], slots: Ints) -> list[Floats]:
        """Return the corrected expectations of the next intervals, shape (k,) each.

        Of what will surprise in those before, nothing is known. Changes nothing.
        """
        past, corrected = self._past(slots), []
        for step, base in enumerate(bases):
            past, expected = self._step(base, past, slots, is_seen_day_ago=step < self._slots)
            past = replace(
                past,
                surprise=np.zeros_like(past.surprise),
                common=np.zeros_like(past.common),
            )
            corrected.append(expected)
        return corrected

    def next(self, base: Baseline, slots: Ints) -> tuple[Past, Floats]:
        """Return the step to the next interval, to be kept once that is closed, and its forecast.

        Changes nothing.
        """
        return self._step(base, self._past(slots), slots, is_seen_day_ago=True)

    def keep(self, step: Past, base: Baseline, observed: Floats, usual: Flags, slots: Ints) -> None:
        """Keep the step that led to a closed interval, and what was surprising about that.

        Parameters
        ----------
        step : Past
            What `next` returned.
        base : Baseline
            As given to `next`.
        observed : ndarray of float64, shape (k,)
        usual : ndarray of bool, shape (k,)
            Known, and not flagged; what others differ by is not looked at.
        slots : ndarray of int64, shape (k,)
        """
        hidden, seen = self._hidden, usual & (base.level > 0)
        hidden.h[slots], hidden.c[slots] = step.h, step.c
        differs = np.where(seen, difference(observed, base.expected, base.level), 0.0)
        hidden.surprise[slots] = np.column_stack([differs, seen])
        day_slot = base.when.week_slot % self._slots
        hidden.days[slots, day_slot[base.segment]] = differs
        common = common_difference(
            observed[seen], base.expected[seen], base.level[seen], base.segment[seen], len(day_slot)
        )
        hidden.common[:] = common
        hidden.common_days[np.arange(len(day_slot)), day_slot] = common

    def snapshot(self) -> State:
        """Return the state as named arrays, copied."""
        return self._hidden.snapshot(self._fingerprint)

    def restore(self, state: State, count: int) -> None:
        """Take over what a snapshot of `count` entities holds of this network, if anything."""
        self._hidden.restore(state, self._fingerprint, count)

    def _past(self, slots: Ints) -> Past:
        hidden = self._hidden
        return Past(hidden.h[slots], hidden.c[slots], hidden.surprise[slots], hidden.common)

    def _inputs(
        self, base: Baseline, past: Past, slots: Ints, *, is_seen_day_ago: bool
    ) -> tuple[Singles, Singles]:
        day_slot = base.when.week_slot % self._slots
        day_ago = self._hidden.days[slots, day_slot[base.segment]]
        common_day_ago = self._hidden.common_days[np.arange(len(day_slot)), day_slot]
        if not is_seen_day_ago:
            day_ago, common_day_ago = np.zeros_like(day_ago), np.zeros_like(common_day_ago)
        individual = individual_inputs(
            past.surprise, day_ago, base.confidence, base.expected, base.scale, base.level
        )
        return individual, shared_inputs(past.common, common_day_ago, base.when, self._slots)

    def _step(
        self, base: Baseline, past: Past, slots: Ints, *, is_seen_day_ago: bool
    ) -> tuple[Past, Floats]:
        individual, shared = self._inputs(base, past, slots, is_seen_day_ago=is_seen_day_ago)
        h, c, answer = self._cell.step(individual, shared, base.segment, past.h, past.c)
        return replace(past, h=h, c=c), base.expected * factor(answer)


def fits(weights: NetworkWeights, slots_per_day: int) -> bool:
    """Whether weights are of the inputs there are, and of intervals of this length."""
    return weights.inputs == INPUTS and weights.slots_per_day == slots_per_day


def fingerprint(weights: NetworkWeights) -> bytes:
    """Return 32 bytes that identify weights."""
    return sha256(msgspec.json.encode(weights)).digest()
