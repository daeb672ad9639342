"""The compiled part of scoring: one cell after the other, of a whole interval or of a late row."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Flags, Floats
from eddy.models.numba_typing import compiled_and_kept, fingerprint

_MOST = float(np.finfo(np.float32).max)
_LEAST_BOUNDARY = 1e-12

Score = Callable[[NDArray[np.void], Floats, Flags, Flags, float, float, bool, float, Flags], int]


def _entry(source: int) -> Score:
    """Make the function to call from outside, which carries the version of its sources."""

    @compiled_and_kept
    def score(
        cells: NDArray[np.void],
        missed: Floats,
        above: Flags,
        below: Flags,
        cold_start: float,
        cold_score: float,
        shows_muted: bool,
        boundary_missed: float,
        muted: Flags,
    ) -> int:
        for k in range(len(cells)):
            cell = cells[k]
            residual = cell["observed"] - np.float64(cell["expected"])
            is_above = residual >= 0
            boundary = np.float64(cell["above"] if is_above else cell["below"])
            result = abs(residual) / max(boundary, _LEAST_BOUNDARY)
            if cell["payments"] == 0:
                cell["missed"] = np.float32(missed[k] + np.float64(cell["awaited"]))
                if not is_above:
                    result = max(result, np.float64(cell["missed"]) / boundary_missed)
            else:
                cell["missed"] = np.float32(0.0)
            cell["score"] = np.float32(min(result, _MOST))
            reported = above[k] if is_above else below[k]
            limit = cold_score if cell["confidence"] < cold_start else 1.0
            # an entity of which nothing at all is known expects nothing: nothing to judge by
            flagged = cell["known"] and reported and result > limit and cell["expected"] > 0
            muted[k] = flagged and cell["muted"] != 0
            side = np.int8(0)
            if flagged and (shows_muted or not muted[k]):
                side = np.int8(1) if is_above else np.int8(-1)
            cell["side"] = side
        return source

    return score


score = _entry(fingerprint(__file__))
