import numpy as np
import pytest

from eddy.models.forecasting.conformal import ConformalBand
from eddy.models.forecasting.deviation import Boundary, deviation


def _run(draw, intervals=1500, entities=1, coverage=0.95, expected=100.0):
    """Return the coverage in the second half, and the band."""
    band, random = ConformalBand(1, coverage=coverage), np.random.default_rng(3)
    segment, ones, inside = np.zeros(entities, np.int64), np.ones(entities), []
    for k in range(intervals):
        low, high = band.band(expected * ones, ones, segment)
        y = np.maximum(expected + draw(random, k, entities), 0.0)
        inside.append((y >= low) & (y <= high))
        band.update(y - expected, ones, inside[-1], segment)
    return np.mean(inside[intervals // 2 :]), band


NOISES = {
    "normal": lambda r, k, n: r.normal(0, 3, n),
    "lopsided": lambda r, k, n: r.exponential(4, n) - 4,
    "heavy": lambda r, k, n: r.standard_t(2, n),
    "widening": lambda r, k, n: r.normal(0, 1 + k / 300, n),
}


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("entities", [1, 50])
def test_the_band_covers_what_it_promises(noise, entities):
    covered, _ = _run(NOISES[noise], entities=entities)
    assert covered == pytest.approx(0.95, abs=0.01)


def test_other_coverages_hold_too():
    assert _run(NOISES["normal"], coverage=0.8)[0] == pytest.approx(0.8, abs=0.015)


def test_a_lopsided_series_gets_a_lopsided_band():
    low, high = _run(NOISES["lopsided"])[1].quantiles()
    assert high[0] > 2 * -low[0]


def test_where_zero_ends_the_band_the_upper_side_may_miss_what_the_lower_cannot():
    covered, band = _run(
        lambda r, k, n: r.poisson(0.5, n) - 0.5 + r.random(n) * 1e-3, 3000, 50, expected=0.5
    )
    assert 0.93 < covered < 0.99
    low, _ = band.band(np.full(1, 0.5), np.ones(1), np.zeros(1, np.int64))
    assert low[0] == 0.0


def test_the_tail_is_as_rare_as_promised():
    _, band = _run(NOISES["normal"], 1000, 200)
    reach = band.tail("upper", 0.0005)[0]
    draws = np.random.default_rng(9).normal(0, 3, 1_000_000)
    assert 0.0002 < (draws > reach).mean() < 0.001


def test_rarer_is_further():
    _, band = _run(NOISES["heavy"], 500)
    for side in ("lower", "upper"):
        reach = [band.tail(side, rate)[0] for rate in (0.02, 0.005, 0.001, 0.0001)]
        assert reach == sorted(reach)
        assert len(set(reach)) == 4


def test_segments_do_not_touch_one_another():
    band, zero = ConformalBand(2), np.zeros(10, np.int64)
    before = band.quantiles()[1][1]
    for _ in range(200):
        band.update(np.full(10, 9.0), np.ones(10), np.zeros(10, np.bool_), zero)
    assert band.quantiles()[1][1] == before
    assert band.quantiles()[1][0] > 8.0


def test_restored_state_is_the_same():
    _, band = _run(NOISES["normal"], 100)
    other = ConformalBand(1)
    other.restore(band.snapshot())
    np.testing.assert_array_equal(other.quantiles(), band.quantiles())
    np.testing.assert_array_equal(other.tail("lower", 0.001), band.tail("lower", 0.001))
    with pytest.raises(ValueError, match="conformal_counts"):
        ConformalBand(2).restore(band.snapshot())


def test_the_score_is_one_at_the_boundary_and_policy_sets_the_least():
    band, zero = ConformalBand(1), np.zeros(2, np.int64)
    expected, scale = np.full(2, 100.0), np.full(2, 1.0)
    reach = band.tail("upper", 0.0005)[0]
    result = deviation(
        np.array([100 + reach, 80.0]), expected, scale, zero, band, Boundary(min_relative=0.0)
    )
    assert result.score[0] == pytest.approx(1.0)
    assert result.is_above.tolist() == [True, False]
    relative = deviation(
        np.array([130.0, 40.0]), expected, scale, zero, band, Boundary(min_relative=0.5)
    )
    np.testing.assert_allclose(relative.score, [0.6, 1.2])
    absolute = deviation(
        np.array([130.0, 40.0]), expected, scale, zero, band, Boundary(min_absolute=120)
    )
    np.testing.assert_allclose(absolute.score, [0.25, 0.5])


@pytest.mark.parametrize(
    "wrong", [{"false_alarm_rate": 0.0}, {"false_alarm_rate": 0.2}, {"min_relative": -1.0}]
)
def test_impossible_policies_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Boundary(**wrong)
