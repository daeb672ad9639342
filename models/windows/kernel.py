"""The compiled part of the event-time windows: row after row, until a window is to be closed.

A window's cells lie in column ``window % depth`` of a ring. A column is cleared when a later
window claims it, so that windows without events cost nothing.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models import entity_table
from eddy.models.arrays import Ints, Slots
from eddy.models.entity_table import FREE, NO_ROOM, TOO_SMALL, USED, Table, find_or_add
from eddy.models.numba_typing import compiled, compiled_and_kept, fingerprint, inlined
from eddy.models.windows import clock, findings, steps
from eddy.models.windows.clock import LONG_AGO, Zone, window_at, window_start
from eddy.models.windows.findings import LATE, NEW, REVISED, ROOMLESS, WindowOutput
from eddy.models.windows.steps import CELL, REFUND, IntervalRows

# Entries of Ring.counters. WATERMARK is `LONG_AGO` before the first row. OPEN is the first window
# not closed, RETAINED the first that late rows may still change; OPEN_END and RETIRE_AT are the
# watermarks at which they move on, STOP_AT the one before which rows are to be applied: the end of
# the open window or a pause within it. Then totals, and how many pools there are.
WATERMARK, OPEN, OPEN_END, RETAINED, RETIRE_AT, STOP_AT, TOO_LATE, UNTRACKED, POOLS = range(9)
COUNTERS = 9
# Why `run` stopped before a row.
DONE, DUE, GROW = range(3)

MOST = int(np.iinfo(np.int32).max)
NEVER = int(np.iinfo(np.int32).min)
"""First and last seen of a slot without an entity."""

OTHERS: int = np.uint64(0x6F74686572730001)  # type: ignore[assignment]
"""The key of the pool for those whose own pool found no room."""


class Ring(NamedTuple):
    """The windows as arrays; S slots.

    Attributes
    ----------
    cells : ndarray of CELL, shape (depth, S)
    held : ndarray of int64, shape (depth,)
        The window whose cells each column holds.
    first_seen, last_seen : ndarray of int32, shape (S,)
        The entity's earliest and latest window with a counted row, or `NEVER`.
    is_pool : ndarray of bool, shape (S,)
        Whether the slot is that of a pool.
    counters : ndarray of int64, shape (9,)
    """

    cells: NDArray[np.void]
    windows: Ints
    first_seen: Slots
    last_seen: Slots
    is_pool: NDArray[np.bool_]
    counters: Ints


class WindowRule(NamedTuple):
    """What `run` goes by.

    Attributes
    ----------
    delay_us : int
        How far behind the latest event time the watermark stays.
    lateness_us : int
        How late a row may be.
    most_entities, most_pools : int
        There may be so many entities with a slot of their own, and so many pools.
    """

    delay_us: int
    lateness_us: int
    most_entities: int
    most_pools: int


def empty_ring(depth: int, slots: int) -> Ring:
    """Make the ring of windows in which nothing has happened."""
    ring = Ring(
        np.zeros((depth, slots), CELL),
        np.full(depth, LONG_AGO, np.int64),
        np.full(slots, NEVER, np.int32),
        np.full(slots, NEVER, np.int32),
        np.zeros(slots, np.bool_),
        np.zeros(COUNTERS, np.int64),
    )
    ring.counters[WATERMARK] = LONG_AGO
    return ring


def widened(ring: Ring, slots: int) -> Ring:
    """Return the ring with room for more slots."""
    wide, n = empty_ring(len(ring.windows), slots), len(ring.last_seen)
    wide.cells[:, :n] = ring.cells
    wide.first_seen[:n], wide.last_seen[:n] = ring.first_seen, ring.last_seen
    wide.is_pool[:n] = ring.is_pool
    wide.windows[:], wide.counters[:] = ring.windows, ring.counters
    return wide


@compiled
def _retire(ring: Ring, zone: Zone, rule: WindowRule) -> None:
    """Move on to the first window that the allowed lateness still reaches; never back."""
    c = ring.counters
    c[RETAINED] = max(c[RETAINED], window_at(zone, c[WATERMARK] - rule.lateness_us))
    c[RETIRE_AT] = window_start(zone, c[RETAINED] + 1) + rule.lateness_us


@compiled
def _claim(ring: Ring, window: int, used: int) -> None:
    """Give a window the column of one that is past."""
    column = window % len(ring.windows)
    for slot in range(used):
        ring.cells[column, slot]["net"] = 0.0
        ring.cells[column, slot]["sales"] = 0
        ring.cells[column, slot]["refunds"] = 0
        ring.cells[column, slot]["declined"] = 0
        ring.cells[column, slot]["reversed"] = 0
    ring.windows[column] = window


@inlined
def _count(ring: Ring, column: int, slot: int, amount: float, kind: int, count: int) -> None:
    """Add a row to a cell."""
    if kind == 0:
        ring.cells[column, slot]["net"] += amount
        ring.cells[column, slot]["sales"] = min(ring.cells[column, slot]["sales"] + count, MOST)
    elif kind == REFUND:
        ring.cells[column, slot]["net"] -= amount
        ring.cells[column, slot]["refunds"] = min(ring.cells[column, slot]["refunds"] + count, MOST)
    elif kind % REFUND == 1:
        ring.cells[column, slot]["declined"] = min(
            ring.cells[column, slot]["declined"] + count, MOST
        )
    else:
        ring.cells[column, slot]["reversed"] = min(
            ring.cells[column, slot]["reversed"] + count, MOST
        )


@inlined
def _see(ring: Ring, slot: int, window: int, row: int, out: WindowOutput) -> None:
    """Note when an entity was seen, and a new one."""
    if ring.last_seen[slot] == NEVER:
        ring.first_seen[slot] = ring.last_seen[slot] = window
        out.new[out.counts[NEW]] = row
        out.counts[NEW] += 1
    elif window > ring.last_seen[slot]:
        ring.last_seen[slot] = window
    elif window < ring.first_seen[slot]:
        ring.first_seen[slot] = window


@inlined
def _note_revision(
    ring: Ring, column: int, slot: int, window: int, row: int, out: WindowOutput
) -> None:
    """Take down what a closed window holds after a late row."""
    k = out.counts[REVISED]
    out.revised[k], out.windows[k] = row, window
    out.cells[k] = ring.cells[column, slot]
    out.counts[REVISED] += 1


@inlined
def _drop(rows: Ints, row: int, counts: Ints, which: int, totals: Ints, total: int) -> None:
    """Note a row that is counted in no window."""
    rows[counts[which]] = row
    counts[which] += 1
    totals[total] += 1


@compiled
def _pool(ring: Ring, entities: Table, rule: WindowRule, key: int) -> int:
    """Return the slot of a pool; that of `OTHERS` where there is no room for one more."""
    c = ring.counters
    if rule.most_pools == 0:
        return NO_ROOM
    for pool in (key, OTHERS):
        # the last one is kept for the others
        may = c[POOLS] < rule.most_pools - (pool != OTHERS)
        count = entities.counters[USED] - entities.counters[FREE]
        slot = find_or_add(entities, pool, count + may)
        if slot >= 0 and not ring.is_pool[slot]:
            ring.is_pool[slot] = True
            c[POOLS] += 1
        if slot != NO_ROOM:
            return int(slot)
    return NO_ROOM


@compiled
def _run(
    ring: Ring,
    entities: Table,
    zone: Zone,
    rule: WindowRule,
    rows: IntervalRows,
    start: int,
    out: WindowOutput,
) -> tuple[int, int]:
    """Apply rows from `start` on; return the row before which it stopped, and why."""
    c = ring.counters
    window, begin, end = 0, 0, 0  # the last row's window, as rows mostly share theirs
    for r in range(start, len(rows.times_us)):
        time = rows.times_us[r]
        if time - rule.delay_us >= c[STOP_AT]:
            return r, DUE
        c[WATERMARK] = max(c[WATERMARK], time - rule.delay_us)
        if c[WATERMARK] >= c[RETIRE_AT]:
            _retire(ring, zone, rule)
        if not begin <= time < end:
            window = window_at(zone, time)
            begin, end = window_start(zone, window), window_start(zone, window + 1)
        if window < c[RETAINED]:
            _drop(out.too_late, r, out.counts, LATE, c, TOO_LATE)
            continue
        slot = find_or_add(entities, rows.keys[r], rule.most_entities + c[POOLS])
        is_pooled = slot == NO_ROOM
        if is_pooled:
            slot = _pool(ring, entities, rule, rows.pools[r])
        if slot == TOO_SMALL:
            return r, GROW
        if is_pooled:
            _drop(out.untracked, r, out.counts, ROOMLESS, c, UNTRACKED)
        if slot == NO_ROOM:
            continue
        column = window % len(ring.windows)
        if ring.windows[column] != window:
            _claim(ring, window, entities.counters[USED])
        out.slots[r] = slot
        _count(ring, column, slot, rows.amounts[r], rows.kinds[r], rows.counts[r])
        _see(ring, slot, window, r, out)
        if window < c[OPEN]:
            _note_revision(ring, column, slot, window, r, out)
    return len(rows.times_us), DONE


def _entry(
    source: int,
) -> Callable[
    [Ring, Table, Zone, WindowRule, IntervalRows, int, WindowOutput], tuple[int, int, int]
]:
    """Make the function to call from outside, which carries the version of its sources."""

    @compiled_and_kept
    def run(
        ring: Ring,
        entities: Table,
        zone: Zone,
        rule: WindowRule,
        rows: IntervalRows,
        start: int,
        out: WindowOutput,
    ) -> tuple[int, int, int]:
        stop, why = _run(ring, entities, zone, rule, rows, start, out)
        return stop, why, source

    return run


run = _entry(fingerprint(clock, findings, steps, entity_table, __file__))
