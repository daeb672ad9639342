"""The points of the windowed DBSCAN: who is core, decided as rarely as possible.

A cell's side is eps / sqrt 2, so that two points of one cell are neighbours, and a cell with
``min_samples`` points holds core points only. Elsewhere neighbours are counted, and the count is
remembered with the margin by which it decided: as each point that comes into the area around a
cell, or leaves it, changes a count by at most one, the decision holds until as many came or left.
A memo m (of a point in ``slots["state"]``, or of all points of a part in ``memos``) says

* 4 m + LOW: not core while fewer than m points have ever arrived in the area;
* 4 m + CORE: core while fewer than m points have ever departed from it;
* 4 m + MIXED: some points of a part are core, some not; worth another look after m arrivals;
* UNKNOWN: nothing is known.

Where min_samples is large, cells are split into parts, and neighbours are counted by the part: a
part that is within eps as a whole adds its count, only points of parts on the rim are measured.
"""

from typing import NamedTuple

import numpy as np

from models.detectors.dbscan_grid import (
    ARRIVALS,
    NEAR,
    NEIGHBOURS,
    OFFSETS,
    SETTLED,
    SIZE,
    WITHIN,
    Grid,
    close_cell,
    find_cell,
    open_cell,
    settle,
    tell,
)
from models.numba_typing import compiled, inlined

# The side falls short of eps / sqrt 2 by far more than floating point can err, so that "same cell"
# implies "within eps" in float64; where cells and parts end is taken SLACK sides wider.
SHRINK = 1.0 - 1e-7
SLACK = 1e-6
REACH = np.sqrt(2.0) / SHRINK  # eps in sides
REACH2 = REACH * REACH
UNKNOWN, CORE, LOW, MIXED = 0, 1, 2, 3


class Rule(NamedTuple):
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
def nearest2(left: float, low: float, size: float) -> float:
    """Return a lower bound of the squared distance from the origin to any point of a square."""
    dx = max(max(left, -left - size) - SLACK, 0.0)
    dy = max(max(low, -low - size) - SLACK, 0.0)
    return dx * dx + dy * dy


@inlined
def furthest2(left: float, low: float, size: float) -> float:
    """Return an upper bound of the squared distance from the origin to any point of a square."""
    dx = max(-left, left + size) + SLACK
    dy = max(-low, low + size) + SLACK
    return dx * dx + dy * dy


@inlined
def _neighbour(grid: Grid, cell: int, k: int) -> int:
    """Return the k-th cell of an area, the cell itself at -1; or -1."""
    return int(grid.cells[cell, NEAR + k]) if k >= 0 else cell


@inlined
def _corner(k: int, px: float, py: float) -> tuple[float, float]:
    """Return where the k-th cell of an area begins, seen from (px, py) in the cell, in sides."""
    if k < 0:
        return -px, -py
    return OFFSETS[k, 0] - px, OFFSETS[k, 1] - py


@compiled
def _bounds(
    grid: Grid, cell: int, px: float, py: float, spread: float, enough: int
) -> tuple[int, int]:
    """Bound the number of neighbours of every point within `spread` sides of (px, py).

    Lengths are in sides, from the cell's corner. Stops counting when the lower bound is `enough`.
    """
    inner2, outer2 = (REACH - spread) ** 2, (REACH + spread) ** 2
    parts, lower, upper = grid.corners.shape[1], 0, 0
    step = 1.0 / np.sqrt(parts)
    for k in range(-1, NEIGHBOURS):
        other = _neighbour(grid, cell, k)
        if other < 0:
            continue
        left, low = _corner(k, px, py)
        if nearest2(left, low, 1.0) > outer2:
            continue
        if furthest2(left, low, 1.0) <= inner2:
            lower += grid.cells[other, SIZE]
            upper += grid.cells[other, SIZE]
        else:
            first = other * parts
            for part in range(parts):
                at_x, at_y = left + grid.corners[0, part], low + grid.corners[1, part]
                count = grid.counts[first + part]
                lower += count * (furthest2(at_x, at_y, step) <= inner2)
                upper += count * (nearest2(at_x, at_y, step) <= outer2)
        if lower >= enough:
            return lower, lower
    return lower, upper


@compiled
def _measure(
    grid: Grid, rule: Rule, slot: int, lower: int, upper: int, margin: int
) -> tuple[int, int]:
    """Narrow the `_bounds` of one point by measuring distances, until they decide by a margin."""
    x, y, parts = grid.slots[slot]["x"], grid.slots[slot]["y"], grid.corners.shape[1]
    cell, step, eps2 = grid.slots[slot]["part"] // parts, 1.0 / np.sqrt(parts), rule.eps * rule.eps
    px, py = x / rule.side - grid.keys[cell, 0], y / rule.side - grid.keys[cell, 1]
    for k in range(-1, NEIGHBOURS):
        other = _neighbour(grid, cell, k)
        if other < 0:
            continue
        left, low = _corner(k, px, py)
        if nearest2(left, low, 1.0) > REACH2 or furthest2(left, low, 1.0) <= REACH2:
            continue
        for p in range(parts):
            count = grid.counts[other * parts + p]
            if count == 0:
                continue
            at_x, at_y = left + grid.corners[0, p], low + grid.corners[1, p]
            if nearest2(at_x, at_y, step) > REACH2 or furthest2(at_x, at_y, step) <= REACH2:
                continue
            found, j = 0, grid.newest[other * parts + p]
            for _ in range(count):
                found += distance2(grid, j, x, y) <= eps2
                j = grid.slots[j]["older"]
            lower += found
            upper -= count - found
            if lower >= rule.min_samples + margin or upper < rule.min_samples - margin:
                return lower, upper
    return lower, upper


