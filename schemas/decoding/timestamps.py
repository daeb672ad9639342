"""RFC 3339 timestamps in UTC, read in machine words."""

import numpy as np
from numpy.typing import NDArray

from eddy.schemas.decoding.machine import (
    QUOTE,
    Word,
    as_int,
    byte,
    compiled,
    others,
    trailing_zeros,
    word,
)
from eddy.schemas.decoding.numbers import POWERS_OF_TEN, eight

U = np.uint64

# "....-..-", "..T..:..", ":.." and "+00:00" as the words that hold them, first byte lowest
_DATE = U(int.from_bytes(b"0000-00-", "little"))
_DAY_TIME = U(int.from_bytes(b"00T00:00", "little"))
_SECONDS = U(int.from_bytes(b":00\0\0\0\0\0", "little"))
_NO_OFFSET = U(int.from_bytes(b'+00:00"\0', "little"))
_SECONDS_MASK = U(0xFFFFFF)
_NO_OFFSET_MASK = U(0xFFFFFFFFFFFFFF)
_DOT, _ZULU = ord("."), ord("Z")

_NO_DIGIT = U(0x7676767676767676)
_HIGH_BITS = U(0x8080808080808080)

_MONTH_DAYS: NDArray[np.int64] = np.array(
    [0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31], np.int64
)
_DAYS_TO_1970 = 719_468
_US = 1_000_000


@compiled
def timestamp(at: int, end: int) -> tuple[int, int]:
    """Read ``YYYY-MM-DDTHH:MM:SS[.f](Z|+00:00)"`` with one to six decimals.

    Returns
    -------
    after : int
        The address behind the closing quote; -1 for everything else, right or wrong.
    time_us : int
        Microseconds since 1970.
    """
    date = word(at, end) ^ _DATE
    day_time = word(at + 8, end) ^ _DAY_TIME
    seconds = (word(at + 16, end) & _SECONDS_MASK) ^ _SECONDS
    # what was a digit is now its value and what had to be a mark is zero; all else shows
    odd = (date & U(0xFF0000FF00000000)) | (day_time & U(0x0000FF0000FF0000)) | (seconds & U(0xFF))
    for part in (date, day_time, seconds):
        odd |= (part | (part + _NO_DIGIT)) & _HIGH_BITS
    after, micros = _fraction(at + 19, end)
    if odd != U(0) or after < 0:
        return -1, 0
    year = _pair(date, 0) * 100 + _pair(date, 2)
    month, day = _pair(date, 5), _pair(day_time, 0)
    hour, minute, second = _pair(day_time, 3), _pair(day_time, 6), _pair(seconds, 1)
    if not (_is_date(year, month, day) and hour < 24 and minute < 60 and second < 60):
        return -1, 0
    whole = (_days(year, month, day) * 24 + hour) * 3600 + minute * 60 + second
    return after, whole * _US + micros


@compiled
def _pair(values: Word, start: int) -> int:
    """Return the two-digit number whose digits are bytes `start` and the one behind it."""
    two = values >> U(8 * start)
    return as_int(two & U(15)) * 10 + as_int((two >> U(8)) & U(15))


@compiled
def _fraction(at: int, end: int) -> tuple[int, int]:
    """Read what follows the seconds: the address behind the quote (or -1) and the microseconds."""
    micros = 0
    if byte(at, end) == _DOT:
        count = trailing_zeros(others(at + 1, end))
        if count < 1 or count > 6:
            return -1, 0
        micros = as_int(eight(at + 1, end, count) * POWERS_OF_TEN[U(6 - count)])
        at += 1 + count
    if byte(at, end) == _ZULU and byte(at + 1, end) == QUOTE:
        return at + 2, micros
    if word(at, end) & _NO_OFFSET_MASK == _NO_OFFSET:
        return at + 7, micros
    return -1, 0


@compiled
def _is_date(year: int, month: int, day: int) -> bool:
    if year < 1 or month < 1 or month > 12 or day < 1:
        return False
    if month == 2 and day == 29:
        return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return bool(day <= _MONTH_DAYS[U(month)])


@compiled
def _days(year: int, month: int, day: int) -> int:
    """Return the days since 1970-01-01 of a date of the Gregorian calendar.

    Years begin in March here, so that the leap day is their last (H. Hinnant, chrono-Compatible
    Low-Level Date Algorithms).
    """
    if month <= 2:
        year -= 1
        month += 12
    era = year // 400
    of_era = year - era * 400
    of_year = (153 * (month - 3) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _DAYS_TO_1970
