"""The clock of event-time windows: which window an instant falls into, in a time zone.

A window is named by its local label: ``days since 1970-01-01 * windows a day + window of the day``,
so that the name stands for the same hours on every day and survives new time-zone data. Windows
are cut out of real time at the local boundaries, and their numbers never go backwards:

* Clocks set back (the fold): the repeated local time belongs to the window in which the clocks
  were set back, which lasts longer. Two-hour windows in Berlin: 02:00-04:00 lasts three hours.
* Clocks set forward (the gap): the window that loses local time is shorter (02:00-04:00 lasts one
  hour), and one that lies in the gap as a whole does not exist: its start is its end.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddy.models.arrays import Ints
from eddy.models.numba_typing import compiled

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
DAY_US = 86_400 * SECOND_US
# Before the first year a zone has its first offset, after the last year its last one.
FIRST_YEAR, LAST_YEAR = 1970, 2100
LONG_AGO = -(1 << 62)

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_EPOCH_WEEKDAY = date(1970, 1, 1).weekday()


class Zone(NamedTuple):
    """A zone's changes of offset, k of them with the one before all time, for windows of a length.

    Attributes
    ----------
    length_us : int
    changes : ndarray of int64, shape (k,)
        Instants, ascending, from which an offset holds; the first is `LONG_AGO`.
    offsets : ndarray of int64, shape (k,)
        Microseconds to add to UTC.
    floors : ndarray of int64, shape (k,)
        The window just before the change; no later instant belongs to an earlier one.
    """

    length_us: int
    changes: Ints
    offsets: Ints
    floors: Ints


@compiled
def window_at(zone: Zone, time_us: int) -> int:
    """Return the window of one instant; see `WindowClock.index_of`."""
    k = np.searchsorted(zone.changes, time_us, side="right") - 1
    return int(max((time_us + zone.offsets[k]) // zone.length_us, zone.floors[k]))


@compiled
def window_start(zone: Zone, window: int) -> int:
    """Return the first instant that is not before a window; see `WindowClock.start_us`."""
    k = np.searchsorted(zone.floors[1:], window, side="left")
    return int(max(window * zone.length_us - zone.offsets[k], zone.changes[k]))


class WindowClock:
    """Maps instants to windows that are aligned to local midnight, and back.

    Parameters
    ----------
    length_us : int
        Length of a window in local time; whole minutes that divide a day.
    zone : str
        Name in the time-zone database, such as ``Europe/Berlin``.

    Raises
    ------
    ValueError
        The length does not divide a day, or there is no such zone.

    Examples
    --------
    >>> clock = WindowClock(2 * 3_600_000_000, "Europe/Berlin")
    >>> window = clock.index_of(1_700_000_000_000_000)  # 2023-11-14 23:13 in Berlin
    >>> int(clock.slot_of_day(window)), int(clock.day_of_week(window))
    (11, 1)
    >>> date.fromordinal(int(clock.date_ordinal(window))).isoformat()
    '2023-11-14'
    """

    def __init__(self, length_us: int, zone: str = "UTC") -> None:
        if length_us < MINUTE_US or length_us % MINUTE_US or DAY_US % length_us:
            raise ValueError(f"a window's length must divide a day into whole minutes: {length_us}")
        self.length_us, self.zone = int(length_us), zone
        self.windows_a_day = DAY_US // self.length_us
        self.table = _zone(self.length_us, zone)

    def index_of(self, times_us: ArrayLike) -> Ints:
        """Return the windows of instants (microseconds since 1970, UTC); monotone in time."""
        times = np.asarray(times_us, np.int64)
        k = np.searchsorted(self.table.changes, times, side="right") - 1
        label = (times + self.table.offsets[k]) // self.length_us
        return np.asarray(np.maximum(label, self.table.floors[k]))

    def start_us(self, windows: ArrayLike) -> Ints:
        """Return the first instant of windows (microseconds since 1970, UTC)."""
        numbers = np.asarray(windows, np.int64)
        k = np.searchsorted(self.table.floors[1:], numbers, side="left")
        start = numbers * self.length_us - self.table.offsets[k]
        return np.asarray(np.maximum(start, self.table.changes[k]))

    def end_us(self, windows: ArrayLike) -> Ints:
        """Return the first instant after windows."""
        return self.start_us(np.asarray(windows, np.int64) + 1)

    def exists(self, windows: ArrayLike) -> NDArray[np.bool_]:
        """Return which windows hold any instant: not those in a gap as a whole."""
        return np.asarray(self.end_us(windows) > self.start_us(windows))

    def slot_of_day(self, windows: ArrayLike) -> Ints:
        """Return 0 for the windows that begin the local day, and so on."""
        return np.asarray(np.asarray(windows, np.int64) % self.windows_a_day)

    def day_of_week(self, windows: ArrayLike) -> Ints:
        """Return 0 for windows of a local Monday, ..., 6 for Sunday."""
        days = np.asarray(windows, np.int64) // self.windows_a_day
        return np.asarray((days + _EPOCH_WEEKDAY) % 7)

    def date_ordinal(self, windows: ArrayLike) -> Ints:
        """Return the local dates as `datetime.date.toordinal` counts them."""
        return np.asarray(np.asarray(windows, np.int64) // self.windows_a_day + _EPOCH_ORDINAL)

    def most_windows(self, span_us: int) -> int:
        """Return a bound on ``index_of(t + span_us) - index_of(t) + 1`` over all t."""
        forward = max(0, int(np.diff(self.table.offsets).max(initial=0)))
        return (int(span_us) + forward) // self.length_us + 2

    @property
    def longest_us(self) -> int:
        """A bound on how long a window lasts in real time."""
        return self.length_us + max(0, -int(np.diff(self.table.offsets).min(initial=0)))


@lru_cache
def _zone(length_us: int, name: str) -> Zone:
    changes, offsets = _changes(name)
    floors = np.full(len(changes), LONG_AGO, np.int64)
    for k in range(1, len(changes)):
        label = (changes[k] - 1 + offsets[k - 1]) // length_us
        floors[k] = max(label, floors[k - 1])
    return Zone(length_us, changes, offsets, floors)


def _changes(name: str) -> tuple[Ints, Ints]:
    """Return the instants from which a zone has another offset, and the offsets."""
    try:
        zone = ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ValueError(f"no such time zone: {name!r}") from error
    first, last = (
        int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (FIRST_YEAR, LAST_YEAR)
    )
    pairs = [(LONG_AGO, _offset(zone, first))]
    # Not even in the zones that change most often do two changes fall on one day.
    for day in range(first, last, 86_400):
        if _offset(zone, day + 86_400) != pairs[-1][1]:
            change = _first_with_other_offset(zone, day, day + 86_400)
            pairs.append((change * SECOND_US, _offset(zone, change)))
    changes, offsets = np.array(pairs, np.int64).T.copy()
    return changes, offsets * SECOND_US


def _first_with_other_offset(zone: ZoneInfo, before: int, after: int) -> int:
    """Return the second between the two at which the offset changes."""
    old = _offset(zone, before)
    while after - before > 1:
        middle = (before + after) // 2
        if _offset(zone, middle) == old:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, second: int) -> int:
    """Return seconds to add to UTC."""
    moment = datetime.fromtimestamp(second, zone)
    offset = moment.utcoffset()
    assert offset is not None
    return round(offset.total_seconds())
