"""Interval totals: what many merchants turned over, interval after interval, as one table.

What months of history are added up to, and what a network is trained on. An interval in which a
known merchant did nothing holds zero; one in which it was not there yet, or of which nothing is
known, holds NaN: missing is not zero.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class IntervalTotals:
    """The totals of n merchants in T intervals, in the order of time.

    Attributes
    ----------
    window_starts_us : ndarray of int64, shape (T,)
        First instants of the intervals, ascending; microseconds since 1970, UTC. Where clocks are
        set, one lasts longer or shorter, see `eddy.models.windows.clock`.
    merchants : list of str, length n
    net : ndarray of float64, shape (T, n)
        Approved sales less approved refunds; NaN is missing.
    payments : ndarray of int64, shape (T, n)
        How many payments that were, refunds among them; 0 where missing.
    segments : list of (str, str), length n
        Trade and country of each merchant, either empty where unknown.
    zone : str
        IANA time zone: intervals begin at local midnight.
    interval_s : int
        Length of an interval in local time; divides a day.

    Raises
    ------
    ValueError
        The columns do not fit one another.
    """

    window_starts_us: NDArray[np.int64]
    merchants: list[str]
    net: NDArray[np.float64]
    payments: NDArray[np.int64]
    segments: list[tuple[str, str]]
    zone: str
    interval_s: int

    def __post_init__(self) -> None:
        shape = (len(self.window_starts_us), len(self.merchants))
        if self.net.shape != shape or self.payments.shape != shape:
            raise ValueError(f"net {self.net.shape}, payments {self.payments.shape}, not {shape}")
        if len(self.segments) != len(self.merchants):
            raise ValueError(f"{len(self.segments)} segments of {len(self.merchants)} merchants")
        if self.interval_s < 60 or 86_400 % self.interval_s:
            raise ValueError(f"interval_s: must divide a day, 86400, not {self.interval_s}")
        if np.any(np.diff(self.window_starts_us) <= 0):
            raise ValueError("window_starts_us: not ascending")

    def __len__(self) -> int:
        return len(self.window_starts_us)

    @property
    def slots_per_day(self) -> int:
        """Intervals a day."""
        return 86_400 // self.interval_s
