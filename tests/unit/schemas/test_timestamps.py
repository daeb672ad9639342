"""Timestamps on the fast path: every moment there is, and no other."""

import random
from calendar import monthrange
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.decoding import check, event_type, read

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def record(text: str) -> bytes:
    return b'{"occurred_at":"%s"}' % text.encode()


def test_every_day_of_230_years_and_moments_of_9999():
    first = datetime(1890, 1, 1, 23, 59, 59, tzinfo=UTC)
    draw = random.Random(5)
    moments = [
        *(first + timedelta(days=k) for k in range(365 * 230)),
        *(
            EPOCH
            + timedelta(draw.randrange(-719_162, 2_932_896), 0, draw.randrange(86_400 * 10**6))
            for _ in range(20_000)
        ),
    ]
    columns = read([record(moment.isoformat()) for moment in moments], event_type())
    assert columns.valid.all()
    assert columns.occurred_at.tolist() == [(moment - EPOCH) // MICROSECOND for moment in moments]


def test_days_that_do_not_exist_are_left_alone():
    days = [
        (year, month, day)
        for year in (0, 1, 1600, 1700, 1800, 1900, 2000, 2023, 2024, 9999)
        for month in range(14)
        for day in range(34)
    ]
    columns = read(
        [record("{:04}-{:02}-{:02}T00:00:00Z".format(*day)) for day in days], event_type()
    )
    real = [y >= 1 and 1 <= m <= 12 and 1 <= d <= monthrange(y, m)[1] for y, m, d in days]
    assert columns.valid.tolist() == real


def test_hours_minutes_and_seconds_that_do_not_exist_are_left_alone():
    times = [(h, m, s) for h in range(26) for m in (0, 59, 60, 61, 99) for s in (0, 59, 60, 99)]
    columns = read(
        [record("2024-03-01T{:02}:{:02}:{:02}Z".format(*time)) for time in times], event_type()
    )
    assert columns.valid.tolist() == [h < 24 and m < 60 and s < 60 for h, m, s in times]


@pytest.mark.parametrize("decimals", range(9))
@pytest.mark.parametrize("zone", ["Z", "+00:00"])
def test_one_to_six_decimals(decimals, zone):
    fraction = "." + "987654321"[:decimals]
    columns = read([record(f"1969-12-31T23:59:59{fraction}{zone}")], event_type())
    assert columns.valid[0] == (1 <= decimals <= 6)
    if columns.valid[0]:
        assert columns.occurred_at[0] == round(float(f"0{fraction}") * 1e6) - 1_000_000


@pytest.mark.parametrize(
    "zone", ["", "z", "+01:00", "-00:00", "+0000", "+00", "+00:0", "ZZ", "+00:00Z"]
)
def test_other_zones_are_left_alone(zone):
    assert not read([record(f"2024-03-01T12:34:56{zone}")], event_type()).valid[0]


def test_every_byte_of_a_timestamp_counts():
    text = "2024-03-01T12:34:56Z"
    changed = [
        record(text[:k] + other + text[k + 1 :])
        for k in range(len(text))
        for other in "0 :-TZ.+A/\x7f"
    ]
    assert check(changed, event_type()) > 14
