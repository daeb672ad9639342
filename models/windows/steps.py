"""What goes into event-time windows, and what comes out of them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints

# What an entity did in a window.
CELL = np.dtype(
    [("net", "f8"), ("sales", "i4"), ("refunds", "i4"), ("declined", "i4"), ("reversed", "i4")]
)

# Codes of `Rows.kinds`: the kind of a payment and its status.
SALE, REFUND = 0, 3
APPROVED, DECLINED, REVERSED = 0, 1, 2
KINDS = 6


class IntervalRows(NamedTuple):
    """Payments in the order of their offsets; n rows.

    Attributes
    ----------
    times_us : ndarray of int64, shape (n,)
        Event times, microseconds since 1970, UTC. One far in the future would end every window
        before it: the caller rejects those beyond the allowed skew.
    keys : ndarray of uint64, shape (n,)
        Whose payments they are; any numbers.
    amounts : ndarray of float64, shape (n,)
        Finite, not negative.
    kinds : ndarray of uint8, shape (n,)
        ``SALE`` or ``REFUND`` plus ``APPROVED``, ``DECLINED`` or ``REVERSED``.
    counts : ndarray of int64, shape (n,)
        How many payments a row stands for, not negative.
    pools : ndarray of uint64, shape (n,)
        The key of the pool to which a row counts when there is no room for its entity.
    """

    times_us: Ints
    keys: NDArray[np.uint64]
    amounts: NDArray[np.float64]
    kinds: NDArray[np.uint8]
    counts: Ints
    pools: NDArray[np.uint64]

    @classmethod
    def none(cls) -> "IntervalRows":
        """Return no rows."""
        return cls.of([], [], [], [], [])

    @classmethod
    def of(
        cls,
        times_us: Any,
        keys: Any,
        amounts: Any,
        kinds: Any,
        counts: Any,
        pools: Any = None,
    ) -> "IntervalRows":
        """Return columns, or lists, as rows; one pool for all where none are given.

        Raises
        ------
        ValueError
            The columns differ in length, or a kind is not one of the codes.
        """
        rows = cls(
            np.ascontiguousarray(times_us, np.int64),
            np.ascontiguousarray(keys, np.uint64),
            np.ascontiguousarray(amounts, np.float64),
            np.ascontiguousarray(kinds, np.uint8),
            np.ascontiguousarray(counts, np.int64),
            np.ascontiguousarray(np.zeros(len(keys)) if pools is None else pools, np.uint64),
        )
        if len({column.shape for column in rows}) != 1 or rows.times_us.ndim != 1:
            raise ValueError(f"columns that differ: {[column.shape for column in rows]}")
        if rows.kinds.max(initial=0) >= KINDS:
            raise ValueError(f"kinds are below {KINDS}, not {rows.kinds.max()}")
        return rows


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of one window by slot, or of one row each; zeros where nothing happened.

    Attributes
    ----------
    net : ndarray of float64, shape (n,)
        Approved sales minus approved refunds.
    sales, refunds, declined, reversed : ndarray of int32, shape (n,)
        Numbers of approved sales, approved refunds, declined and reversed payments. They stop
        at the largest int32.
    """

    net: NDArray[np.float64]
    sales: NDArray[np.int32]
    refunds: NDArray[np.int32]
    declined: NDArray[np.int32]
    reversed: NDArray[np.int32]

    @classmethod
    def of(cls, cells: NDArray[np.void]) -> "Totals":
        """Return cells as columns of their own."""
        return cls(*(np.ascontiguousarray(cells[name]) for name in CELL.names or ()))


@dataclass(frozen=True, slots=True)
class Revisions:
    """Late rows that changed windows which were closed already, in the rows' order; m of them.

    One each, not one a window: what a window held after each row does not depend on how rows were
    cut into batches, what it held at the end of a batch would.

    Attributes
    ----------
    rows : ndarray of int64, shape (m,)
        Positions in the batch.
    slots : ndarray of int32, shape (m,)
    windows : ndarray of int64, shape (m,)
    totals : Totals
        What the entity's window held after the row.
    """

    rows: Ints
    slots: NDArray[np.int32]
    windows: Ints
    totals: Totals

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Step:
    """Rows whose effect is in the windows now, and the window that closed after them.

    Attributes
    ----------
    start, stop : int
        The rows of the batch that were applied: ``start:stop``, perhaps none.
    closed : int or None
        The window that closed; row `stop` closed it (or `advance` did), without being in it.
    paused : bool
        Whether the watermark reached a pause within the open window.
    slots : ndarray of int32, shape (stop - start,)
        The rows' slots, for those of `untracked` the pool's; -1 for those counted nowhere.
    new : ndarray of int64
        Rows (positions in the batch) that brought an entity or a pool without a slot.
    too_late : ndarray of int64
        Rows later than the allowed lateness; not counted in any window.
    untracked : ndarray of int64
        Rows of entities for which there is no room; counted in a pool where there may be some.
    revisions : Revisions
    """

    start: int
    stop: int
    closed: int | None
    paused: bool
    slots: NDArray[np.int32]
    new: Ints
    too_late: Ints
    untracked: Ints
    revisions: Revisions
