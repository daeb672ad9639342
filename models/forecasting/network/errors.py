"""How far off champion and challenger were over the live stream, on the same intervals."""

from typing import NamedTuple

import numpy as np

from eddy.models.arrays import Floats, Ints
from eddy.models.forecasting.network.hidden import State

MODELS = ("baseline", "network")


class ModelErrors(NamedTuple):
    """Sums over intervals, for s segments.

    Attributes
    ----------
    absolute : ndarray of float64, shape (s,)
        Of |observed - expected|, one interval ahead.
    volume : ndarray of float64, shape (s,)
        Of |observed|.
    """

    absolute: Floats
    volume: Floats

    @property
    def wape(self) -> float:
        """The weighted absolute percentage error over all segments; NaN before any volume."""
        volume = float(self.volume.sum())
        return float(self.absolute.sum()) / volume if volume > 0 else float("nan")


class ErrorSums:
    """Sums of both models' errors since the network at work was taken up.

    Parameters
    ----------
    segments : int
    """

    def __init__(self, segments: int) -> None:
        self._sums = np.zeros((1 + len(MODELS), segments))  # volume, then a row a model

    def clear(self) -> None:
        """Begin anew."""
        self._sums[:] = 0.0

    def add(self, observed: Floats, expected: dict[str, Floats], segment: Ints) -> None:
        """Add an interval of k entities; models that said nothing are left as they are."""
        segments = self._sums.shape[1]
        self._sums[0] += np.bincount(segment, np.abs(observed), segments)
        for row, name in enumerate(MODELS, 1):
            if name in expected:
                off = np.abs(observed - expected[name])
                self._sums[row] += np.bincount(segment, off, segments)

    def of(self, name: str) -> ModelErrors:
        """Return one model's sums, copied."""
        return ModelErrors(self._sums[1 + MODELS.index(name)].copy(), self._sums[0].copy())

    def snapshot(self) -> State:
        """Return the state as named arrays, copied."""
        return {"errors_sums": self._sums.copy()}

    def restore(self, state: State) -> None:
        """Take over a snapshot; one without sums begins anew."""
        given = state.get("errors_sums", np.zeros_like(self._sums))
        if given.shape != self._sums.shape:
            raise ValueError(f"errors_sums: {self._sums.shape} expected")
        self._sums = given.copy()
