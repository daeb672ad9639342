"""Level shifts: a deviation that stays, at the same ratio, is the new level.

An entity whose intervals are out of the ordinary in the same direction for long enough is taken to
have moved: the ratio of what was observed to what was expected is its new level over its old.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Flags, Floats, Ints


@dataclass(frozen=True, slots=True)
class ShiftRule:
    """When a deviation is confirmed as a shift.

    Attributes
    ----------
    intervals : int
        Of which there must have been so many since the deviation began ...
    share : float
        ... of them flagged in its direction at least this share.
    calm : int
        So many intervals in a row that are not flagged end a deviation.
    """

    intervals: int = 36
    share: float = 0.5
    calm: int = 12


class Shifts:
    """Running deviations of n entities; 32 bytes each."""

    def __init__(self, rule: ShiftRule | None = None) -> None:
        self._rule = rule or ShiftRule()
        self._state = _empty(0)

    def __len__(self) -> int:
        return len(self._state["side"])

    def grow(self, count: int) -> None:
        """Make room for `count` entities in all."""
        new = _empty(count - len(self))
        self._state = {name: np.concatenate([old, new[name]]) for name, old in self._state.items()}

    def forget(self, slots: Ints) -> None:
        """Clear entities."""
        for array in self._state.values():
            array[slots] = 0

    def take(self, slots: Ints, state: dict[str, NDArray[Any]]) -> None:
        """Put entities into the state of others, as `snapshot` names it; arrays of shape (k,)."""
        for name, array in self._state.items():
            array[slots] = state[f"shift_{name}"]

    def is_running(self, slots: Ints) -> Flags:
        """Return which entities are in a deviation, shape (k,)."""
        return np.asarray(self._state["side"][slots] != 0, np.bool_)

    def follow(
        self, slots: Ints, observed: Floats, expected: Floats, flagged: Flags, is_above: Flags
    ) -> tuple[Ints, Floats]:
        """Take in a closed interval of the entities; return which have shifted, and the ratios.

        Parameters
        ----------
        slots : ndarray of int64, shape (k,)
            Each once.
        observed, expected : ndarray of float64, shape (k,)
        flagged, is_above : ndarray of bool, shape (k,)

        Returns
        -------
        shifted : ndarray of int64, shape (m,)
            Positions in `slots`; their deviations are over.
        ratio : ndarray of float64, shape (m,)
        """
        s = self._state
        side = np.where(is_above, 1, -1).astype(np.int8)
        # the other way round: another deviation
        begins = flagged & (s["side"][slots] != side)
        self.forget(slots[begins])
        s["side"][slots[begins]] = side[begins]
        at = np.flatnonzero(s["side"][slots] != 0)
        rows = slots[at]
        s["intervals"][rows] += 1
        s["flagged"][rows] += flagged[at]
        s["calm"][rows] = np.where(flagged[at], 0, s["calm"][rows] + 1)
        s["observed"][rows] += np.maximum(observed[at], 0.0)
        s["expected"][rows] += expected[at]
        is_over = s["calm"][rows] >= self._rule.calm
        self.forget(rows[is_over])
        enough = s["intervals"][rows] >= self._rule.intervals
        enough &= s["flagged"][rows] >= self._rule.share * s["intervals"][rows]
        enough &= s["expected"][rows] > 0
        ratio = s["observed"][rows[enough]] / s["expected"][rows[enough]]
        self.forget(rows[enough])
        return at[enough], np.asarray(ratio, np.float64)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays, copied."""
        return {f"shift_{name}": array.copy() for name, array in self._state.items()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned."""
        self._state = {name: state[f"shift_{name}"].copy() for name in self._state}


def _empty(count: int) -> dict[str, NDArray[Any]]:
    return {
        "observed": np.zeros(count),
        "expected": np.zeros(count),
        "side": np.zeros(count, np.int8),
        "intervals": np.zeros(count, np.int32),
        "flagged": np.zeros(count, np.int32),
        "calm": np.zeros(count, np.int32),
    }
