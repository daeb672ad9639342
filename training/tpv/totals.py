"""From payments to interval totals, in whatever order they come.

A stream's windows close, so that payments sorted by merchant would nearly all be too late; here
every payment counts. Of payments that were never too late the totals are the stream's.
"""

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.models.arrays import Ints
from eddy.models.judge import Events
from eddy.models.windows.clock import WindowClock
from eddy.schemas.columns import Program
from eddy.schemas.errors import ConfigError
from eddy.schemas.keys import hash_text
from eddy.schemas.payments import Payment

_PROGRAM = Program.of(Payment)
_AMOUNT, _COUNT = (_PROGRAM.numbers.index(name) for name in ("amount", "count"))
_MERCHANT, _KIND, _STATUS = (
    _PROGRAM.keys.index(name) for name in ("merchant_id", "kind", "status")
)
_REFUND, _APPROVED = (np.uint64(hash_text(word)) for word in ("refund", "approved"))
_LONGEST_DAYS = 3660  # more is a clock that is wrong, and would take the memory of all


class PaymentSums:
    """Adds payments up by merchant and interval.

    Parameters
    ----------
    zone : str
        IANA time zone: intervals begin at local midnight.
    interval_s : int
    """

    def __init__(self, zone: str, interval_s: int) -> None:
        self._clock = WindowClock(interval_s * 1_000_000, zone)
        self._zone, self._interval_s = zone, interval_s
        self._slot_of: dict[int, int] = {}
        self._merchants: list[Payment] = []
        self._first: list[int] = []
        self._sums: dict[int, NDArray[np.float64]] = {}  # by window: net and payments by slot

    def add(self, events: Events) -> None:
        """Add payments; the text of merchants not met before only is read."""
        if not len(events):
            return
        slots = self._slots(events)
        windows = self._clock.index_of(events.occurred_at)
        self._met(slots, windows)
        is_approved = events.keys[:, _STATUS] == _APPROVED
        is_refund = events.keys[:, _KIND] == _REFUND
        amounts = np.where(is_refund, -1.0, 1.0) * events.values[:, _AMOUNT]
        for window in np.unique(windows[is_approved]).tolist():
            at = np.flatnonzero(is_approved & (windows == window))
            sums = self._column(window, len(self._merchants))
            sums[0] += np.bincount(slots[at], amounts[at], sums.shape[1])
            sums[1] += np.bincount(slots[at], events.values[at, _COUNT], sums.shape[1])

    def totals(self) -> IntervalTotals:
        """Return all but the last interval, which may not be over.

        Raises
        ------
        ConfigError
            There are no payments, or they lie more than ten years apart.
        """
        if len(self._sums) < 2:
            raise ConfigError("train tpv: no payments of two intervals")
        first, last = min(self._sums), max(self._sums)
        if last - first > _LONGEST_DAYS * self._clock.windows_a_day:
            raise ConfigError("train tpv: payments more than ten years apart; check their times")
        windows = np.arange(first, last)
        windows = windows[self._clock.exists(windows)]
        count = len(self._merchants)
        net, payments = np.zeros((len(windows), count)), np.zeros((len(windows), count), np.int64)
        for row, window in enumerate(windows.tolist()):
            if window in self._sums:
                sums = self._sums[window]
                net[row, : sums.shape[1]], payments[row, : sums.shape[1]] = sums
        net[windows[:, None] < np.array(self._first)] = np.nan
        return IntervalTotals(
            self._clock.start_us(windows),
            [payment.merchant_id for payment in self._merchants],
            net,
            payments,
            [(payment.segment or "", payment.country or "") for payment in self._merchants],
            self._zone,
            self._interval_s,
        )

    def _slots(self, events: Events) -> Ints:
        """Return the merchants' numbers, in the order in which they were met."""
        keys, rows, inverse = np.unique(
            events.keys[:, _MERCHANT], return_index=True, return_inverse=True
        )
        for row, key in sorted(zip(rows.tolist(), keys.tolist(), strict=True)):
            if key not in self._slot_of:
                self._slot_of[key] = len(self._merchants)
                self._merchants.append(events.event(row))
        return np.array([self._slot_of[key] for key in keys.tolist()], np.int64)[inverse]

    def _met(self, slots: Ints, windows: Ints) -> None:
        """Note the first interval in which each merchant did anything, approved or not."""
        new = len(self._merchants) - len(self._first)
        first = np.array([*self._first, *([1 << 62] * new)], np.int64)
        np.minimum.at(first, slots, windows)
        self._first = first.tolist()

    def _column(self, window: int, count: int) -> NDArray[np.float64]:
        """Return the sums of a window, wide enough for `count` merchants."""
        sums = self._sums.get(window, np.zeros((2, 0)))
        if sums.shape[1] < count:
            sums = np.concatenate([sums, np.zeros((2, count - sums.shape[1]))], axis=1)
            self._sums[window] = sums
        return sums
