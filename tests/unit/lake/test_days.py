"""Days as commands name them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from eddy.lake.days import Day, require_over, selected_days
from eddy.schemas.errors import ConfigError

NOW = datetime(2024, 3, 2, 0, 30, tzinfo=timezone(timedelta(hours=2)))  # 1 March in UTC


def names(*options: str | None) -> list[str]:
    return [str(day) for day in selected_days(*options, NOW)]


def test_one_day_or_several() -> None:
    assert names("2024-01-31", None, None) == ["2024-01-31"]
    assert names(None, "2024-02-28", "2024-03-01") == ["2024-02-28", "2024-02-29", "2024-03-01"]


def test_yesterday_is_that_of_utc() -> None:
    assert names("yesterday", None, None) == ["2024-02-29"]
    assert names(None, "2024-02-28", None) == ["2024-02-28", "2024-02-29"]


@pytest.mark.parametrize(
    ("one", "since", "until"),
    [
        (None, None, None),
        (None, None, "2024-01-01"),
        ("2024-01-01", "2024-01-01", None),
        ("2024-01-01", None, "2024-01-02"),
        ("2024-02-30", None, None),
        ("1 March", None, None),
        (None, "2024-02-02", "2024-02-01"),
    ],
)
def test_what_names_no_days_is_refused(one, since, until) -> None:
    with pytest.raises(ConfigError):
        selected_days(one, since, until, NOW)


def test_a_day_has_24_hours_of_utc() -> None:
    day = Day.of("2024-03-31")  # clocks went forward in Europe
    assert day.begin == datetime(2024, 3, 31, tzinfo=UTC)
    assert day.end - day.begin == timedelta(hours=24)


def test_a_day_is_over_when_the_next_one_has_begun() -> None:
    day = Day.of("2024-03-01")
    require_over([day], day.end)
    with pytest.raises(ConfigError, match="not over"):
        require_over([day], day.end - timedelta(microseconds=1))
