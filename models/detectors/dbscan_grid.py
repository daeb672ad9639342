"""The cells of the windowed DBSCAN: where they are, who is beside them, which may hold core points.

All state is arrays of fixed size, made by `empty_grid`; the compiled functions change them in
place. Pages of the arrays that were never needed are never touched, so that a window in which
points share cells (every ordinary one) stays small in memory.

A cell with many points is *settled*: all of them are core, and nothing else about it changes until
it thins out. A cell that is not settled is told of every point that comes into or leaves its area,
the cell and the 24 around it; outside of the area nothing can be within eps of its points.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.numba_typing import compiled, inlined

# One point: where it is after the model's transform, what is known of it (see dbscan_counts), its
# part of a cell, and the point that was that part's newest before. Read together, so kept together.
SLOT = np.dtype([("x", "f8"), ("y", "f8"), ("state", "i8"), ("part", "i4"), ("older", "i4")])
# Columns of Grid.cells. PLACE is the position among the listed cells or -1; AROUND has a bit for
# each of the cells around that is not settled. From NEAR on stand the cells around, or -1.
SIZE, SETTLED, PLACE, AROUND, NEAR = 0, 1, 2, 3, 8
NEIGHBOURS = 24
# Columns of Grid.areas: how many points ever came into the area, how many are in it, and the
# number of arrivals up to which none of the cell's points can be core.
ARRIVALS, WITHIN, QUIET = 0, 1, 2
# Entries of Grid.counters; START is the slot of the oldest point.
START, ROWS, WATERMARK, LIVE, UNUSED, FREE, LISTED, TABLE = range(8)
# Rows of Grid.lists: a stack of free cells, the cells that may hold core points, and the parts that
# a search for the nearest core point has yet to look into.
FREE_LIST, CORE_LIST, OPEN_LIST = 0, 1, 2

SMALLEST_TABLE = 1024
NEVER = np.iinfo(np.int64).min


def _offsets() -> NDArray[np.int64]:
    """Return where the cells around lie, nearest first; k and k ^ 1 are opposite."""
    half = [(0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (1, 2), (1, -2), (2, 1), (2, -1)]
    half += [(2, 2), (2, -2)]
    return np.array([o for x, y in half for o in ((x, y), (-x, -y))], np.int64)


OFFSETS = _offsets()


class Grid(NamedTuple):
    """Window and grid as arrays; S slots, as many cells, each of P parts.

    Attributes
    ----------
    raw : ndarray of float64, shape (S, 2)
        Raw features; a ring.
    times : ndarray of int64, shape (S,)
    slots : ndarray of SLOT, shape (S,)
    cells : ndarray of int32, shape (S, NEAR + NEIGHBOURS)
    areas : ndarray of int64, shape (S, 4)
    keys : ndarray of int64, shape (S, 2)
        Cell coordinates.
    corners : ndarray of float64, shape (2, P)
        Where in its cell a part begins, in sides.
    counts, newest : ndarray of int32, shape (S * P,)
        Of each part: how many points, and the slot of the newest.
    memos : ndarray of int64, shape (S * P,)
        Of each part: what is known of its points together.
    lists : ndarray of int32, shape (3, S)
    boxes : ndarray of float64, shape (4, S)
        Of the listed cells, in their order: the keys, and lower bounds of distances to them; of
        the parts to look into: lower bounds of distances to them.
    table : ndarray of int32, shape (power of 2,)
        Hash table from cell coordinates to cells; its first ``counters[TABLE]`` entries are in
        use, -1 is empty. Removal shifts back, so that nothing dead is left in it.
    counters : ndarray of int64, shape (8,)
    """

    raw: NDArray[np.float64]
    times: NDArray[np.int64]
    slots: NDArray[np.void]
    cells: NDArray[np.int32]
    areas: NDArray[np.int64]
    keys: NDArray[np.int64]
    corners: NDArray[np.float64]
    counts: NDArray[np.int32]
    newest: NDArray[np.int32]
    memos: NDArray[np.int64]
    lists: NDArray[np.int32]
    boxes: NDArray[np.float64]
    table: NDArray[np.int32]
    counters: NDArray[np.int64]


def empty_grid(slots: int, split: int) -> Grid:
    """Make the grid of a window that holds up to `slots` points; cells have split x split parts."""
    table = max(SMALLEST_TABLE, 1 << (2 * slots).bit_length())
    parts = split * split
    grid = Grid(
        raw=np.empty((slots, 2)),
        times=np.empty(slots, np.int64),
        slots=np.empty(slots, SLOT),
        cells=np.empty((slots, NEAR + NEIGHBOURS), np.int32),
        areas=np.empty((slots, 4), np.int64),
        keys=np.empty((slots, 2), np.int64),
        corners=np.array([np.arange(parts) // split, np.arange(parts) % split]) / split,
        counts=np.empty(slots * parts, np.int32),
        newest=np.empty(slots * parts, np.int32),
        memos=np.empty(slots * parts, np.int64),
        lists=np.empty((3, slots), np.int32),
        boxes=np.empty((4, slots)),
        table=np.empty(table, np.int32),
        counters=np.zeros(8, np.int64),
    )
    grid.table[:SMALLEST_TABLE] = -1
    grid.counters[TABLE] = SMALLEST_TABLE
    grid.counters[WATERMARK] = NEVER
    return grid


@inlined
def _home(kx: int, ky: int, mask: int) -> int:
    """Return where in the table the search for a cell begins."""
    h = kx * 0x9E3779B97F4A7C1 + ky * 0x2545F4914F6CDD1D
    return (h ^ (h >> 29)) & mask


@inlined
def find_cell(grid: Grid, kx: int, ky: int) -> int:
    """Return the table entry that holds the cell at (kx, ky), or the empty one where it belongs."""
    mask = grid.counters[TABLE] - 1
    at = _home(kx, ky, mask)
    while grid.table[at] >= 0:
        cell = grid.table[at]
        if grid.keys[cell, 0] == kx and grid.keys[cell, 1] == ky:
            break
        at = (at + 1) & mask
    return at


@compiled
def _grow(grid: Grid) -> None:
    """Double the part of the table that is in use."""
    c = grid.counters
    c[TABLE] *= 2
    for at in range(c[TABLE]):
        grid.table[at] = -1
    for cell in range(c[UNUSED]):
        if grid.cells[cell, SIZE] > 0:
            grid.table[find_cell(grid, grid.keys[cell, 0], grid.keys[cell, 1])] = cell


@compiled
def _erase(grid: Grid, hole: int) -> None:
    """Empty a table entry and move back whatever was pushed past it (Knuth 6.4, algorithm R)."""
    mask = grid.counters[TABLE] - 1
    grid.table[hole] = -1
    at = hole
    while True:
        at = (at + 1) & mask
        cell = grid.table[at]
        if cell < 0:
            return
        home = _home(grid.keys[cell, 0], grid.keys[cell, 1], mask)
        if ((at - home) & mask) >= ((at - hole) & mask):
            grid.table[hole] = cell
            grid.table[at] = -1
            hole = at


@compiled
def _put(grid: Grid, cell: int, place: int) -> None:
    """Put a cell into the list of cells that may hold core points."""
    grid.lists[CORE_LIST, place] = cell
    grid.cells[cell, PLACE] = place
    grid.boxes[0, place], grid.boxes[1, place] = grid.keys[cell, 0], grid.keys[cell, 1]


@compiled
def list_cell(grid: Grid, cell: int, is_candidate: bool) -> None:
    """Put a cell on the list of those that may hold core points, or take it off."""
    place, c = grid.cells[cell, PLACE], grid.counters
    if is_candidate and place < 0:
        _put(grid, cell, c[LISTED])
        c[LISTED] += 1
    elif place >= 0 and not is_candidate:
        c[LISTED] -= 1
        _put(grid, grid.lists[CORE_LIST, c[LISTED]], place)
        grid.cells[cell, PLACE] = -1


@compiled
def _take_free(grid: Grid) -> int:
    """Return a cell that is not in use."""
    if grid.counters[FREE] > 0:
        grid.counters[FREE] -= 1
        return int(grid.lists[FREE_LIST, grid.counters[FREE]])
    grid.counters[UNUSED] += 1
    return int(grid.counters[UNUSED]) - 1


@compiled
def open_cell(grid: Grid, kx: int, ky: int, at: int, min_samples: int) -> int:
    """Create an empty cell at table entry `at`, and link it with the cells around."""
    cells = grid.cells
    if 2 * (grid.counters[LIVE] + 1) > grid.counters[TABLE]:
        _grow(grid)
        at = find_cell(grid, kx, ky)
    cell = _take_free(grid)
    grid.keys[cell, 0], grid.keys[cell, 1] = kx, ky
    cells[cell, SIZE], cells[cell, SETTLED], cells[cell, PLACE], cells[cell, AROUND] = 0, 0, -1, 0
    within = 0
    for k in range(NEIGHBOURS):
        other = grid.table[find_cell(grid, kx + OFFSETS[k, 0], ky + OFFSETS[k, 1])]
        cells[cell, NEAR + k] = other
        if other >= 0:
            cells[other, NEAR + (k ^ 1)] = cell
            cells[other, AROUND] |= 1 << (k ^ 1)
            cells[cell, AROUND] |= (1 - cells[other, SETTLED]) << k
            within += cells[other, SIZE]
    grid.areas[cell, ARRIVALS] = grid.areas[cell, WITHIN] = within
    grid.areas[cell, QUIET] = 0
    list_cell(grid, cell, within >= min_samples)
    parts = grid.corners.shape[1]
    for part in range(cell * parts, (cell + 1) * parts):
        grid.counts[part], grid.newest[part], grid.memos[part] = 0, -1, 0
    grid.table[at] = cell
    grid.counters[LIVE] += 1
    return cell


@compiled
def close_cell(grid: Grid, cell: int) -> None:
    """Give an empty cell back."""
    list_cell(grid, cell, False)
    _erase(grid, find_cell(grid, grid.keys[cell, 0], grid.keys[cell, 1]))
    for k in range(NEIGHBOURS):
        other = grid.cells[cell, NEAR + k]
        if other >= 0:
            grid.cells[other, NEAR + (k ^ 1)] = -1
            grid.cells[other, AROUND] &= ~(1 << (k ^ 1))
    grid.counters[LIVE] -= 1
    grid.lists[FREE_LIST, grid.counters[FREE]] = cell
    grid.counters[FREE] += 1


@compiled
def settle(grid: Grid, cell: int, is_settled: bool, min_samples: int) -> None:
    """Settle a cell, or no longer; what is known of its points expires."""
    cells, area = grid.cells, grid.areas[cell]
    cells[cell, SETTLED] = is_settled
    within = int(cells[cell, SIZE])
    for k in range(NEIGHBOURS):
        other = cells[cell, NEAR + k]
        if other >= 0:
            bit = 1 << (k ^ 1)
            cells[other, AROUND] = (cells[other, AROUND] & ~bit) | (bit * (not is_settled))
            within += cells[other, SIZE]
    area[WITHIN] = within
    area[ARRIVALS] += 4 * (len(grid.times) + 1)  # further than any memo reaches
    list_cell(grid, cell, is_settled or within >= min_samples)


@inlined
def tell_one(grid: Grid, cell: int, change: int, min_samples: int) -> None:
    """Let a cell that is not settled know that a point came into its area or left it."""
    area = grid.areas[cell]
    area[WITHIN] += change
    if change > 0:
        area[ARRIVALS] += 1
        if area[WITHIN] == min_samples:
            list_cell(grid, cell, True)
    elif area[WITHIN] == min_samples - 1:
        list_cell(grid, cell, False)


@inlined
def tell(grid: Grid, cell: int, change: int, min_samples: int) -> None:
    """Let all cells whose area includes `cell` know that a point came into it or left it."""
    if not grid.cells[cell, SETTLED]:
        tell_one(grid, cell, change, min_samples)
    marks = grid.cells[cell, AROUND]
    if marks:
        for k in range(NEIGHBOURS):
            if (marks >> k) & 1:
                tell_one(grid, grid.cells[cell, NEAR + k], change, min_samples)
