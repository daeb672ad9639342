"""Months of history: fetched one by one, tried again where that may help, kept where over.

What a crash loses is the month that was being fetched; the next run goes on from there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Literal

from eddy.datasets.history.payments.cache import PaymentCache, Piece
from eddy.datasets.history.payments.sources import PaymentHistory
from eddy.models.windows.clock import DAY_US, WindowClock
from eddy.schemas.errors import ConfigError, Unavailable

_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
# The last payments of an interval reach the table only after its end, some of a month much later.
_SETTLED_US = DAY_US // 24
_GRACE_US = DAY_US

MonthOutcome = Literal["kept", "fetched", "waiting"]
MonthProgress = Callable[["Month", MonthOutcome, int, str], None]
"""``on_progress(month, outcome, number, why)``; the number is of rows, or of attempts."""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of local time, or as much of it as is over.

    Attributes
    ----------
    name : str
        Such as "2026-01".
    begin_us, end_us : int
        Where windows begin; microseconds since 1970, UTC.
    is_over : bool
        Only what is over is kept.
    """

    name: str
    begin_us: int
    end_us: int
    is_over: bool


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a month is tried, and how long is waited in between.

    Attributes
    ----------
    attempts : int
    first_s, most_s : float
        The wait doubles from the first to the most.
    """

    attempts: int = 5
    first_s: float = 2.0
    most_s: float = 60.0


def months(first: str, last: str, clock: WindowClock, now_us: int) -> list[Month]:
    """Return the months from `first` to `last`, this one too; a running one as far as it is over.

    Raises
    ------
    ConfigError
        One is not written like 2026-01, has not begun, or the last is before the first.
    """
    begin, end = _first_day(first), _next(_first_day(last))
    if begin >= end:
        raise ConfigError(f"--to {last}: before --from {first}")
    result = []
    while begin < end:
        result.append(_month(begin, clock, now_us))
        begin = _next(begin)
    return result


def fetch(
    source: PaymentHistory,
    wanted: list[Month],
    cache: PaymentCache,
    *,
    sleep: Callable[[float], None],
    on_progress: MonthProgress,
    patience: Patience | None = None,
    refresh: bool = False,
) -> list[Piece]:
    """Bring months into the cache; return what it holds of them, in their order.

    Parameters
    ----------
    source : PaymentHistory
    wanted : list of Month
    cache : PaymentCache
    sleep : callable
        ``sleep(seconds)``.
    on_progress : callable
        See `MonthProgress`.
    patience : Patience, optional
    refresh : bool
        Fetch also what is kept.

    Raises
    ------
    Unavailable
        The source did not answer as often as patience lasts. What was fetched is kept.
    ConfigError, MissingResource
        Trying again is of no use.
    """
    pieces = []
    for month in wanted:
        kept = None if refresh or not month.is_over else cache.find(month.name, source.fingerprint)
        if kept is None:
            table = _fetch(source, month, sleep, on_progress, patience or Patience())
            kept = cache.keep(
                table,
                month=month.name,
                source=source.name,
                fingerprint=source.fingerprint,
                begin_us=month.begin_us,
                end_us=month.end_us,
                is_over=month.is_over,
            )
            on_progress(month, "fetched", kept.rows, "")
        else:
            on_progress(month, "kept", kept.rows, "")
        pieces.append(kept)
    return pieces


def _fetch(
    source: PaymentHistory,
    month: Month,
    sleep: Callable[[float], None],
    on_progress: MonthProgress,
    patience: Patience,
) -> object:
    wait_s = patience.first_s
    for attempt in range(1, patience.attempts):
        try:
            return source.interval_totals(month.begin_us, month.end_us)
        except Unavailable as error:
            on_progress(month, "waiting", attempt, str(error))
            sleep(wait_s)
            wait_s = min(2 * wait_s, patience.most_s)
    return source.interval_totals(month.begin_us, month.end_us)


def _month(first: date, clock: WindowClock, now_us: int) -> Month:
    begin_us, end_us = _midnight(first, clock), _midnight(_next(first), clock)
    running_us = int(clock.start_us(clock.index_of(now_us - _SETTLED_US)))
    name = f"{first:%Y-%m}"
    if running_us <= begin_us:
        raise ConfigError(f"{name} has no interval that is over yet")
    return Month(name, begin_us, min(end_us, running_us), end_us + _GRACE_US <= now_us)


def _midnight(day: date, clock: WindowClock) -> int:
    return int(clock.start_us((day.toordinal() - _EPOCH_ORDINAL) * clock.windows_a_day))


def _first_day(text: str) -> date:
    try:
        year, month = map(int, text.split("-"))
        return date(year, month, 1)
    except ValueError as error:
        raise ConfigError(f"{text!r}: a month is written like 2026-01") from error


def _next(first: date) -> date:
    return date(first.year + first.month // 12, first.month % 12 + 1, 1)
