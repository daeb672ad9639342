"""What the compiled part writes down of a batch, and the steps made of it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints
from eddy.models.windows.steps import CELL, Revisions, Step, Totals

# Entries of Findings.counts.
NEW, LATE, ROOMLESS, REVISED = range(4)


class WindowOutput(NamedTuple):
    """What `kernel.run` writes; n rows.

    Attributes
    ----------
    slots : ndarray of int32, shape (n,)
        By row.
    new, too_late, untracked, revised : ndarray of int64, shape (n,)
        Rows, in their order; as many as `counts` says.
    windows : ndarray of int64, shape (n,)
        Of `revised`: the window.
    cells : ndarray of CELL, shape (n,)
        Of `revised`: the cell after the row.
    counts : ndarray of int64, shape (4,)
    """

    slots: NDArray[np.int32]
    new: Ints
    too_late: Ints
    untracked: Ints
    revised: Ints
    windows: Ints
    cells: NDArray[np.void]
    counts: Ints


def empty_findings(n: int) -> WindowOutput:
    """Make room for what `kernel.run` finds in `n` rows."""
    new, too_late, untracked, revised, windows = (np.empty(n, np.int64) for _ in range(5))
    return WindowOutput(
        np.full(n, -1, np.int32),
        new,
        too_late,
        untracked,
        revised,
        windows,
        np.empty(n, CELL),
        np.zeros(4, np.int64),
    )


class Stop(NamedTuple):
    """Why rows were not applied any further: a window that closed, or a pause within one."""

    closed: int | None = None
    paused: bool = False


def step_since(out: WindowOutput, before: Ints, start: int, stop: int, why: Stop) -> Step:
    """Return what was found since the counts were `before`."""
    new, late, roomless, revised = map(slice, before.tolist(), out.counts.tolist())
    rows = out.revised[revised]
    return Step(
        start=start,
        stop=stop,
        closed=why.closed,
        paused=why.paused,
        slots=out.slots[start:stop],
        new=out.new[new],
        too_late=out.too_late[late],
        untracked=out.untracked[roomless],
        revisions=Revisions(
            rows, out.slots[rows], out.windows[revised], Totals.of(out.cells[revised])
        ),
    )
