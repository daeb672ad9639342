"""The day: 24 hours of UTC. Tables are partitioned and jobs are run by it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from eddy.schemas.errors import ConfigError

YESTERDAY = "yesterday"


@dataclass(frozen=True, slots=True, order=True)
class Day:
    """One day of UTC.

    Examples
    --------
    >>> str(Day.of("2024-02-29").next())
    '2024-03-01'
    """

    date: date

    @classmethod
    def of(cls, text: str) -> "Day":
        """Return the day written like ``2024-02-29``; ConfigError where it is none."""
        try:
            return cls(date.fromisoformat(text))
        except ValueError as error:
            raise ConfigError(f"{text}: a day is written like 2024-02-29") from error

    @property
    def begin(self) -> datetime:
        """Its first instant."""
        return datetime.combine(self.date, time(), UTC)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return self.begin + timedelta(days=1)

    def next(self) -> "Day":
        """Return the day after."""
        return Day(self.date + timedelta(days=1))

    def rows(self, column: str) -> str:
        """Return the filter of the rows whose time is in it."""
        return f"{column} >= '{self.begin.isoformat()}' and {column} < '{self.end.isoformat()}'"

    def others(self, column: str) -> str:
        """Return the filter of the rows whose time is not in it."""
        return f"({column} < '{self.begin.isoformat()}' or {column} >= '{self.end.isoformat()}')"

    def __str__(self) -> str:
        return self.date.isoformat()


def selected_days(
    day: str | None, since: str | None, until: str | None, now: datetime
) -> list[Day]:
    """Return the days that ``--date`` or ``--since`` and ``--until`` name, ascending.

    Parameters
    ----------
    day, since, until : str, optional
        ``2024-02-29`` or ``yesterday``; `until`, its day too, is yesterday where not given.
    now : datetime
        What yesterday is.

    Raises
    ------
    ConfigError
        None or both are given, day is no day, or they are not ascending.
    """
    if bool(day) == bool(since) or (day and until):
        raise ConfigError("give --date, or --since and where wanted --until")
    if day:
        return [_day(day, now)]
    first, last = _day(since or "", now), _day(until or YESTERDAY, now)
    if last < first:
        raise ConfigError(f"--since {first} is after --until {last}")
    return list(_from_to(first, last))


def require_over(days: Iterable[Day], now: datetime) -> None:
    """Raise ConfigError where a day is not over."""
    for day in days:
        if day.end > now:
            raise ConfigError(f"{day} is not over; it is until {day.end:%Y-%m-%d %H:%M} UTC")


def _day(text: str, now: datetime) -> Day:
    if text == YESTERDAY:
        return Day(now.astimezone(UTC).date() - timedelta(days=1))
    return Day.of(text)


def _from_to(first: Day, last: Day) -> Iterator[Day]:
    while first <= last:
        yield first
        first = first.next()
