"""What the calendar says of an interval: slot of the week, holiday, payday, month end.

The end of the month and the paydays (the 25th, or the last working day before it, and the last
working day of the month) are the same everywhere; holidays depend on the country and come from
the `holidays` library. All is looked up once a day and kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays
import numpy as np
from numpy.typing import NDArray

from eddy.schemas.errors import ConfigError

SUNDAY = 6
PAYDAY_OF_MONTH = 25
# Days and intervals looked up last are kept, so many of each: neighbours share them.
_KEPT = 128


class CalendarDay(NamedTuple):
    """One date in one country.

    Attributes
    ----------
    holiday : str or None
        Its name, in the country's default language.
    is_payday, is_month_end : bool
    """

    holiday: str | None
    is_payday: bool
    is_month_end: bool


class Moment(NamedTuple):
    """An interval as a place's calendar sees it.

    Attributes
    ----------
    week_slot : int
        Day of the week (Monday is 0) times slots per day, plus the slot of the day.
    day : CalendarDay
    """

    week_slot: int
    day: CalendarDay


@dataclass(frozen=True, slots=True)
class CalendarFeatures:
    """One interval in each of s segments' places.

    Attributes
    ----------
    week_slot : ndarray of int64, shape (s,)
    is_holiday, is_payday, is_month_end : ndarray of bool, shape (s,)
    """

    week_slot: NDArray[np.int64]
    is_holiday: NDArray[np.bool_]
    is_payday: NDArray[np.bool_]
    is_month_end: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SegmentLocation:
    """Where the merchants of a segment are.

    Attributes
    ----------
    zone : str
        IANA time zone: the local clock decides on slot and date.
    country : str or None
        ISO 3166 code whose holidays count; None for a series that knows no holidays.
    """

    zone: str = "UTC"
    country: str | None = None


@cache
def _holidays_of(country: str, year: int) -> dict[date, str]:
    try:
        # substitutes of holidays on a Sunday are in, as they are days off
        return dict(holidays.country_holidays(country, years=year))
    except NotImplementedError as error:
        raise ConfigError(f"country: no holidays are known of {country!r}") from error


def _last_working_day(day: date, country: str | None) -> date:
    """Return the day itself where it is worked, else the last before it that is."""
    while day.weekday() >= 5 or (country and day in _holidays_of(country, day.year)):
        day -= timedelta(days=1)
    return day


@lru_cache(maxsize=_KEPT)
def day_of(day: date, country: str | None = None) -> CalendarDay:
    """Return what is special about a date.

    Raises
    ------
    ConfigError
        The country is unknown.
    """
    first_of_next = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    last = first_of_next - timedelta(days=1)
    paydays = {
        _last_working_day(day.replace(day=PAYDAY_OF_MONTH), country),
        _last_working_day(last, country),
    }
    holiday = _holidays_of(country, day.year).get(day) if country else None
    return CalendarDay(holiday, day in paydays, day == last)


@lru_cache(maxsize=_KEPT)
def moment(start_us: int, place: SegmentLocation, slots_per_day: int = 12) -> Moment:
    """Return the slot of the week an interval falls in, and its day.

    Parameters
    ----------
    start_us : int
        Its beginning, in microseconds since 1970, UTC.
    place : SegmentLocation
    slots_per_day : int
    """
    utc = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=start_us)
    local = utc.astimezone(ZoneInfo(place.zone))
    minutes = local.hour * 60 + local.minute
    slot = minutes * slots_per_day // (24 * 60)
    return Moment(local.weekday() * slots_per_day + slot, day_of(local.date(), place.country))


def moments(
    start_us: int, places: Sequence[SegmentLocation], slots_per_day: int = 12
) -> CalendarFeatures:
    """Return an interval as seen from each segment's place, in their order."""
    seen = [moment(start_us, place, slots_per_day) for place in places]
    return CalendarFeatures(
        np.array([moment.week_slot for moment in seen], np.int64),
        np.array([moment.day.holiday is not None for moment in seen], np.bool_),
        np.array([moment.day.is_payday for moment in seen], np.bool_),
        np.array([moment.day.is_month_end for moment in seen], np.bool_),
    )