@inlined
def recall(grid: Grid, cell: int, memo: int) -> int:
    """Return what a memo still says."""
    area = grid.areas[cell]
    known = memo & 3
    number = area[ARRIVALS] - area[WITHIN] if known == CORE else area[ARRIVALS]
    return known if number < memo >> 2 else UNKNOWN


@inlined
def _memo(grid: Grid, cell: int, min_samples: int, lower: int, upper: int) -> int:
    """Return the memo that a number of neighbours between two bounds allows."""
    area = grid.areas[cell]
    if upper < min_samples:
        return 4 * (area[ARRIVALS] + min_samples - upper) + LOW
    if lower >= min_samples:
        return 4 * (area[ARRIVALS] - area[WITHIN] + lower - min_samples + 1) + CORE
    return 4 * (area[ARRIVALS] + 1 + (upper - lower) // 4) + MIXED


@compiled
def part_status(grid: Grid, rule: Rule, part: int) -> int:
    """Return whether all points of a part are CORE, or none (LOW), or that it depends (MIXED)."""
    parts = grid.corners.shape[1]
    cell = part // parts
    if grid.cells[cell, SIZE] >= rule.min_samples:
        return CORE
    if grid.areas[cell, WITHIN] < rule.min_samples:
        return LOW
    if parts == 1:
        return MIXED
    status = recall(grid, cell, grid.memos[part])
    if status != UNKNOWN:
        return status
    half = 0.5 / np.sqrt(parts)
    px = grid.corners[0, part - cell * parts] + half
    py = grid.corners[1, part - cell * parts] + half
    spread = np.sqrt(2.0) * half + SLACK
    lower, upper = _bounds(grid, cell, px, py, spread, 2 * rule.min_samples)
    grid.memos[part] = _memo(grid, cell, rule.min_samples, lower, upper)
    return int(grid.memos[part] & 3)


@compiled
def is_core(grid: Grid, rule: Rule, slot: int, margin: int) -> bool:
    """Return whether a point of a mixed part is core, and remember it; longer with more margin."""
    parts, enough = grid.corners.shape[1], rule.min_samples + margin
    cell = grid.slots[slot]["part"] // parts
    status = recall(grid, cell, grid.slots[slot]["state"])
    if status != UNKNOWN:
        return status == CORE
    px = grid.slots[slot]["x"] / rule.side - grid.keys[cell, 0]
    py = grid.slots[slot]["y"] / rule.side - grid.keys[cell, 1]
    lower, upper = _bounds(grid, cell, px, py, 0.0, enough)
    if lower < enough and upper >= rule.min_samples - margin:
        lower, upper = _measure(grid, rule, slot, lower, upper, margin)
    grid.slots[slot]["state"] = _memo(grid, cell, rule.min_samples, lower, upper)
    return lower >= rule.min_samples


@inlined
def _part_of(grid: Grid, rule: Rule, slot: int) -> int:
    """Return the part of a cell in which a point lies; the cell is made where there is none."""
    x, y = grid.slots[slot]["x"] / rule.side, grid.slots[slot]["y"] / rule.side
    kx, ky = int(np.floor(x)), int(np.floor(y))
    at = find_cell(grid, kx, ky)
    cell = grid.table[at]
    if cell < 0:
        cell = open_cell(grid, kx, ky, at, rule.min_samples)
    parts = grid.corners.shape[1]
    if parts == 1:
        return int(cell)
    split = int(np.sqrt(parts))
    px, py = int((x - kx) * split), int((y - ky) * split)
    return int(cell) * parts + min(px, split - 1) * split + min(py, split - 1)


@inlined
def arrive(grid: Grid, rule: Rule, slot: int) -> None:
    """Put the point in `slot` on the grid."""
    part = _part_of(grid, rule, slot)
    cell = part // grid.corners.shape[1]
    grid.slots[slot]["part"], grid.slots[slot]["older"] = part, grid.newest[part]
    grid.slots[slot]["state"] = UNKNOWN
    grid.newest[part] = slot
    grid.counts[part] += 1
    grid.cells[cell, SIZE] += 1
    tell(grid, cell, 1, rule.min_samples)
    if grid.cells[cell, SIZE] >= 2 * rule.min_samples and not grid.cells[cell, SETTLED]:
        settle(grid, cell, True, rule.min_samples)


@inlined
def depart(grid: Grid, rule: Rule, slot: int, is_passing: bool) -> None:
    """Take a point off the grid: the oldest, or the newest where it was only passing."""
    part = grid.slots[slot]["part"]
    cell = part // grid.corners.shape[1]
    if is_passing:
        grid.newest[part] = grid.slots[slot]["older"]
    grid.counts[part] -= 1
    grid.cells[cell, SIZE] -= 1
    tell(grid, cell, -1, rule.min_samples)
    if grid.cells[cell, SETTLED] and grid.cells[cell, SIZE] < rule.min_samples:
        settle(grid, cell, False, rule.min_samples)
    if grid.cells[cell, SIZE] == 0:
        close_cell(grid, cell)
