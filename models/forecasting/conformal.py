"""Conformal calibration: bands that cover what they promise, for each segment.

The forecast's residuals over their scale are kept as histograms with forgetting, one a segment:
split conformal prediction over a rolling window (Vovk et al. 2005), its two quantiles taken apart,
so that a band may be lopsided. The level asked of the histogram is steered by the coverage that
came of it (adaptive conformal inference, Gibbs and Candès 2021: ``a += gamma (alpha - missed)``),
so that the long-run coverage holds whatever the series does. Since volumes are never below zero
and many bands end there, both sides share one level: what the lower never misses, the upper may.

Rarer residuals than were seen often enough are extrapolated exponentially through two quantiles
of a side (its outer quarter and its outer twentieth), which a few anomalies among the residuals
cannot move; the more were seen, the more the histogram itself counts.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats, Ints

Side = Literal["lower", "upper"]

BINS = 512
_REACH = 8.0  # asinh of the largest residual told apart, about 1,500 scales
_EDGES = np.linspace(-_REACH, _REACH, BINS + 1)
_MIDDLES = (_EDGES[1:] + _EDGES[:-1]) / 2
_SIZES = np.abs(np.sinh(_MIDDLES))

_PRIOR_WEIGHT = 50.0  # residuals: believed before any is seen
_WINDOW = 1_000.0  # residuals remembered of a segment of one entity
_GAMMA = 0.01
_LEAST_SLOPE = 0.2
_LEVEL_LEAST, _LEVEL_MOST = -0.5, 0.4
_SHARE_LEAST = 0.004  # asked of the histogram; a level below widens the band beyond it instead
_WIDENING = 10.0
_BODY_SHARE, _TAIL_SHARE = 0.25, 0.05  # of a side: what the tail is drawn through
_ENOUGH = 10_000.0  # residuals, from which on the histogram is believed more than the line


def _prior() -> Floats:
    """Return the histogram of Laplace's distribution of mean absolute residual one."""
    below = np.where(_EDGES < 0, 0.5, 0.0) * np.exp(-np.abs(np.sinh(_EDGES)))
    above = np.where(_EDGES >= 0, 1.0 - 0.5 * np.exp(-np.abs(np.sinh(_EDGES))), 0.0)
    shares = np.diff(below + above)
    return np.asarray(_PRIOR_WEIGHT * shares / shares.sum(), np.float64)


