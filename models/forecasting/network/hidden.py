"""What the network remembers of the entities: packed, by slot."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints, Singles

State = dict[str, NDArray[Any]]

_PREFIX = "network_"
_FINGERPRINT = 32  # bytes


class Hidden:
    """States and surprises of n entities in s segments.

    ``8 w + 8 + 4 slots_per_day`` bytes an entity.

    Parameters
    ----------
    width : int
        Hidden units, w.
    segments, slots_per_day : int

    Attributes
    ----------
    h, c : ndarray of float32, shape (n, w)
        Hidden state and cell state.
    surprise : ndarray of float32, shape (n, 2)
        Difference in the last interval, and whether that is known.
    days : ndarray of float32, shape (n, slots_per_day)
        The last difference of each slot of the day; 0 where not known.
    common : ndarray of float32, shape (s,)
        How the entities of a segment differed together in the last interval.
    common_days : ndarray of float32, shape (s, slots_per_day)
    """

    def __init__(self, width: int, segments: int, slots_per_day: int) -> None:
        self.h = np.zeros((0, width), np.float32)
        self.c = np.zeros((0, width), np.float32)
        self.surprise = np.zeros((0, 2), np.float32)
        self.days = np.zeros((0, slots_per_day), np.float32)
        self.common = np.zeros(segments, np.float32)
        self.common_days = np.zeros((segments, slots_per_day), np.float32)

    def __len__(self) -> int:
        return len(self.h)

    def grow(self, count: int) -> None:
        """Make room for `count` entities in all."""
        for name, array in self._entities().items():
            more = np.zeros((count - len(array), array.shape[1]), np.float32)
            setattr(self, name, np.concatenate([array, more]))

    def forget(self, slots: Ints) -> None:
        """Clear entities."""
        for array in self._entities().values():
            array[slots] = 0.0

    def snapshot(self, fingerprint: bytes) -> State:
        """Return the state as named arrays, copied, marked with whose it is."""
        arrays = self._entities() | self._segments()
        state: State = {_PREFIX + name: array.copy() for name, array in arrays.items()}
        return state | {_PREFIX + "fingerprint": np.frombuffer(fingerprint, np.uint8).copy()}

    def restore(self, state: State, fingerprint: bytes, count: int) -> None:
        """Take over a snapshot of `count` entities.

        Where it holds none of a network, or that of another one, nothing is remembered: states
        mean something to the weights only that they came of.
        """
        known = state.get(_PREFIX + "fingerprint")
        if known is not None and known.tobytes() == fingerprint:
            for name, array in (self._entities() | self._segments()).items():
                setattr(self, name, _checked(state[_PREFIX + name], array, name, count))
            return
        for name, array in self._entities().items():
            setattr(self, name, np.zeros((count, array.shape[1]), np.float32))
        for array in self._segments().values():
            array[:] = 0.0

    def _entities(self) -> dict[str, Singles]:
        return {"h": self.h, "c": self.c, "surprise": self.surprise, "days": self.days}

    def _segments(self) -> dict[str, Singles]:
        return {"common": self.common, "common_days": self.common_days}


def _checked(given: NDArray[Any], like: Singles, name: str, count: int) -> Singles:
    rows = len(like) if name.startswith("common") else count
    if given.dtype != like.dtype or given.shape != (rows, *like.shape[1:]):
        raise ValueError(f"network_{name}: not {given.dtype}{given.shape}")
    return given.copy()
