"""The windowed DBSCAN: exact labels for every arriving row over the last rows.

The label of a row is that which scikit-learn's DBSCAN, fitted on the window including the row,
would give it (Ester, Kriegel, Sander and Xu 1996): noise where no core point lies within `eps`.
Score = distance to the nearest core point / eps, so that 1.0 is the boundary.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats, Ints
from eddy.models.detectors.dbscan import kernel
from eddy.models.detectors.dbscan.counts import SHRINK, NoiseRule
from eddy.models.detectors.dbscan.grid import ROWS, START, WATERMARK, empty_grid

_FOREVER = 1 << 62


@dataclass(frozen=True, slots=True)
class DbscanScores:
    """What the detector says of n rows, m of them noise.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
        NaN while warming, or while the window holds no core point.
    late : ndarray of bool, shape (n,)
        Older than the window; judged, not learned from.
    noise : ndarray of int64, shape (m,)
        Rows whose score is above 1.0.
    rows : ndarray of int64, shape (m,)
        How many rows the window held when the row was judged.
    nearest, low, high : ndarray of float64, shape (m, 2)
        In features: the nearest core point, and the least and greatest of those within eps of it.
    """

    scores: Floats
    late: NDArray[np.bool_]
    noise: Ints
    rows: Ints
    nearest: Floats
    low: Floats
    high: Floats


class WindowedDbscan:
    """Exact DBSCAN noise labels over a sliding window of two-dimensional rows.

    Parameters
    ----------
    center, transform : (float, float), 2 x 2 floats
        A row is placed at ``transform @ (features - center)``; distances are Euclidean there.
    eps : float
        Radius of a neighbourhood.
    min_samples : int
        Rows, the row itself included, that make a neighbourhood dense.
    window_rows : int
        The window keeps at most so many rows, in order of arrival.
    window_us : int, optional
        ... and drops from its old end what is older than this before the latest event time.
    min_window : int
        Warming below so many rows in the window.
    """

    name = "windowed_dbscan"

    def __init__(
        self,
        *,
        center: tuple[float, float] = (0.0, 0.0),
        transform: tuple[tuple[float, float], tuple[float, float]] = ((1.0, 0.0), (0.0, 1.0)),
        eps: float = 0.2,
        min_samples: int = 20,
        window_rows: int = 50_000,
        window_us: int | None = None,
        min_window: int = 1_000,
    ) -> None:
        self._window_rows = window_rows
        self._window_us = _FOREVER if window_us is None else window_us
        self._min_window = min_window
        self._full = False
        self._set_rule(center, transform, eps, min_samples)
        self._grid = empty_grid(window_rows + 1)

    def judge(self, features: Floats, times: Ints) -> DbscanScores:
        """Score rows, learn from them, and tell what each noise row was compared with.

        Parameters
        ----------
        features : ndarray of float64, shape (n, 2)
        times : ndarray of int64, shape (n,)
            Event time in microseconds since 1970.
        """
        n = len(features)
        out = kernel.DbscanOutput(
            np.empty(n),
            np.empty(n, np.bool_),
            np.empty(n, np.int64),
            np.empty(n, np.int64),
            np.empty((n, 2)),
            np.empty((n, 2)),
            np.empty((n, 2)),
        )
        before = self.rows
        count, _ = kernel.judge(
            self._grid, self._rule, np.ascontiguousarray(features), np.ascontiguousarray(times), out
        )
        # Rows that came and are not there any more were dropped: the window has been full.
        self._full = self._full or self.rows < before + n - int(out.late.sum())
        return DbscanScores(
            out.scores,
            out.late,
            out.noise[:count],
            out.rows[:count],
            out.nearest[:count],
            out.low[:count],
            out.high[:count],
        )

    def adopt(
        self,
        center: tuple[float, float],
        transform: tuple[tuple[float, float], tuple[float, float]],
        eps: float,
        min_samples: int,
    ) -> None:
        """Go on with another model; the window keeps its rows."""
        state = self.snapshot()
        self._set_rule(center, transform, eps, min_samples)
        self.restore(state)

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the window in order of arrival; nothing of the model is in it."""
        counters = self._grid.counters
        slots = (int(counters[START]) + np.arange(self.rows)) % len(self._grid.times)
        return {
            "features": self._grid.raw[slots],
            "times": self._grid.times[slots],
            "watermark": np.array([counters[WATERMARK]], np.int64),
            "full": np.array([self._full]),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a window; ValueError where it is not one, or larger than this one's."""
        try:
            features = np.ascontiguousarray(state["features"], np.float64)
            times = np.ascontiguousarray(state["times"], np.int64)
            watermark, full = int(state["watermark"][0]), bool(state["full"][0])
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"not a window: {error}") from error
        if features.shape != (len(times), 2) or len(times) > self._window_rows:
            raise ValueError(f"not a window of at most {self._window_rows} rows: {features.shape}")
        self._grid = empty_grid(self._window_rows + 1)
        kernel.refill(self._grid, self._rule, features, times)
        self._grid.counters[WATERMARK] = watermark
        self._full = full

    @property
    def rows(self) -> int:
        """How many rows the window holds."""
        return int(self._grid.counters[ROWS])

    @property
    def full(self) -> bool:
        """Whether rows have been dropped, so that older ones cannot matter.

        Never claimed of a window bounded by time: an earlier row with a later time would have
        moved the watermark, and only those who saw it know.
        """
        return self._full and self._window_us == _FOREVER

    def _set_rule(
        self,
        center: tuple[float, float],
        transform: tuple[tuple[float, float], tuple[float, float]],
        eps: float,
        min_samples: int,
    ) -> None:
        if not eps > 0 or min_samples < 2:
            raise ValueError(f"eps > 0 and min_samples >= 2, not {eps} and {min_samples}")
        self._rule = NoiseRule(
            (float(center[0]), float(center[1])),
            (*map(float, transform[0]), *map(float, transform[1])),  # type: ignore[arg-type]
            float(eps),
            float(eps / np.sqrt(2) * SHRINK),
            int(min_samples),
            int(self._window_rows),
            int(self._min_window),
            int(self._window_us),
        )
