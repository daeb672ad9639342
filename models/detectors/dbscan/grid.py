"""The cells of the windowed DBSCAN: where they are, who is beside them, which may hold core points.

All state is arrays of fixed size, made by `empty_grid`; the compiled functions change them in
place. Pages of the arrays that were never needed are never touched, so that a window in which
points share cells (every ordinary one) stays small in memory.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.numba_typing import compiled, inlined

# One point: where it is after the model's transform, what is known of it (see dbscan.counts), its
# cell, and the point that was the cell's newest before. Together, because they are read together.
SLOT = np.dtype([("x", "f8"), ("y", "f8"), ("state", "i8"), ("cell", "i4"), ("older", "i4")])
# Columns of Grid.cells. COUNTED is how many of the cell's points carry their number of neighbours,
# LOW how many of those are not core; AROUND has a bit for each of the cells around, and SELF for
# the cell itself, set where that cell has counted points; PLACE is the position among the listed
# cells or -1. From NEAR on stand the cells around, or -1.
SIZE, NEWEST, COUNTED, LOW, AROUND, PLACE, NEAR = 0, 1, 2, 3, 4, 5, 8
NEIGHBOURS = 24
SELF = 24
# Entries of Grid.counters. FIRST is the serial number of the oldest point, START its slot.
START, ROWS, FIRST, WATERMARK, LIVE, UNUSED, FREE, LISTED, TABLE = range(9)
# Rows of Grid.lists: a stack of free cells, and the cells that may hold core points.
FREE_LIST, CORE_LIST = 0, 1

SMALLEST_TABLE = 1024
NEVER = np.iinfo(np.int64).min


def _offsets() -> NDArray[np.int64]:
    """Return where the cells around lie, nearest first; k and k ^ 1 are opposite."""
    half = [(0, 1), (1, 0), (1, 1), (1, -1), (0, 2), (2, 0), (1, 2), (1, -2), (2, 1), (2, -1)]
    half += [(2, 2), (2, -2)]
    return np.array([o for x, y in half for o in ((x, y), (-x, -y))], np.int64)


OFFSETS = _offsets()


class Grid(NamedTuple):
    """Window and grid as arrays; S slots, as many cells.

    Attributes
    ----------
    raw : ndarray of float64, shape (S, 2)
        Raw features; a ring.
    times : ndarray of int64, shape (S,)
    slots : ndarray of SLOT, shape (S,)
    cells : ndarray of int32, shape (S, NEAR + NEIGHBOURS)
    keys : ndarray of int64, shape (S, 2)
        Cell coordinates.
    lists : ndarray of int32, shape (2, S)
    boxes : ndarray of float64, shape (3, S)
        Of the listed cells, in their order: the keys, and what a search for the nearest notes.
    table : ndarray of int32, shape (power of 2,)
        Hash table from cell coordinates to cells; its first ``counters[TABLE]`` entries are in
        use, -1 is empty. Removal shifts back, so that nothing dead is left in it.
    counters : ndarray of int64, shape (9,)
    """

    raw: NDArray[np.float64]
    times: NDArray[np.int64]
    slots: NDArray[np.void]
    cells: NDArray[np.int32]
    keys: NDArray[np.int64]
    lists: NDArray[np.int32]
    boxes: NDArray[np.float64]
    table: NDArray[np.int32]
    counters: NDArray[np.int64]


def empty_grid(slots: int) -> Grid:
    """Make the grid of a window that holds up to `slots` points."""
    table = max(SMALLEST_TABLE, 1 << (2 * slots).bit_length())
    grid = Grid(
        raw=np.empty((slots, 2)),
        times=np.empty(slots, np.int64),
        slots=np.empty(slots, SLOT),
        cells=np.empty((slots, NEAR + NEIGHBOURS), np.int32),
        keys=np.empty((slots, 2), np.int64),
        lists=np.empty((2, slots), np.int32),
        boxes=np.empty((3, slots)),
        table=np.empty(table, np.int32),
        counters=np.zeros(9, np.int64),
    )
    grid.table[:SMALLEST_TABLE] = -1
    grid.counters[TABLE] = SMALLEST_TABLE
    grid.counters[WATERMARK] = NEVER
    grid.counters[FIRST] = 1
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
def _take_free(grid: Grid) -> int:
    """Return a cell that is not in use."""
    if grid.counters[FREE] > 0:
        grid.counters[FREE] -= 1
        return int(grid.lists[FREE_LIST, grid.counters[FREE]])
    grid.counters[UNUSED] += 1
    return int(grid.counters[UNUSED]) - 1


@compiled
def open_cell(grid: Grid, kx: int, ky: int, at: int) -> int:
    """Create an empty cell at table entry `at`, and link it with the cells around."""
    cells = grid.cells
    if 2 * (grid.counters[LIVE] + 1) > grid.counters[TABLE]:
        _grow(grid)
        at = find_cell(grid, kx, ky)
    cell = _take_free(grid)
    grid.keys[cell, 0], grid.keys[cell, 1] = kx, ky
    cells[cell, SIZE], cells[cell, NEWEST], cells[cell, COUNTED] = 0, -1, 0
    cells[cell, LOW], cells[cell, AROUND], cells[cell, PLACE] = 0, 0, -1
    for k in range(NEIGHBOURS):
        other = grid.table[find_cell(grid, kx + OFFSETS[k, 0], ky + OFFSETS[k, 1])]
        cells[cell, NEAR + k] = other
        if other >= 0:
            cells[other, NEAR + (k ^ 1)] = cell
            cells[cell, AROUND] |= (cells[other, COUNTED] > 0) << k
    grid.table[at] = cell
    grid.counters[LIVE] += 1
    return cell


@compiled
def close_cell(grid: Grid, cell: int) -> None:
    """Give an empty cell back."""
    _erase(grid, find_cell(grid, grid.keys[cell, 0], grid.keys[cell, 1]))
    for k in range(NEIGHBOURS):
        other = grid.cells[cell, NEAR + k]
        if other >= 0:
            grid.cells[other, NEAR + (k ^ 1)] = -1
    grid.counters[LIVE] -= 1
    grid.lists[FREE_LIST, grid.counters[FREE]] = cell
    grid.counters[FREE] += 1


@compiled
def _put(grid: Grid, cell: int, place: int) -> None:
    """Put a cell into the list of cells that may hold core points."""
    grid.lists[CORE_LIST, place] = cell
    grid.cells[cell, PLACE] = place
    grid.boxes[0, place], grid.boxes[1, place] = grid.keys[cell, 0], grid.keys[cell, 1]


@inlined
def list_cell(grid: Grid, cell: int) -> None:
    """Keep the list of cells that may hold core points true, after a cell changed."""
    cells = grid.cells
    place = cells[cell, PLACE]
    if cells[cell, SIZE] > cells[cell, LOW]:
        if place < 0:
            _put(grid, cell, grid.counters[LISTED])
            grid.counters[LISTED] += 1
    elif place >= 0:
        grid.counters[LISTED] -= 1
        _put(grid, grid.lists[CORE_LIST, grid.counters[LISTED]], place)
        grid.boxes[2, place] = grid.boxes[2, grid.counters[LISTED]]
        cells[cell, PLACE] = -1
