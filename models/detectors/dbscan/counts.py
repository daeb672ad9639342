"""The points of the windowed DBSCAN: they arrive and depart, and who is core is known cheaply.

A cell's side is eps / sqrt 2, so that two points of one cell are neighbours, and a cell with
``min_samples`` points holds core points only. Of a point in a cell with fewer, `Grid.states` says

* n > 0: it is *counted*: n is its exact number of neighbours, itself included, kept up to date as
  points arrive and depart. All points that are not core are counted, and few others.
* -s < 0: it is core for as long as the point with serial number s is in the window: it has
  min_samples neighbours that came no earlier, and points depart in the order they came. s = 0 is
  never in the window: nothing is known, `is_core` looks when asked.

Cost: a row among dense cells finds one cell and no counted point around it. Any row may meet the
counted points around it, twice, coming and going: at most 25 cells of 2 min_samples points, as a
point is no longer counted when it has more neighbours. A row that falls into a cell with fewer
than min_samples points looks for that many neighbours; it may have to pass by many points that are
just too far, but no point sees more than min_samples such rows come into each of the 24 cells
around it, for the window keeps them all until that point departs. In sum some 100 min_samples
distance tests a row, amortised, whatever the window's size and the order of rows.
"""

from typing import NamedTuple

import numpy as np

from eddy.models.detectors.dbscan.grid import (
    AROUND,
    COUNTED,
    FIRST,
    LOW,
    NEAR,
    NEIGHBOURS,
    NEWEST,
    OFFSETS,
    ROWS,
    SELF,
    SIZE,
    START,
    Grid,
    close_cell,
    find_cell,
    list_cell,
    open_cell,
)
from eddy.models.numba_typing import compiled, inlined

# The side falls short of eps / sqrt 2 by far more than floating point can err, so that "same cell"
# implies "within eps" in float64; distances to cells are shortened by SLACK sides alike.
SHRINK = 1.0 - 1e-7
SLACK = 1e-6
UNKNOWN = 0


class NoiseRule(NamedTuple):
    """What decides, flat: the model's part, then the policy's.

    Attributes
    ----------
    center : (float, float)
    transform : (float, float, float, float)
        A 2 x 2 matrix by rows; a point is ``transform @ (features - center)``.
    eps, side : float
    min_samples : int
    max_rows, min_rows : int
        The window's bound; below `min_rows` the detector is warming.
    horizon : int
        The window's bound in microseconds of event time.
    """

    center: tuple[float, float]
    transform: tuple[float, float, float, float]
    eps: float
    side: float
    min_samples: int
    max_rows: int
    min_rows: int
    horizon: int


@inlined
def distance2(grid: Grid, slot: int, x: float, y: float) -> float:
    """Return the squared distance of a stored point: the one definition, as in scikit-learn."""
    dx = grid.slots[slot]["x"] - x
    dy = grid.slots[slot]["y"] - y
    return dx * dx + dy * dy


@inlined
def around(grid: Grid, rule: NoiseRule, cell: int, k: int, x: float, y: float) -> int:
    """Return a cell's k-th neighbour, itself at -1; or -1 where no point of it is within eps."""
    if k < 0:
        return cell
    other = grid.cells[cell, NEAR + k]
    if other < 0:
        return -1
    left = (grid.keys[cell, 0] + OFFSETS[k, 0]) * rule.side
    low = (grid.keys[cell, 1] + OFFSETS[k, 1]) * rule.side
    dx = max(max(left - x, x - left - rule.side) - SLACK * rule.side, 0.0)
    dy = max(max(low - y, y - low - rule.side) - SLACK * rule.side, 0.0)
    return int(other) if dx * dx + dy * dy <= rule.eps * rule.eps else -1


@inlined
def _serial(grid: Grid, slot: int) -> int:
    """Return a point's serial number: the order of arrival."""
    place = slot - int(grid.counters[START])
    if place < 0:
        place += len(grid.times)
    return int(grid.counters[FIRST]) + place


@compiled
def _mark(grid: Grid, cell: int, has_counted: bool) -> None:
    """Let the cells around know whether a cell has counted points."""
    grid.cells[cell, AROUND] ^= 1 << SELF
    for k in range(NEIGHBOURS):
        other = grid.cells[cell, NEAR + k]
        if other >= 0:
            bit = 1 << (k ^ 1)
            grid.cells[other, AROUND] &= ~bit
            grid.cells[other, AROUND] |= has_counted * bit


@inlined
def _set_state(grid: Grid, min_samples: int, slot: int, state: int) -> None:
    """Change what is known of a point."""
    before, cell = grid.slots[slot]["state"], grid.slots[slot]["cell"]
    grid.slots[slot]["state"] = state
    if (state > 0) != (before > 0):
        grid.cells[cell, COUNTED] += 1 if state > 0 else -1
        if grid.cells[cell, COUNTED] == (state > 0):
            _mark(grid, cell, state > 0)
    was_low, is_low = 0 < before < min_samples, 0 < state < min_samples
    if was_low != is_low:
        grid.cells[cell, LOW] += 1 if is_low else -1
        list_cell(grid, cell)


