from datetime import UTC, date, datetime

import pytest

from eddy.models.forecasting.calendar import SegmentLocation, day_of, moment, moments
from eddy.schemas.errors import ConfigError


def _us(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000


def test_holidays_depend_on_the_country():
    thanksgiving = date(2014, 11, 27)
    assert day_of(thanksgiving, "US").holiday == "Thanksgiving Day"
    assert day_of(thanksgiving, "GB").holiday is None
    assert day_of(thanksgiving).holiday is None


def test_paydays_are_the_25th_and_the_last_working_day_or_the_working_day_before():
    # 25 May 2024 is a Saturday, 31 May a Friday
    assert [d for d in range(1, 32) if day_of(date(2024, 5, d)).is_payday] == [24, 31]
    # 31 March 2024 is Easter Sunday, 29 March Good Friday, 25 March a Monday
    assert [d for d in range(1, 32) if day_of(date(2024, 3, d), "GB").is_payday] == [25, 28]


@pytest.mark.parametrize("day", [date(2024, 2, 29), date(2023, 2, 28), date(2024, 12, 31)])
def test_month_end(day):
    assert day_of(day).is_month_end
    assert not day_of(day.replace(day=27)).is_month_end


def test_an_unknown_country_is_an_error_that_names_it():
    with pytest.raises(ConfigError, match="XX"):
        day_of(date(2024, 1, 1), "XX")


def test_the_local_clock_decides_on_slot_and_date():
    # Sunday 23:00 UTC is Monday 09:00 in Tokyo, Sunday 18:00 in New York (winter)
    start = _us(2024, 1, 14, 23)
    assert moment(start, SegmentLocation("Asia/Tokyo")).week_slot == 4
    assert moment(start, SegmentLocation("America/New_York")).week_slot == 6 * 12 + 9
    # summer time
    assert (
        moment(_us(2024, 7, 14, 23), SegmentLocation("America/New_York")).week_slot
        == 6 * 12 + 9.5 // 1
    )


def test_moments_keep_the_order_of_places():
    seen = moments(
        _us(2024, 12, 25, 12),
        [SegmentLocation("UTC", "US"), SegmentLocation("UTC", "JP"), SegmentLocation()],
    )
    assert seen.is_holiday.tolist() == [True, False, False]
    assert seen.week_slot.tolist() == [2 * 12 + 6] * 3
    assert moments(_us(2024, 12, 25, 12), [SegmentLocation()], 1).week_slot.tolist() == [2]
