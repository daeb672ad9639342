"""How busy merchants are in every hour of a simulation, but for chance and incidents."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from eddy.datasets.simulation.payments.options import PaymentSimulation
from eddy.datasets.simulation.payments.segments import MONTH_END, PAYDAYS, SEGMENTS, Segment
from eddy.models.arrays import Floats
from eddy.schemas.errors import ConfigError

HABITS = (-1.0, 0.0, 1.0)
"""Hours by which customers of early, ordinary and late merchants come after their segment's."""

_HOUR = timedelta(hours=1)


def activity(options: PaymentSimulation) -> Floats:
    """Return how busy each shape of merchant is in each hour since the start.

    Returns
    -------
    ndarray of float64, shape (segments * habits, hours)
        Row ``segment * len(HABITS) + habit``; a merchant has its daily payments times this in an
        hour. An ordinary week, without paydays and holidays, adds up to 7.
    """
    middles = _local_middles(options)
    clock = np.array([m.hour + m.minute / 60 + m.second / 3600 for m in middles])
    weekday = np.array([m.weekday() for m in middles])
    days = _day_effects(options.country, [m.date() for m in middles])
    rows = [
        _hours(segment, clock - habit) * np.array(segment.weekdays)[weekday] * effect
        for segment, effect in zip(SEGMENTS.values(), days, strict=True)
        for habit in HABITS
    ]
    scales = [7 / (sum(s.hours) * sum(s.weekdays)) for s in SEGMENTS.values() for _ in HABITS]
    return np.asarray(np.array(rows) * np.array(scales)[:, None])


def _local_middles(options: PaymentSimulation) -> list[datetime]:
    """Return the local time in the middle of every hour since the start."""
    zone, start = ZoneInfo(options.timezone), options.start.astimezone(UTC) + _HOUR / 2
    return [(start + hour * _HOUR).astimezone(zone) for hour in range(options.days * 24)]


def _hours(segment: Segment, clock: Floats) -> Floats:
    """Return the segment's hours at times of the day, from the middle of one to that of the next.

    Times come from the middles of hours, so in zones of whole hours they are met exactly.
    """
    return np.asarray(np.interp(clock, np.arange(24) + 0.5, segment.hours, period=24))


def _day_effects(country: str | None, dates: list[date]) -> Floats:
    """Return how much busier each segment is for the date of each hour, shape (segments, hours)."""
    holidays = _holidays(country, dates[0].year, dates[-1].year + 1)
    effects = {day: _effects_of(day, holidays) for day in dict.fromkeys(dates)}
    return np.array([effects[day] for day in dates]).T


def _effects_of(day: date, holidays: frozenset[date]) -> list[float]:
    tomorrow = day + timedelta(days=1)
    pay = MONTH_END if tomorrow.day == 1 else PAYDAYS.get(day.day, 0.0)
    return [
        (1 + pay * (segment.payday - 1))
        * (segment.holiday if day in holidays else segment.eve if tomorrow in holidays else 1.0)
        for segment in SEGMENTS.values()
    ]


def _holidays(country: str | None, first_year: int, last_year: int) -> frozenset[date]:
    if country is None:
        return frozenset()
    from holidays import country_holidays  # noqa: PLC0415 - slow, and needed for a country only

    try:
        return frozenset(country_holidays(country, years=range(first_year, last_year + 1)))
    except NotImplementedError as error:
        raise ConfigError(f"country: no holidays are known of {country!r}") from error