@compiled
def _recount_in(grid: Grid, rule: NoiseRule, cell: int, slot: int, change: int) -> None:
    """Let the counted points of a cell know that the point in `slot` came or went."""
    x, y = grid.slots[slot]["x"], grid.slots[slot]["y"]
    j = grid.cells[cell, NEWEST]
    for _ in range(grid.cells[cell, SIZE]):
        state = grid.slots[j]["state"]
        if state > 0 and j != slot and distance2(grid, j, x, y) <= rule.eps * rule.eps:
            state += change
            known = state if state < 2 * rule.min_samples else UNKNOWN
            _set_state(grid, rule.min_samples, j, known)
        j = grid.slots[j]["older"]


@inlined
def _recount(grid: Grid, rule: NoiseRule, slot: int, change: int) -> None:
    """Let all counted points within eps know that the point in `slot` came or went."""
    x, y, home = grid.slots[slot]["x"], grid.slots[slot]["y"], grid.slots[slot]["cell"]
    marks = grid.cells[home, AROUND]
    if marks >> SELF:
        _recount_in(grid, rule, home, slot, change)
    for k in range(NEIGHBOURS):
        if (marks >> k) & 1:
            cell = around(grid, rule, home, k, x, y)
            if cell >= 0:
                _recount_in(grid, rule, cell, slot, change)


@inlined
def _neighbours(grid: Grid, rule: NoiseRule, slot: int, least_serial: int, enough: int) -> int:
    """Return how many points from a serial number on are within eps of one, itself included.

    Stops at `enough`.
    """
    x, y = grid.slots[slot]["x"], grid.slots[slot]["y"]
    eps2, home = rule.eps * rule.eps, grid.slots[slot]["cell"]
    neighbours = 0
    for k in range(-1, NEIGHBOURS):
        cell = around(grid, rule, home, k, x, y)
        if cell < 0:
            continue
        j = grid.cells[cell, NEWEST]
        for _ in range(grid.cells[cell, SIZE]):
            if distance2(grid, j, x, y) <= eps2:
                if _serial(grid, j) < least_serial:
                    break
                neighbours += 1
                if neighbours == enough:
                    return neighbours
            j = grid.slots[j]["older"]
    return neighbours


@compiled
def _examine(grid: Grid, rule: NoiseRule, slot: int, is_passing: bool) -> bool:
    """Find out whether a point of a sparse cell is core, and remember it.

    Nothing is remembered while a passing (late) row is in the window: it leaves out of order.
    """
    first, rows = grid.counters[FIRST], grid.counters[ROWS]
    for halvings in range(1, 5):
        serial = first + (rows >> halvings)
        neighbours = _neighbours(grid, rule, slot, serial, rule.min_samples)
        if neighbours == rule.min_samples:
            if not is_passing:
                grid.slots[slot]["state"] = -serial
            return True
        if halvings == 1:
            neighbours = _neighbours(grid, rule, slot, first, 2 * rule.min_samples)
            if neighbours < 2 * rule.min_samples:
                _set_state(grid, rule.min_samples, slot, neighbours)
                return neighbours >= rule.min_samples
    return True


@inlined
def is_core(grid: Grid, rule: NoiseRule, slot: int, is_passing: bool) -> bool:
    """Return whether a point in the window is a core point."""
    state = grid.slots[slot]["state"]
    if state > 0:
        return state >= rule.min_samples
    if -state >= grid.counters[FIRST]:
        return True
    if grid.cells[grid.slots[slot]["cell"], SIZE] >= rule.min_samples:
        return True
    return _examine(grid, rule, slot, is_passing)


@inlined
def arrive(grid: Grid, rule: NoiseRule, slot: int) -> bool:
    """Put the point in `slot` on the grid; return whether it is a core point."""
    kx = int(np.floor(grid.slots[slot]["x"] / rule.side))
    ky = int(np.floor(grid.slots[slot]["y"] / rule.side))
    at = find_cell(grid, kx, ky)
    cell = grid.table[at]
    if cell < 0:
        cell = open_cell(grid, kx, ky, at)
    cells = grid.cells
    grid.slots[slot]["cell"], grid.slots[slot]["older"] = cell, cells[cell, NEWEST]
    grid.slots[slot]["state"] = UNKNOWN
    cells[cell, NEWEST] = slot
    cells[cell, SIZE] += 1
    list_cell(grid, cell)
    if cells[cell, AROUND] > 0:
        _recount(grid, rule, slot, 1)
    if cells[cell, SIZE] >= rule.min_samples:
        return True
    neighbours = _neighbours(grid, rule, slot, grid.counters[FIRST], rule.min_samples)
    if neighbours < rule.min_samples:
        _set_state(grid, rule.min_samples, slot, neighbours)
    return neighbours >= rule.min_samples


@inlined
def depart(grid: Grid, rule: NoiseRule, slot: int, is_passing: bool) -> None:
    """Take a point off the grid: the oldest, or the newest where it was only passing."""
    cell = grid.slots[slot]["cell"]
    if is_passing:
        grid.cells[cell, NEWEST] = grid.slots[slot]["older"]
    grid.cells[cell, SIZE] -= 1
    _set_state(grid, rule.min_samples, slot, UNKNOWN)
    if grid.cells[cell, AROUND] > 0:
        _recount(grid, rule, slot, -1)
    list_cell(grid, cell)
    if grid.cells[cell, SIZE] == 0:
        close_cell(grid, cell)