class ConformalBand:
    """Calibrated quantiles of residuals over scale, for s segments; 4 KiB a segment.

    Parameters
    ----------
    segments : int
    coverage : float
        Share of intervals that are to be within the band.
    window_intervals : float
        Memory of a segment of many entities: two weeks of two-hour intervals. Of one with few, a
        thousand residuals.
    """

    def __init__(
        self, segments: int = 1, *, coverage: float = 0.95, window_intervals: float = 168.0
    ) -> None:
        if not 0.5 <= coverage < 1.0:
            raise ValueError(f"coverage: from 0.5 to below 1, not {coverage}")
        self.coverage = coverage
        self._window = window_intervals
        self._counts = np.tile(_prior(), (segments, 1))
        self._level = np.full(segments, 1.0 - coverage)
        self._changed()

    def quantiles(self) -> tuple[Floats, Floats]:
        """Return the band's ends in scales, lower and upper, shape (s,); lower <= 0 <= upper."""
        share = np.maximum(self._level, _SHARE_LEAST)
        wider = 1.0 + _WIDENING * (share - self._level)
        lower = np.minimum(self._quantile(share / 2), 0.0)
        upper = np.maximum(self._quantile(1.0 - share / 2), 0.0)
        return lower * wider, upper * wider

    def band(self, expected: Floats, scale: Floats, segment: Ints) -> tuple[Floats, Floats]:
        """Return lower and upper of each forecast, shape (n,); never below zero."""
        low, high = self.quantiles()
        lower = np.maximum(expected + low[segment] * scale, 0.0)
        return lower, np.maximum(expected + high[segment] * scale, 0.0)

    def tail(self, side: Side, rate: float) -> Floats:
        """Return how many scales off a residual must be to be as rare as `rate`, shape (s,).

        Parameters
        ----------
        side : "lower" or "upper"
        rate : float
            Share of intervals beyond, at most that of a band's side.
        """
        if (side, rate) not in self._tails:
            self._tails[side, rate] = self._tail(side, rate)
        return self._tails[side, rate]

    def _tail(self, side: Side, rate: float) -> Floats:
        body, outer, seen = (
            np.maximum(-self._quantile(share), 0.0)
            if side == "lower"
            else np.maximum(self._quantile(1.0 - share), 0.0)
            for share in (_BODY_SHARE, _TAIL_SHARE, rate)
        )
        slope = np.maximum(outer - body, _LEAST_SLOPE) / np.log(_BODY_SHARE / _TAIL_SHARE)
        line = outer + slope * np.log(_TAIL_SHARE / rate)
        count = self._counts.sum(axis=1)
        weight = count / (count + _ENOUGH)
        return np.asarray(weight * np.maximum(seen, outer) + (1.0 - weight) * line, np.float64)

    def update(
        self,
        residual: Floats,
        scale: Floats,
        inside: NDArray[np.bool_],
        segment: Ints,
        counted: NDArray[np.bool_] | None = None,
    ) -> None:
        """Learn from one closed interval.

        Parameters
        ----------
        residual : ndarray of float64, shape (n,)
            Observed less expected.
        scale : ndarray of float64, shape (n,)
        inside : ndarray of bool, shape (n,)
            Whether the interval was within the band published for it.
        segment : ndarray of int64, shape (n,)
        counted : ndarray of bool, shape (n,), optional
            The histogram takes in these only; of all is noted whether they were inside.
        """
        segments = len(self._level)
        seen = np.bincount(segment, minlength=segments).astype(np.float64)
        missed = np.bincount(segment, weights=~inside, minlength=segments)
        forget = np.minimum(seen / _WINDOW, 1.0 / self._window)
        place = np.clip(
            (np.arcsinh(residual / scale) + _REACH) * (BINS / (2 * _REACH)), 0, BINS - 1
        )
        flat = segment * BINS + place.astype(np.int64)
        flat = flat if counted is None else flat[counted]
        added = np.bincount(flat, minlength=segments * BINS).reshape(segments, BINS)
        self._counts = self._counts * (1.0 - forget)[:, None] + added
        rows = seen > 0
        share = missed[rows] / seen[rows]
        level = self._level[rows] + _GAMMA * (1.0 - self.coverage - share)
        self._level[rows] = np.clip(level, _LEVEL_LEAST, _LEVEL_MOST)
        self._changed()

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the learned state as named arrays, copied."""
        return {"conformal_counts": self._counts.copy(), "conformal_level": self._level.copy()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned; ValueError where it is of other segments."""
        if state["conformal_counts"].shape != self._counts.shape:
            raise ValueError(f"conformal_counts: {self._counts.shape} expected")
        self._counts = state["conformal_counts"].copy()
        self._level = state["conformal_level"].copy()
        self._changed()

    def _changed(self) -> None:
        """Sum the histograms up once for all quantiles until the next change."""
        self._sums = np.cumsum(self._counts, axis=1)
        self._tails: dict[tuple[Side, float], Floats] = {}

    def _quantile(self, share: Floats | float) -> Floats:
        """Return each segment's residual below which `share` of its weight lies, shape (s,)."""
        sums = self._sums
        wanted = np.broadcast_to(share, (len(sums),)) * sums[:, -1]
        at = np.minimum((sums < wanted[:, None]).sum(axis=1), BINS - 1)
        rows = np.arange(len(sums))
        before = sums[rows, at] - self._counts[rows, at]
        part = (wanted - before) / np.maximum(self._counts[rows, at], 1e-300)
        width = _EDGES[1] - _EDGES[0]
        return np.asarray(np.sinh(_EDGES[at] + np.clip(part, 0.0, 1.0) * width), np.float64)
