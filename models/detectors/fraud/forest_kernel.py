"""The compiled part of forests: rows come down the trees, to be scored or to be explained."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats
from eddy.models.detectors.fraud import forest_layout
from eddy.models.detectors.fraud.forest_layout import AWAY, COLUMN, Trees
from eddy.models.numba_typing import compiled_and_kept, fingerprint

Rows = NDArray[np.floating]
"""Rows twice, as they are and negated, shape (n, 2 d), in the precision of the thresholds."""

# Rows that come down a tree before the next tree's turn: a tree stays in the cache meanwhile.
BLOCK = 1024


def _entries(
    source: int,
) -> tuple[Callable[[Trees, float, Rows, Floats], int], Callable[[Trees, Rows, Floats], int]]:
    """Make the functions to call from outside, which carry the version of their sources."""

    @compiled_and_kept
    def sums(trees: Trees, first: float, rows: Rows, out: Floats) -> int:
        """Add up, onto `first` and in the order of the trees, what the leaves of a row say."""
        nodes = trees.nodes
        for begin in range(0, len(rows), BLOCK):
            end = min(len(rows), begin + BLOCK)
            for i in range(begin, end):
                out[i] = first
            for k in range(len(trees.roots)):
                for i in range(begin, end):
                    at = trees.roots[k]
                    while True:
                        code = nodes[at]["code"]
                        if rows[i, code & COLUMN] <= nodes[at]["threshold"]:
                            at += 1
                            continue
                        away = np.int64(code >> AWAY)
                        if away == 0:
                            break
                        at += away
                    out[i] += trees.values[at]
        return source

    @compiled_and_kept
    def parts(trees: Trees, rows: Rows, out: Floats) -> int:
        """Add each split's change of the value to the split's feature, shape (n, d)."""
        nodes, width = trees.nodes, out.shape[1]
        for i in range(len(rows)):
            for k in range(len(trees.roots)):
                at = trees.roots[k]
                while nodes[at]["code"] >> AWAY > 0:
                    column = np.int64(nodes[at]["code"] & COLUMN)
                    before = trees.values[at]
                    if rows[i, column] <= nodes[at]["threshold"]:
                        at += 1
                    else:
                        at += np.int64(nodes[at]["code"] >> AWAY)
                    out[i, column % width] += trees.values[at] - before
        return source

    return sums, parts


sums, parts = _entries(fingerprint(forest_layout, __file__))
