"""Event-time tumbling windows of very many entities: sums by window, closed by a watermark.

The watermark is the latest event time minus a delay, and never goes back. A window closes when the
watermark reaches its end; rows that come later still count while the watermark is less than the
allowed lateness beyond the end. The state is a function of the rows so far, and of the moments at
which `advance` was called and entities were evicted: cutting rows into batches differently, or
restoring a snapshot in between, changes nothing, sums in the last bit included.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Slots
from eddy.models.entity_table import EntityTable
from eddy.models.windows import kernel
from eddy.models.windows.clock import LONG_AGO, WindowClock
from eddy.models.windows.findings import Stop, WindowOutput, empty_findings, step_since
from eddy.models.windows.kernel import (
    DUE,
    GROW,
    NEVER,
    OPEN,
    OPEN_END,
    POOLS,
    RETAINED,
    RETIRE_AT,
    STOP_AT,
    TOO_LATE,
    UNTRACKED,
    WATERMARK,
)
from eddy.models.windows.snapshots import checked, spread
from eddy.models.windows.steps import CELL, IntervalRows, Step, Totals


class IntervalWindows:
    """Net amounts and counts by entity and window, for the windows that may still change.

    Parameters
    ----------
    clock : WindowClock
    delay_us : int
        How far the watermark stays behind the latest event time: how much disorder is no lateness.
    lateness_us : int
        How long after its end, in event time, a window still takes late rows.
    most_entities : int
        Rows of further entities are told as untracked, until others are evicted.
    most_pools : int
        There may be so many pools, which add up what is untracked; see `steps.Rows.pools`.
    pauses : int
        How often, at equal distances, a step ends within a window.
    dead_us : int, optional
        When no row came for so long, the windows up to the next row are passed over, not closed:
        one row with a date long ago would else make an hour's work.

    Examples
    --------
    >>> windows = IntervalWindows(WindowClock(3_600_000_000), delay_us=0, lateness_us=0)
    >>> rows = Rows.of([10, 20, 3_600_000_000], [7, 7, 7], [5.0, 2.0, 1.0], [0, 3, 0], [1, 1, 1])
    >>> for step in windows.steps(rows):
    ...     if step.closed is not None:
    ...         print(step.closed, windows.totals(step.closed).net)
    0 [3.]
    """

    def __init__(
        self,
        clock: WindowClock,
        *,
        delay_us: int,
        lateness_us: int,
        most_entities: int = 1 << 24,
        most_pools: int = 0,
        pauses: int = 0,
        dead_us: int | None = None,
    ) -> None:
        if delay_us < 0 or lateness_us < 0:
            raise ValueError(f"no time below zero: {delay_us=}, {lateness_us=}")
        self.clock = clock
        self._rule = kernel.WindowRule(int(delay_us), int(lateness_us), most_entities, most_pools)
        self._pauses, self._dead_us = pauses, dead_us
        self._table = EntityTable(most_entities + most_pools)
        # One more than those that may change: the last closed one is there to be read.
        span = delay_us + max(lateness_us, clock.longest_us)
        self._depth = clock.most_windows(span)
        self._ring = kernel.empty_ring(self._depth, self._table.capacity)

    def steps(self, rows: IntervalRows) -> Iterator[Step]:
        """Apply rows in order, and stop wherever a window closes or pauses.

        At a step the state holds just the rows up to ``step.stop``, so that what is read there
        (`totals`, `last_seen`) does not depend on the batch. Entities may be evicted there. The
        rows count only as far as the iteration goes: iterate to the end.
        """
        n = len(rows.times_us)
        out = empty_findings(n)
        if n and self.watermark_us is None:
            self._begin(int(rows.times_us[0]) - self._rule.delay_us)
        start = 0
        while start < n:
            counts = out.counts.copy()
            stop, is_due = self._run(rows, start, out)
            why = Stop()
            if is_due and not self._passes_over(int(rows.times_us[stop]) - self._rule.delay_us):
                why = self._stop()
            yield step_since(out, counts, start, stop, why)
            start = stop

    def advance(self, watermark_us: int) -> Iterator[Step]:
        """Move the watermark without rows, for an idle partition; never back.

        Steps are without rows, one for each window that closes or pauses.
        """
        out = empty_findings(0)
        if self.watermark_us is None:
            self._begin(watermark_us)
        while watermark_us >= self._ring.counters[STOP_AT]:
            yield step_since(out, out.counts, 0, 0, self._stop())
        self._move_on(watermark_us)

    def totals(self, window: int) -> Totals:
        """Return the sums of a window, open or closed, over all slots ever given.

        Raises
        ------
        LookupError
            The window is past; see `oldest`.
        """
        if window < self.oldest:
            raise LookupError(f"window {window} is past; the oldest kept is {self.oldest}")
        column = window % len(self._ring.windows)
        if self._ring.windows[column] != window:
            return Totals.of(np.zeros(self._table.used, CELL))
        return Totals.of(self._ring.cells[column, : self._table.used])

    def cell(self, window: int, slot: int) -> Any:
        """Return what one entity did in a window as a scalar of `steps.CELL`, copied.

        Raises
        ------
        LookupError
            The window is past; see `oldest`.
        """
        if window < self.oldest:
            raise LookupError(f"window {window} is past; the oldest kept is {self.oldest}")
        column = window % len(self._ring.windows)
        if self._ring.windows[column] != window:
            return np.zeros(1, CELL)[0]
        return self._ring.cells[column, slot].copy()

    def silent(self, before: int) -> Slots:
        """Return the slots last seen before a window, those longest silent first; no pools."""
        alone = self._table.live & ~self.is_pool
        slots = np.flatnonzero(alone & (self.last_seen < before))
        return slots[np.argsort(self.last_seen[slots], kind="stable")].astype(np.int32)

    def evict(self, slots: Slots) -> None:
        """Forget entities whose windows are all past; their slots go to the next new ones.

        Raises
        ------
        ValueError
            A slot has no entity, is named twice, is a pool, or counts in a window from `oldest`
            on.
        """
        slots = np.ascontiguousarray(slots, np.int32)
        self._table.check(slots)
        if self.is_pool[slots].any():
            raise ValueError("a pool")
        if (self.last_seen[slots] >= self.oldest).any():
            raise ValueError(f"entities that were seen from window {self.oldest} on")
        self._table.free(slots)
        self._ring.first_seen[slots] = self._ring.last_seen[slots] = NEVER

    def lookup(self, keys: NDArray[np.uint64]) -> Slots:
        """Return the slots of keys, -1 for those not tracked."""
        return self._table.lookup(np.ascontiguousarray(keys, np.uint64))

    @property
    def watermark_us(self) -> int | None:
        """Event time up to which windows are closed; None before the first row."""
        watermark = int(self._ring.counters[WATERMARK])
        return None if watermark == LONG_AGO else watermark

    @property
    def open_window(self) -> int:
        """The first window that is not closed; 0 before the first row."""
        return int(self._ring.counters[OPEN])

    @property
    def oldest(self) -> int:
        """The first window that can be read: that late rows may change, or the last closed one."""
        c = self._ring.counters
        last_closed = self.clock.index_of(self.clock.start_us(c[OPEN]) - 1)
        return min(int(c[RETAINED]), int(last_closed))

    @property
    def keys(self) -> NDArray[np.uint64]:
        """Keys by slot, over all slots ever given; 0 where the slot is free."""
        return self._table.keys

    @property
    def live(self) -> NDArray[np.bool_]:
        """Which slots have an entity."""
        return self._table.live

    @property
    def first_seen(self) -> Slots:
        """The earliest window with a counted row by slot; the least int32 where free."""
        return self._ring.first_seen[: self._table.used]

    @property
    def last_seen(self) -> Slots:
        """The latest window with a counted row by slot; the least int32 where free."""
        return self._ring.last_seen[: self._table.used]

    @property
    def is_pool(self) -> NDArray[np.bool_]:
        """Which slots are those of pools."""
        return self._ring.is_pool[: self._table.used]

    @property
    def is_full(self) -> bool:
        """Whether there is no room for one more entity."""
        return self.entities >= self._rule.most_entities

    def will_close(self, time_us: int) -> bool:
        """Whether a row of a time ends the open window."""
        return bool(time_us - self._rule.delay_us >= self._ring.counters[OPEN_END])

    @property
    def stop_us(self) -> int:
        """The watermark at which the open window pauses or closes."""
        return int(self._ring.counters[STOP_AT])

    @property
    def entities(self) -> int:
        """How many entities are tracked, pools apart."""
        return self._table.count - int(self._ring.counters[POOLS])

    @property
    def slots(self) -> int:
        """How many slots were ever given: the length of what comes by slot."""
        return self._table.used

    @property
    def too_late(self) -> int:
        """Rows so far that were later than allowed."""
        return int(self._ring.counters[TOO_LATE])

    @property
    def untracked(self) -> int:
        """Rows so far of entities for which there was no room."""
        return int(self._ring.counters[UNTRACKED])

    @property
    def bytes(self) -> int:
        """Memory of the arrays."""
        return sum(array.nbytes for array in self._ring) + self._table.bytes

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as arrays; the m windows that can be read, over all n slots."""
        windows = self._ring.windows
        windows = np.sort(windows[windows >= self.oldest])
        cells = self._ring.cells[windows % len(self._ring.windows), : self._table.used]
        return {
            **self._table.snapshot(),
            **{name: np.ascontiguousarray(cells[name]) for name in CELL.names or ()},
            "windows": windows,
            "first_seen": self.first_seen.copy(),
            "last_seen": self.last_seen.copy(),
            "is_pool": self.is_pool.copy(),
            "counters": self._ring.counters.copy(),
            "length_us": np.array([self.clock.length_us], np.int64),
            "zone": np.frombuffer(self.clock.zone.encode(), np.uint8).copy(),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a snapshot, perhaps of another delay, lateness or number of entities.

        A longer lateness does not bring back windows that were past.

        Raises
        ------
        ValueError
            It is not one, or one of windows of another length or zone.
        """
        arrays = checked(state, self.clock)
        windows, n = arrays["windows"], len(arrays["keys"])
        table = EntityTable(self._table.most)
        table.restore(arrays)
        ring = kernel.empty_ring(max(self._depth, spread(windows)), table.capacity)
        columns = windows % len(ring.windows)
        ring.windows[columns] = windows
        for name in CELL.names or ():
            ring.cells[name][columns, :n] = arrays[name]
        ring.first_seen[:n], ring.last_seen[:n] = arrays["first_seen"], arrays["last_seen"]
        ring.is_pool[:n] = arrays["is_pool"]
        ring.counters[:] = arrays["counters"]
        self._table, self._ring = table, ring
        if self.watermark_us is not None:
            ring.counters[OPEN_END] = self.clock.end_us(ring.counters[OPEN])
            self._move_on(int(ring.counters[WATERMARK]))

    def _begin(self, watermark_us: int) -> None:
        """Open the first window that rows could still change: nothing was closed before it."""
        c = self._ring.counters
        c[WATERMARK] = watermark_us - self._rule.lateness_us
        c[OPEN] = c[RETAINED] = self.clock.index_of(c[WATERMARK])
        c[OPEN_END] = self.clock.end_us(c[OPEN])
        c[RETIRE_AT] = c[OPEN_END] + self._rule.lateness_us
        self._set_stop()

    def _run(self, rows: IntervalRows, start: int, out: WindowOutput) -> tuple[int, bool]:
        """Apply rows; return the row before which it stopped, and whether a window is due."""
        zone = self.clock.table
        while True:
            start, why, _ = kernel.run(
                self._ring, self._table.arrays, zone, self._rule, rows, start, out
            )
            if why != GROW:
                return start, why == DUE
            self._table.grow()
            self._ring = kernel.widened(self._ring, self._table.capacity)

    def _passes_over(self, watermark_us: int) -> bool:
        """Go on at the window that a watermark would still let change, if all before is dead."""
        c, reached = self._ring.counters, watermark_us - self._rule.lateness_us
        if self._dead_us is None or reached - c[OPEN_END] <= self._dead_us:
            return False
        last = int(self.last_seen.max(initial=NEVER))
        if last != NEVER and int(c[OPEN_END] - self.clock.end_us(last)) <= self._dead_us:
            return False
        c[OPEN] = self.clock.index_of(reached)
        c[OPEN_END] = self.clock.end_us(c[OPEN])
        self._move_on(reached)
        return True

    def _stop(self) -> Stop:
        """Pause, or close the open window and open the next that exists."""
        c = self._ring.counters
        closed, end, reached = int(c[OPEN]), int(c[OPEN_END]), int(c[STOP_AT])
        is_closed = reached >= end
        if is_closed:
            c[OPEN] = self.clock.index_of(end)
            c[OPEN_END] = self.clock.end_us(c[OPEN])
        self._move_on(reached)
        return Stop(closed) if is_closed else Stop(paused=True)

    def _move_on(self, watermark_us: int) -> None:
        """Move the watermark, and with it what late rows may still change."""
        c = self._ring.counters
        c[WATERMARK] = max(int(c[WATERMARK]), watermark_us)
        reached = self.clock.index_of(c[WATERMARK] - self._rule.lateness_us)
        c[RETAINED] = max(int(c[RETAINED]), int(reached))
        c[RETIRE_AT] = self.clock.end_us(c[RETAINED]) + self._rule.lateness_us
        self._set_stop()

    def _set_stop(self) -> None:
        """Find the first pause, or the end, that the watermark has not reached."""
        c, parts = self._ring.counters, self._pauses + 1
        begin = int(self.clock.start_us(c[OPEN]))
        length = int(c[OPEN_END]) - begin
        part = max((int(c[WATERMARK]) - begin) * parts // length, 0)
        while part < parts and begin + length * part // parts <= c[WATERMARK]:
            part += 1
        c[STOP_AT] = begin + length * part // parts
