"""How busy merchants are: by their clock, the day of the week, pay and holidays."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from eddy.datasets.simulation.payments.activity import HABITS, activity
from eddy.datasets.simulation.payments.options import PaymentSimulation
from eddy.datasets.simulation.payments.segments import NAMES, SEGMENTS
from eddy.schemas.errors import ConfigError

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday


def options(**changes: Any) -> PaymentSimulation:
    return PaymentSimulation(**{"start": START, **changes})


def test_an_ordinary_week_adds_up_to_seven_days() -> None:
    week = activity(options(start=START + timedelta(days=7), days=7))
    assert week.shape == (len(SEGMENTS) * len(HABITS), 168)
    assert week.sum(axis=1) == pytest.approx(7)


def test_merchants_go_by_their_own_clock() -> None:
    summer = datetime(2024, 7, 1, tzinfo=UTC)
    for name, ahead in (("Asia/Tokyo", 9), ("America/New_York", -4)):
        there = activity(options(start=summer, days=14, timezone=name))
        here = activity(options(start=summer + timedelta(hours=ahead), days=14))
        assert there == pytest.approx(here)
    half = activity(options(start=summer, days=14, timezone="Asia/Kolkata"))
    # half past an hour of UTC it is a full hour there, between the middles of two
    peak = summer + timedelta(hours=int(half[1, :24].argmax()), minutes=30)
    assert peak.astimezone(ZoneInfo("Asia/Kolkata")).strftime("%H:%M") == "20:00"


def test_the_clocks_go_forward() -> None:
    change = datetime(2024, 3, 9, 23, tzinfo=UTC)  # New York: in the night to the 10th
    there = activity(options(start=change, days=3, timezone="America/New_York"))[:, 24:]
    east = activity(options(start=change - timedelta(hours=4), days=3))[:, 24:]
    assert there == pytest.approx(east)


def test_paydays_are_busier() -> None:
    busy = activity(options(days=60))
    daily = busy.reshape(len(busy), 60, 24).sum(axis=2)
    january = daily[len(HABITS) : 2 * len(HABITS)]  # groceries
    payday, week_before = january[:, 24], january[:, 17]
    assert payday == pytest.approx(week_before * SEGMENTS["grocery"].payday)
    assert (january[:, 30] > 1.2 * january[:, 16]).all()  # Wednesdays: month's end against none
    assert (january[:, 59] > 1.2 * january[:, 52]).all()  # 29 February 2024


def test_holidays_are_those_of_the_country() -> None:
    summer = datetime(2024, 6, 30, tzinfo=UTC)
    ratio = {
        country: activity(options(start=summer, days=15, country=country))
        / np.maximum(activity(options(start=summer, days=15)), 1e-12)
        for country in ("US", "FR")
    }
    fourth, before, fourteenth = (
        slice(4 * 24, 5 * 24),
        slice(3 * 24, 4 * 24),
        slice(14 * 24, 15 * 24),
    )
    for row, segment in enumerate(SEGMENTS.values()):
        open_hours = activity(options(days=1))[row * 3 + 1] > 0
        american, french = ratio["US"][row * 3 + 1], ratio["FR"][row * 3 + 1]
        assert american[fourth][open_hours] == pytest.approx(segment.holiday), NAMES[row]
        assert american[before][open_hours] == pytest.approx(segment.eve)
        assert french[fourth][open_hours] == pytest.approx(1)
        assert french[fourteenth][open_hours] == pytest.approx(segment.holiday)


def test_an_unknown_country_is_named() -> None:
    with pytest.raises(ConfigError, match="country"):
        activity(options(country="XX"))
