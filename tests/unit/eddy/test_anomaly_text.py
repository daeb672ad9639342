from datetime import UTC, datetime

import pytest

from eddy.anomaly_text import because, line, number, range_text, side
from tests.unit.eddy.samples import anomaly


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
    found = anomaly(actual={"x": 3.0}, lower=lower, upper=upper, expected=expected, reasons=[])
    assert range_text(found, "x") == text


def test_side_of_the_range():
    found = anomaly(
        actual={"a": 3.0, "b": 0.0, "c": 1.5, "d": 9.0},
        lower=dict.fromkeys("abc", 1.0),
        upper=dict.fromkeys("abc", 2.0),
    )
    assert [side(found, name) for name in "abcd"] == ["↑", "↓", "", ""]


def test_the_heaviest_reason_comes_first():
    assert list(because(anomaly())) == [
        "duration_s 45,210↑ (300–2,100) +12.90",
        "distance_km 2.3 (1.2–3.4) -0.30",
    ]


def test_reasons_that_are_no_measured_feature_are_told_too():
    found = anomaly(actual={})
    assert next(because(found)) == "duration_s 45,210 (about 640) +12.90"


def test_line_has_everything_and_no_newline():
    text = line(anomaly()).plain
    for part in ("2026-01-02 03:04:05", "critical", "14.20", "zone 74", "duration_s", "4c11"):
        assert part in text
    assert "\n" not in text


def test_line_names_what_is_not_new():
    assert "[retract]" in line(anomaly(op="retract")).plain
    assert "[open]" not in line(anomaly(detected_at=datetime.now(UTC))).plain
