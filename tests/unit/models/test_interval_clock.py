"""The clock of event-time windows: local days, those on which clocks are set, the calendar."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from eddy.models.windows.clock import WindowClock, window_at, window_start

MINUTE = 60_000_000
HOUR = 60 * MINUTE
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/St_Johns", "Australia/Lord_Howe"]
SPRING_AND_AUTUMN = [
    ("Europe/Berlin", date(2024, 3, 31), date(2024, 10, 27)),
    ("America/New_York", date(2024, 3, 10), date(2024, 11, 3)),
]


def micros(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000_000


def labels(clock: WindowClock, times: np.ndarray) -> np.ndarray:
    """Return the greatest local label so far at each instant: the definition, from zoneinfo."""
    zone, epoch, found = ZoneInfo(clock.zone), datetime(1970, 1, 1), []
    for time in times.tolist():
        local = datetime.fromtimestamp(time // 1_000_000, zone).replace(tzinfo=None)
        found.append((local - epoch) // timedelta(microseconds=clock.length_us))
    return np.maximum.accumulate(found)


def check(clock: WindowClock, times: np.ndarray) -> None:
    """Compare with the definition; clocks are set at instants of the grid only."""
    windows = clock.index_of(times)
    np.testing.assert_array_equal(windows, labels(clock, times))
    changes = np.flatnonzero(np.diff(windows)) + 1
    assert len(changes)
    np.testing.assert_array_equal(clock.start_us(windows[changes]), times[changes])
    np.testing.assert_array_equal(clock.end_us(windows[changes - 1]), times[changes])


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("minutes", [15, 60, 120, 1440])
def test_windows_are_local_and_never_go_back(zone: str, minutes: int) -> None:
    for year in (2015, 2024, 2050):
        start = micros(datetime(year, 1, 1, tzinfo=UTC))
        times = start + np.arange(0, 366 * 24 * HOUR, 15 * MINUTE)
        check(WindowClock(minutes * MINUTE, zone), times)


@pytest.mark.parametrize("minutes", [15, 60, 120, 1440])
@pytest.mark.parametrize("day", [date(1999, 4, 3), date(1999, 10, 30)])
def test_clocks_set_at_one_minute_past_midnight(minutes: int, day: date) -> None:
    start = micros(datetime(day.year, day.month, day.day, tzinfo=UTC))
    times = start + np.arange(0, 72 * HOUR, MINUTE)
    check(WindowClock(minutes * MINUTE, "America/St_Johns"), times)


@pytest.mark.parametrize("zone", ZONES)
def test_the_compiled_clock_says_the_same(zone: str) -> None:
    clock = WindowClock(15 * MINUTE, zone)
    autumn = micros(datetime(2024, 10, 26, tzinfo=UTC)) + np.arange(0, 48 * HOUR, 15 * MINUTE)
    whenever = np.random.default_rng(0).integers(-(10**15), 5 * 10**15, 200)
    # Melbourne's side of the world sets clocks back in April.
    times = np.concatenate([autumn, autumn - 203 * 24 * HOUR, whenever])
    windows = clock.index_of(times)
    compiled = [window_at(clock.table, time) for time in times.tolist()]
    assert compiled == windows.tolist()
    starts = clock.start_us(windows)
    assert [window_start(clock.table, window) for window in compiled] == starts.tolist()
    assert (starts <= times).all()
    assert (times < clock.end_us(windows)).all()


@pytest.mark.parametrize(("zone", "spring", "autumn"), SPRING_AND_AUTUMN)
@pytest.mark.parametrize(("day", "hours"), [("spring", 23), ("autumn", 25)])
def test_a_day_on_which_clocks_are_set_has_twelve_windows(
    zone: str, spring: date, autumn: date, day: str, hours: int
) -> None:
    when = spring if day == "spring" else autumn
    clock = WindowClock(2 * HOUR, zone)
    midnight = micros(datetime(when.year, when.month, when.day, tzinfo=ZoneInfo(zone)))
    windows = clock.index_of(midnight) + np.arange(12)
    lengths = (clock.end_us(windows) - clock.start_us(windows)) // HOUR
    assert clock.start_us(windows[0]) == midnight
    assert lengths.sum() == hours
    # Berlin's clocks change between 02:00 and 03:00 of the new time, New York's autumn at 01:00.
    changed = 0 if (zone, day) == ("America/New_York", "autumn") else 1
    assert lengths[changed] == (1 if day == "spring" else 3)
    assert np.delete(lengths, changed).tolist() == [2] * 11
    assert clock.slot_of_day(windows).tolist() == list(range(12))
    assert set(clock.date_ordinal(windows).tolist()) == {when.toordinal()}
    assert set(clock.day_of_week(windows).tolist()) == {6}


def test_a_window_in_the_gap_does_not_exist() -> None:
    clock = WindowClock(HOUR, "Europe/Berlin")
    midnight = micros(datetime(2024, 3, 31, tzinfo=ZoneInfo("Europe/Berlin")))
    windows = clock.index_of(midnight) + np.arange(24)
    assert np.flatnonzero(~clock.exists(windows)).tolist() == [2]
    seen = clock.index_of(midnight + np.arange(0, 23 * HOUR, MINUTE))
    assert windows[2] not in seen
    assert all(b - a in (0, 1, 2) for a, b in pairwise(seen.tolist()))


def test_the_calendar_is_local() -> None:
    clock = WindowClock(2 * HOUR, "America/New_York")
    # A Saturday in UTC, a Friday in New York.
    window = clock.index_of(micros(datetime(2024, 6, 1, 1, 30, tzinfo=UTC)))
    assert date.fromordinal(int(clock.date_ordinal(window))) == date(2024, 5, 31)
    assert (int(clock.slot_of_day(window)), int(clock.day_of_week(window))) == (10, 4)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Apia"])
def test_the_bounds_hold(zone: str) -> None:
    clock = WindowClock(HOUR, zone)
    times = micros(datetime(2011, 1, 1, tzinfo=UTC)) + np.arange(0, 400 * 24 * HOUR, HOUR // 4)
    for span in (0, 1, HOUR, 5 * HOUR):
        apart = clock.index_of(times + span) - clock.index_of(times) + 1
        assert apart.max() <= clock.most_windows(span)
    windows = np.unique(clock.index_of(times))
    assert (clock.end_us(windows) - clock.start_us(windows)).max() <= clock.longest_us


@pytest.mark.parametrize("length_us", [0, -HOUR, 7 * HOUR, 48 * HOUR, MINUTE // 2, HOUR + 1])
def test_lengths_that_do_not_divide_a_day_are_refused(length_us: int) -> None:
    with pytest.raises(ValueError, match="must divide a day"):
        WindowClock(length_us)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValueError, match="no such time zone"):
        WindowClock(HOUR, zone)
