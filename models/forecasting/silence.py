"""Silence: how unlikely it is that so many expected payments did not come.

A band of volumes ends at zero for many merchants, so that nothing paid is within it. Whether a
merchant stopped is told by numbers of payments instead. An interval expects ``m`` of them: the
expected volume over the mean payment. Were they independent, none would come with probability
exp(-m) (Poisson), over silent intervals in a row with exp(-sum m). Payments come in clusters, so
half as many are believed. The score is 1.0 where that probability is the false-alarm rate.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Flags, Floats, Ints

_CLUSTERED = 2.0
_FORGET = 1.0 / 168.0  # intervals: two weeks of two hours


class Silence:
    """Mean payment, and payments missed since the last one, of n entities; 24 bytes each."""

    def __init__(self) -> None:
        self._state = _empty(0)

    def __len__(self) -> int:
        return len(self._state["missed"])

    def grow(self, count: int) -> None:
        """Make room for `count` entities in all."""
        if count > len(self):
            new = _empty(count - len(self))
            self._state = {k: np.concatenate([v, new[k]]) for k, v in self._state.items()}

    def forget(self, slots: Ints) -> None:
        """Clear entities."""
        for array in self._state.values():
            array[slots] = 0

    def take(self, slots: Ints, volume: Floats, payments: Floats) -> None:
        """Give entities the mean payment of a history, both arrays of shape (k,).

        None is missed: they were just met, by a payment.
        """
        for name, array in (("volume", volume), ("payments", payments), ("missed", 0.0)):
            self._state[name][slots] = array

    def missed(self, count: int) -> Floats:
        """Return the payments missed before the oldest interval that may change, shape (count,)."""
        return self._state["missed"][:count]

    def expected(self, volume: Floats) -> Floats:
        """Return the payments that an expected volume is, shape as given; 0 where none is known."""
        s, count = self._state, len(volume)
        mean = s["payments"][:count] / np.maximum(s["volume"][:count], 1e-9)
        return np.asarray(np.maximum(volume, 0.0) * mean, np.float64)

    def learn(self, volume: Floats, payments: Ints, missed: Floats, ordinary: Flags) -> None:
        """Take in a final interval of the first k entities; all arrays have shape (k,)."""
        s, count = self._state, len(volume)
        keep = np.where(ordinary, 1.0 - _FORGET, 1.0)
        s["volume"][:count] = s["volume"][:count] * keep + np.where(ordinary, volume, 0.0)
        s["payments"][:count] = s["payments"][:count] * keep + np.where(ordinary, payments, 0)
        s["missed"][:count] = missed

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays, copied."""
        return {f"silence_{name}": array.copy() for name, array in self._state.items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned."""
        self._state = {name: state[f"silence_{name}"].copy() for name in self._state}


def boundary_missed(false_alarm_rate: float) -> float:
    """Return how many expected payments that did not come score 1.0."""
    return float(_CLUSTERED * -np.log(false_alarm_rate))


def _empty(count: int) -> dict[str, NDArray[Any]]:
    return {"volume": np.zeros(count), "payments": np.zeros(count), "missed": np.zeros(count)}
