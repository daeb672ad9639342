from datetime import UTC, datetime, timedelta

import pytest

from eddy.app.inspect.anomaly_text import (
    against_band,
    because,
    interval,
    line,
    number,
    range_text,
    side,
)
from eddy.schemas.anomalies import Entity
from tests.unit.app.samples import anomaly


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12345.6, "12,346"), (-3.0, "-3"), (0.123456, "0.1235"), (999.96, "1000")],
)
def test_numbers_are_short(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("lower", "upper", "expected", "text"),
    [
        ({"x": 1.0}, {"x": 2.0}, {}, "1–2"),
        ({"x": 1.0}, {}, {}, "from 1"),
        ({}, {"x": 2.0}, {}, "to 2"),
        ({}, {}, {"x": 1.5}, "about 1.5"),
        ({}, {}, {}, "unknown"),
    ],
)
def test_range_says_what_is_known(lower, upper, expected, text):
    record = anomaly(actual={"x": 3.0}, lower=lower, upper=upper, expected=expected, reasons=[])
    assert range_text(record, "x") == text


def test_side_of_the_range():
    record = anomaly(
        actual={"a": 3.0, "b": 0.0, "c": 1.5, "d": 9.0},
        lower=dict.fromkeys("abc", 1.0),
        upper=dict.fromkeys("abc", 2.0),
    )
    assert [side(record, name) for name in "abcd"] == ["↑", "↓", "", ""]


def test_the_heaviest_reason_comes_first():
    assert list(because(anomaly())) == [
        "duration_s 45,210↑ (300–2,100) +12.90",
        "distance_km 2.3 (1.2–3.4) -0.30",
    ]


def test_reasons_that_are_no_measured_feature_are_told_too():
    record = anomaly(actual={})
    assert next(because(record)) == "duration_s 45,210 (about 640) +12.90"


def test_line_has_everything_and_no_newline():
    text = line(anomaly()).plain
    for part in ("2026-01-02 03:04:05", "critical", "14.20", "zone 74", "duration_s", "4c11"):
        assert part in text
    assert "\n" not in text


def test_line_names_what_is_not_new():
    assert "[retract]" in line(anomaly(op="retract")).plain
    assert "[open]" not in line(anomaly(detected_at=datetime.now(UTC))).plain


def of_an_interval(**changes):
    start = datetime(2026, 1, 5, 12, tzinfo=UTC)
    fields = {
        "anomaly_id": "5d20a0e2-1111-5222-8333-444455556666",
        "domain": "tpv",
        "detector": "forecast_band",
        "entity": Entity("merchant", "m-17"),
        "occurred_at": start,
        "window_start": start,
        "window_end": start + timedelta(hours=2),
        "score": 1.82,
        "severity": "warning",
        "actual": {"tpv": 312.0, "payments": 3.0},
        "expected": {"tpv": 1204.0},
        "lower": {"tpv": 806.0},
        "upper": {"tpv": 1590.0},
        "labels": ["silence"],
    }
    return anomaly(**{**fields, **changes})


def test_line_of_an_interval_shows_actual_against_band():
    assert " ".join(line(of_an_interval()).plain.split()) == (
        "2026-01-05 12:00–14:00 warning 1.82 merchant m-17 tpv 312↓ "
        "(expected 1,204, band 806–1,590), 3 payments, silence [open] "
        "5d20a0e2-1111-5222-8333-444455556666"
    )


@pytest.mark.parametrize("op", ["open", "update", "close", "retract"])
def test_line_of_an_interval_says_how_it_stands_and_ends_with_its_id(op):
    words = line(of_an_interval(op=op, labels=["late", "level_shift"])).plain.split()
    assert words[-4:] == ["late,", "level_shift", f"[{op}]", of_an_interval().anomaly_id]


def test_one_payment_is_one_payment():
    actual = {"tpv": 2000.0, "payments": 1.0}
    assert list(against_band(of_an_interval(actual=actual, labels=[]))) == [
        "tpv 2,000↑ (expected 1,204, band 806–1,590)",
        "1 payment",
    ]


@pytest.mark.parametrize(
    ("start", "hours", "text"),
    [
        (datetime(2026, 1, 5, 22, tzinfo=UTC), 2, "2026-01-05 22:00–00:00"),
        (datetime(2026, 1, 5, 23, tzinfo=UTC), 2, "2026-01-05 23:00–01-06 01:00"),
        (datetime(2026, 1, 5, tzinfo=UTC), 24, "2026-01-05 00:00–01-06 00:00"),
    ],
)
def test_intervals_over_midnight(start, hours, text):
    ends = start + timedelta(hours=hours)
    assert interval(of_an_interval(window_start=start, window_end=ends)) == text


def test_what_was_held_back_says_why():
    lines = list(against_band(of_an_interval(labels=["late"], suppressed_by=["snooze"])))
    assert lines[-2:] == ["late", "suppressed by snooze"]


def test_an_event_is_in_no_interval():
    assert interval(anomaly()) == ""
