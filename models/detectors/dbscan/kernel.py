"""The compiled part of the windowed DBSCAN: row after row, evict, insert, judge.

The window including the row decides: a row is noise where scikit-learn's DBSCAN, fitted on that
window, would label it -1 (squared distances are compared in float64, ``d^2 <= eps^2``, a point
counts itself). What a flagged row is compared with is taken down at row time, so that how rows
were cut into batches changes nothing.

A noise row walks the list of cells that may hold core points, and the points of the few that may
hold the nearest: at worst the whole window, in ordinary data some hundred cells.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.detectors.dbscan import counts, grid
from eddy.models.detectors.dbscan.counts import (
    SLACK,
    NoiseRule,
    around,
    arrive,
    depart,
    distance2,
    is_core,
)
from eddy.models.detectors.dbscan.grid import (
    CORE_LIST,
    FIRST,
    LISTED,
    NEIGHBOURS,
    NEWEST,
    ROWS,
    SIZE,
    START,
    WATERMARK,
    Grid,
)
from eddy.models.numba_typing import compiled, compiled_and_kept, fingerprint, inlined

# Points further out than this many eps are pulled in to it, so that cell numbers stay exact.
FURTHEST = 1e6
JUST_ABOVE_ONE = float(np.nextafter(1.0, 2.0))
# The surroundings of a core point are looked for among the newest points of its cell and of the
# cells around it, this many of each: a bound on what one flagged row may cost.
SEEN_PER_CELL = 64


class DbscanOutput(NamedTuple):
    """What `judge` writes.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
    late : ndarray of bool, shape (n,)
    noise : ndarray of int64, shape (n,)
        Positions of the noise rows; the k-th one's findings follow at k. `judge` returns how many.
    rows : ndarray of int64, shape (n,)
        How many rows the window held.
    nearest, low, high : ndarray of float64, shape (n, 2)
        Raw features: the nearest core point; least and greatest of the points within eps of it.
    """

    scores: NDArray[np.float64]
    late: NDArray[np.bool_]
    noise: NDArray[np.int64]
    rows: NDArray[np.int64]
    nearest: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@inlined
def _place(grid: Grid, rule: NoiseRule, slot: int, f0: float, f1: float) -> None:
    """Write a row into a slot: raw, and as the model sees it."""
    d0, d1 = f0 - rule.center[0], f1 - rule.center[1]
    w = rule.transform
    furthest = FURTHEST * rule.eps
    grid.raw[slot, 0], grid.raw[slot, 1] = f0, f1
    grid.slots[slot]["x"] = min(max(w[0] * d0 + w[1] * d1, -furthest), furthest)
    grid.slots[slot]["y"] = min(max(w[2] * d0 + w[3] * d1, -furthest), furthest)


@inlined
def _comes_first(grid: Grid, a: int, b: int) -> bool:
    """Break ties between equally near points by their raw features, not by who came first."""
    p = grid.raw
    return p[a, 0] < p[b, 0] or (p[a, 0] == p[b, 0] and p[a, 1] < p[b, 1])


@compiled
def _nearest_in(
    grid: Grid, rule: NoiseRule, cell: int, slot: int, is_passing: bool, best2: float, best: int
) -> tuple[float, int]:
    """Return the nearest core point of a cell, or the one given where that is nearer."""
    x, y = grid.slots[slot]["x"], grid.slots[slot]["y"]
    j = grid.cells[cell, NEWEST]
    for _ in range(grid.cells[cell, SIZE]):
        d2 = distance2(grid, j, x, y)
        if (
            d2 <= best2
            and j != slot
            and (d2 < best2 or best < 0 or _comes_first(grid, j, best))
            and is_core(grid, rule, j, is_passing)
        ):
            best2, best = d2, j
        j = grid.slots[j]["older"]
    return best2, best


@compiled
def _nearest_within_eps(
    grid: Grid, rule: NoiseRule, slot: int, is_passing: bool
) -> tuple[float, int]:
    """Return the squared distance to the nearest core point within eps, and its slot or -1."""
    x, y = grid.slots[slot]["x"], grid.slots[slot]["y"]
    best2, best = rule.eps * rule.eps, -1
    for k in range(-1, NEIGHBOURS):
        cell = around(grid, rule, grid.slots[slot]["cell"], k, x, y)
        if cell >= 0:
            best2, best = _nearest_in(grid, rule, cell, slot, is_passing, best2, best)
    return best2, best


@compiled
def _bound_all(grid: Grid, rule: NoiseRule, slot: int) -> int:
    """Note lower bounds (d^2) of the distances to all listed cells; return the least one's place.

    In units of the side, in which the cells' corners are whole numbers.
    """
    kx, ky, bounds = grid.boxes[0], grid.boxes[1], grid.boxes[2]
    x, y = grid.slots[slot]["x"] / rule.side, grid.slots[slot]["y"] / rule.side
    for i in range(grid.counters[LISTED]):
        dx = max(max(kx[i] - x, x - kx[i] - 1.0) - SLACK, 0.0)
        dy = max(max(ky[i] - y, y - ky[i] - 1.0) - SLACK, 0.0)
        bounds[i] = dx * dx + dy * dy
    least = 0
    for i in range(grid.counters[LISTED]):
        if bounds[i] < bounds[least]:
            least = i
    return least


@compiled
def _nearest_core(grid: Grid, rule: NoiseRule, slot: int, is_passing: bool) -> tuple[float, int]:
    """Return the squared distance to the nearest core point of the window, and its slot or -1."""
    best2, best = np.inf, -1
    bounds, side2 = grid.boxes[2], rule.side * rule.side
    i = _bound_all(grid, rule, slot)
    while i < grid.counters[LISTED]:
        if bounds[i] < 0 or bounds[i] * side2 > best2:
            i += 1
            continue
        # noted as done, rather than passed by: a cell that proves to hold no core point gives its
        # place to the last of the list
        bounds[i] = -1.0
        cell = grid.lists[CORE_LIST, i]
        is_first = best < 0
        best2, best = _nearest_in(grid, rule, cell, slot, is_passing, best2, best)
        i = 0 if is_first else i
    return best2, best


@compiled
def _surroundings(
    grid: Grid, rule: NoiseRule, core: int, low: NDArray[np.float64], high: NDArray[np.float64]
) -> None:
    """Write the least and greatest raw features of the points within eps of a core point."""
    x, y, eps2 = grid.slots[core]["x"], grid.slots[core]["y"], rule.eps * rule.eps
    low0 = high0 = grid.raw[core, 0]
    low1 = high1 = grid.raw[core, 1]
    for k in range(-1, NEIGHBOURS):
        cell = around(grid, rule, grid.slots[core]["cell"], k, x, y)
        if cell < 0:
            continue
        j = grid.cells[cell, NEWEST]
        for _ in range(min(grid.cells[cell, SIZE], SEEN_PER_CELL)):
            if distance2(grid, j, x, y) <= eps2:
                low0, high0 = min(low0, grid.raw[j, 0]), max(high0, grid.raw[j, 0])
                low1, high1 = min(low1, grid.raw[j, 1]), max(high1, grid.raw[j, 1])
            j = grid.slots[j]["older"]
    low[0], low[1], high[0], high[1] = low0, low1, high0, high1


@inlined
def _wrap(grid: Grid, place: int) -> int:
    """Return where in the ring a place up to one round ahead is."""
    return place - len(grid.times) if place >= len(grid.times) else place


@inlined
def _evict(grid: Grid, rule: NoiseRule, oldest_time: int) -> None:
    """Drop the oldest arrivals that are too old, or too many for one more row."""
    c = grid.counters
    while c[ROWS] > 0 and (c[ROWS] >= rule.max_rows or grid.times[c[START]] < oldest_time):
        depart(grid, rule, c[START], False)
        c[START] = _wrap(grid, c[START] + 1)
        c[FIRST] += 1
        c[ROWS] -= 1


@inlined
def _insert(grid: Grid, rule: NoiseRule, f0: float, f1: float, time: int) -> tuple[int, bool]:
    """Append a row to the window; return its slot and whether it is core."""
    c = grid.counters
    slot = _wrap(grid, c[START] + c[ROWS])
    _place(grid, rule, slot, f0, f1)
    grid.times[slot] = time
    c[ROWS] += 1
    return slot, arrive(grid, rule, slot)


@compiled
def _score(
    grid: Grid, rule: NoiseRule, slot: int, is_passing: bool, k: int, out: DbscanOutput
) -> float:
    """Score a row that is not core; of noise, take down its surroundings as the k-th finding."""
    d2, core = _nearest_within_eps(grid, rule, slot, is_passing)
    if core >= 0:
        return np.sqrt(d2) / rule.eps
    d2, core = _nearest_core(grid, rule, slot, is_passing)
    if core < 0:
        return np.nan
    out.rows[k] = grid.counters[ROWS]
    out.nearest[k, 0], out.nearest[k, 1] = grid.raw[core, 0], grid.raw[core, 1]
    _surroundings(grid, rule, core, out.low[k], out.high[k])
    return max(np.sqrt(d2) / rule.eps, JUST_ABOVE_ONE)


@compiled
def _judge(
    grid: Grid,
    rule: NoiseRule,
    features: NDArray[np.float64],
    times: NDArray[np.int64],
    out: DbscanOutput,
) -> int:
    """Judge rows in order; return how many were noise."""
    c, noise = grid.counters, 0
    for r in range(len(features)):
        c[WATERMARK] = max(c[WATERMARK], times[r])
        oldest_time = c[WATERMARK] - rule.horizon
        late = times[r] < oldest_time
        if not late:
            _evict(grid, rule, oldest_time)
        slot, core = _insert(grid, rule, features[r, 0], features[r, 1], times[r])
        out.late[r] = late
        if c[ROWS] < rule.min_rows:
            out.scores[r] = np.nan
        elif core:
            out.scores[r] = 0.0
        else:
            out.scores[r] = _score(grid, rule, slot, late, noise, out)
            if out.scores[r] > 1.0:
                out.noise[noise] = r
                noise += 1
        if late:
            depart(grid, rule, slot, True)
            c[ROWS] -= 1
    return noise


@compiled
def _refill(
    grid: Grid, rule: NoiseRule, features: NDArray[np.float64], times: NDArray[np.int64]
) -> None:
    """Append rows that were in a window before, unjudged."""
    for r in range(len(features)):
        _insert(grid, rule, features[r, 0], features[r, 1], times[r])


def _entries(
    source: int,
) -> tuple[
    Callable[
        [Grid, NoiseRule, NDArray[np.float64], NDArray[np.int64], DbscanOutput], tuple[int, int]
    ],
    Callable[[Grid, NoiseRule, NDArray[np.float64], NDArray[np.int64]], int],
]:
    """Make the two functions to call from outside, which carry the version of their sources."""

    @compiled_and_kept
    def judge(
        grid: Grid,
        rule: NoiseRule,
        features: NDArray[np.float64],
        times: NDArray[np.int64],
        out: DbscanOutput,
    ) -> tuple[int, int]:
        return _judge(grid, rule, features, times, out), source

    @compiled_and_kept
    def refill(
        grid: Grid, rule: NoiseRule, features: NDArray[np.float64], times: NDArray[np.int64]
    ) -> int:
        _refill(grid, rule, features, times)
        return source

    return judge, refill


judge, refill = _entries(fingerprint(grid, counts, __file__))
