"""Vectors of a batch: packed one behind the other as they are read, then a row for each record."""

import numpy as np
from numpy.typing import NDArray


def no_vectors(n: int) -> NDArray[np.float64]:
    """Return the vectors of n records that hold none, shape (n, 0)."""
    return np.empty((n, 0))


def unpacked(packed: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return packed vectors as rows.

    Parameters
    ----------
    packed : ndarray of float64, shape (m,)
        All numbers in the order of the records; m is the sum of `counts` or more.
    counts : ndarray of int64, shape (n,)
        How many of them each record has.

    Returns
    -------
    ndarray of float64, shape (n, w)
        `w` is the greatest count; NaN behind what a record has.
    """
    n, width = len(counts), int(counts.max(initial=0))
    if width == 0:
        return no_vectors(n)
    used, there = int(counts.sum()), counts > 0
    rows = np.full((n, width), np.nan)
    if used == width * np.count_nonzero(there):  # whole rows are copied much faster
        rows[there] = packed[:used].reshape(-1, width)
    else:
        rows[np.arange(width) < counts[:, np.newaxis]] = packed[:used]
    return rows


def widened(rows: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Return rows with NaN behind what they hold, `width` long."""
    wider = np.full((len(rows), width), np.nan)
    wider[:, : rows.shape[1]] = rows
    return wider
