"""Any stream of values, no calendar: the parts of the forecaster at several time scales.

A mean of the last values, of several lengths, is compared with a long mean; the distance over its
usual size is calibrated per stream and length as a forecast's residual is, and 1.0 is where a share
`false_alarm_rate` of ordinary values would lie beyond. The worst length counts. A value far beyond
moves the long mean only as far as the boundary allows, so that a shift is taken in, slowly.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Flags, Floats
from eddy.models.forecasting.conformal import ConformalBand

_LEAST_STEP = 1e-9


@dataclass(frozen=True, slots=True)
class ValueRule:
    """Lengths, in values, and the rate.

    Attributes
    ----------
    lengths : tuple of float
        Of the means compared.
    memory : float
        Of the long mean and of the usual sizes.
    warming : int
        Values before anything is said.
    false_alarm_rate : float
        Nominal share of ordinary values beyond the boundary, of each length.
    calm : int
        A deviation is told once; the next when so many values lay within the boundary.
    """

    lengths: tuple[float, ...] = (1.0, 64.0)
    memory: float = 600.0
    warming: int = 300
    false_alarm_rate: float = 3e-3
    calm: int = 300


class ValueStreams:
    """Scores the values of n streams, one value of each at a time.

    Parameters
    ----------
    count : int
    rule : ValueRule
    """

    def __init__(self, count: int, rule: ValueRule | None = None) -> None:
        self.rule = rule or ValueRule()
        lengths = len(self.rule.lengths)
        self._group = np.arange(count * lengths).reshape(count, lengths)
        self._tails = ConformalBand(count * lengths, window_intervals=self.rule.memory)
        self._state: dict[str, NDArray[Any]] = {
            "seen": np.zeros(count, np.int64),
            "calm": np.full(count, self.rule.calm, np.int64),
            "mean": np.zeros(count),
            "short": np.zeros((count, lengths)),
            "size": np.zeros((count, lengths)),
        }

    def score(self, values: Floats, known: Flags | None = None) -> Floats:
        """Score one value of each stream, then learn from it.

        Parameters
        ----------
        values : ndarray of float64, shape (n,)
        known : ndarray of bool, shape (n,), optional
            Which streams have a value this time.

        Returns
        -------
        ndarray of float64, shape (n,)
            1.0 is the boundary. NaN while warming and where there is no value; 0 while a
            deviation goes on that has been told.
        """
        s = self._state
        rows = np.arange(len(values)) if known is None else np.flatnonzero(known)
        x = values[rows]
        first = s["seen"][rows] == 0
        s["mean"][rows] = np.where(first, x, s["mean"][rows])
        s["short"][rows] = np.where(first[:, None], x[:, None], s["short"][rows])
        s["seen"][rows] += 1
        keep = 1.0 - 1.0 / np.asarray(self.rule.lengths)
        s["short"][rows] = keep * s["short"][rows] + (1.0 - keep) * x[:, None]
        distance = s["short"][rows] - s["mean"][rows, None]
        boundary = self._boundary(rows, distance)
        worst = (np.abs(distance) / boundary).max(axis=1)
        is_warm = s["seen"][rows] > self.rule.warming
        self._learn(rows, x, distance, np.where(is_warm[:, None], boundary, np.inf))
        scores = np.full(len(values), np.nan)
        scores[rows] = np.where(is_warm, self._damped(rows, worst, is_warm), np.nan)
        return scores

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the learned state as named arrays, copied."""
        state = {f"value_{name}": array.copy() for name, array in self._state.items()}
        return state | self._tails.snapshot()

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned; ValueError where it is of other streams."""
        self._tails.restore(state)
        self._state = {name: state[f"value_{name}"].copy() for name in self._state}

    def _boundary(self, rows: NDArray[np.int64], distance: Floats) -> Floats:
        """Return the distance that would score 1.0, shape (k, lengths)."""
        group, rate = self._group[rows], self.rule.false_alarm_rate / 2
        above, below = (
            self._tails.tail("upper", rate)[group],
            self._tails.tail("lower", rate)[group],
        )
        size = np.maximum(self._state["size"][rows], _LEAST_STEP)
        return np.asarray(np.where(distance >= 0, above, below) * size, np.float64)

    def _learn(
        self, rows: NDArray[np.int64], x: Floats, distance: Floats, boundary: Floats
    ) -> None:
        s = self._state
        clipped = np.clip(distance, -1.1 * boundary, 1.1 * boundary)
        size = np.maximum(s["size"][rows], _LEAST_STEP)
        group = self._group[rows].ravel()
        inside = np.ones(len(group), np.bool_)
        is_fit = np.repeat(s["seen"][rows] > 30, clipped.shape[1])
        self._tails.update(
            clipped.ravel()[is_fit], size.ravel()[is_fit], inside[is_fit], group[is_fit]
        )
        step = 1.0 / np.minimum(s["seen"][rows], self.rule.memory)
        s["size"][rows] += step[:, None] * (np.abs(clipped) - s["size"][rows])
        s["mean"][rows] += step * np.clip(x - s["mean"][rows], -boundary[:, 0], boundary[:, 0])

    def _damped(self, rows: NDArray[np.int64], worst: Floats, is_warm: Flags) -> Floats:
        """Return the score, 0 where it belongs to a deviation that has been told."""
        calm = self._state["calm"]
        is_out = is_warm & (worst > 1.0)
        is_new = calm[rows] >= self.rule.calm
        calm[rows] = np.where(is_out, 0, calm[rows] + 1)
        return np.asarray(np.where(is_out & ~is_new, 0.0, worst), np.float64)
