import numpy as np
import pytest

from eddy.models.forecasting.calendar import SegmentLocation, moments
from eddy.models.forecasting.seasonal import COLD_START, SeasonalBand

WEEK = 84
MONDAY = 1_704_067_200_000_000  # 2024-01-01
INTERVAL = 7_200_000_000


def _when(k, country=None, segments=1):
    return moments(MONDAY + k * INTERVAL, [SegmentLocation("UTC", country)] * segments)


def _shape(k):
    slot, day = k % 12, k // 12 % 7
    return (0.3 + slot / 6) * (0.5 if day >= 5 else 1.0)


def _taught(weeks, levels=(1000.0,), noise=0.05, segments=1, seed=1):
    band = SeasonalBand(segments)
    band.grow(len(levels))
    random = np.random.default_rng(seed)
    for k in range(weeks * WEEK):
        errors = 1 + noise * random.standard_normal(len(levels))
        band.update(_when(k, segments=segments), np.array(levels) * _shape(k) * errors)
    return band


def test_the_weekly_shape_is_learned():
    band = _taught(6, (1000.0, 3.0))
    ratios = []
    for k in range(6 * WEEK, 7 * WEEK):
        expected, scale = band.forecast(_when(k))
        ratios.append(expected / (np.array([1000.0, 3.0]) * _shape(k)))
        assert (scale < 0.25 * expected).all()
        band.update(_when(k), expected)
    assert np.median(np.abs(np.array(ratios) - 1), axis=0).max() < 0.05
    assert np.abs(np.array(ratios) - 1).max() < 0.25


def test_a_young_merchant_takes_its_segments_shape_not_anothers():
    band = SeasonalBand(2)
    band.grow(2, np.array([0, 1]))
    for k in range(4 * WEEK):
        band.update(_when(k, segments=2), np.array([100 * _shape(k), 100.0]))
    band.grow(4, np.array([0, 1]))
    band.seed(np.array([2, 3]), np.array([50.0, 50.0]))
    expected, _ = band.forecast(_when(4 * WEEK + 11, segments=2))
    assert expected[2] / band.level()[2] == pytest.approx(expected[0] / band.level()[0], rel=0.1)
    assert expected[3] == pytest.approx(50.0, rel=0.1)
    assert (band.confidence()[:2] > COLD_START).all()
    assert (band.confidence()[2:] < COLD_START).all()


@pytest.mark.parametrize("how", ["missing", "flagged"])
def test_missing_and_flagged_intervals_teach_nothing(how):
    band = _taught(4)
    before = band.level()[0]
    mask = np.array([how == "flagged"])
    for k in range(4 * WEEK, 5 * WEEK):
        band.update(_when(k), np.zeros(1), known=mask, flagged=mask)
    assert band.level()[0] == before
    expected, _ = band.forecast(_when(5 * WEEK + 6))
    assert expected[0] == pytest.approx(1000 * _shape(6), rel=0.15)


def test_zero_is_learned_from():
    band = _taught(4)
    for k in range(4 * WEEK, 6 * WEEK):
        band.update(_when(k), np.zeros(1))
    assert band.forecast(_when(6 * WEEK + 6))[0][0] < 0.2 * 1000 * _shape(6)


def test_a_run_of_low_intervals_lowers_the_next_expectation():
    band, plain = _taught(6), _taught(6)
    for k in range(6 * WEEK, 6 * WEEK + 6):
        band.update(_when(k), np.array([700 * _shape(k)]))
        plain.update(_when(k), np.array([1000 * _shape(k)]))
    when = _when(6 * WEEK + 6)
    assert band.forecast(when)[0][0] < 0.97 * plain.forecast(when)[0][0]


def test_rebaseline_multiplies_the_expectation():
    band = _taught(6, noise=0.0)
    before, _ = band.forecast(_when(6 * WEEK))
    band.rebaseline(np.array([0]), np.array([0.5]))
    after, _ = band.forecast(_when(6 * WEEK))
    assert after[0] == pytest.approx(before[0] / 2, rel=0.02)


def test_a_holiday_is_a_sunday_until_its_factor_is_learned():
    band = _taught(6, noise=0.0)
    christmas = 359 * 12 + 9  # a Wednesday
    assert band.forecast(_when(christmas, "GB"))[0][0] == pytest.approx(500 * _shape(9), rel=0.1)
    assert band.forecast(_when(christmas))[0][0] == pytest.approx(1000 * _shape(9), rel=0.1)
    band.update(_when(christmas, "GB"), np.array([50 * _shape(9)]), flagged=np.array([True]))
    assert band.forecast(_when(christmas, "GB"))[0][0] < 0.75 * 500 * _shape(9)


def test_ahead_begins_with_the_forecast_and_follows_the_shape():
    band = _taught(6)
    when = [_when(k) for k in range(6 * WEEK, 6 * WEEK + 24)]
    expected, scale = band.ahead(when)
    assert expected.shape == scale.shape == (24, 1)
    np.testing.assert_array_equal(expected[0], band.forecast(when[0])[0])
    np.testing.assert_allclose(expected[:, 0], [1000 * _shape(k) for k in range(24)], rtol=0.2)


def test_restored_state_forecasts_bit_for_bit_the_same():
    band = _taught(3, (10.0, 20.0))
    other = SeasonalBand(1)
    other.restore(band.snapshot())
    for k in range(3 * WEEK, 3 * WEEK + 20):
        for one in (band, other):
            one.update(_when(k), np.array([k % 7, 25.0]), flagged=np.array([k % 5 == 0, False]))
        for a, b in zip(band.forecast(_when(k + 1)), other.forecast(_when(k + 1)), strict=True):
            np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="segment_"):
        SeasonalBand(2).restore(band.snapshot())
    with pytest.raises(ValueError, match="entity_"):
        SeasonalBand(1, slots_per_day=1).restore(band.snapshot())


def test_forgotten_entities_start_anew_and_others_stay():
    band = _taught(3, (10.0, 20.0))
    band.forget(np.array([0]))
    assert band.level()[0] == 0
    assert band.confidence()[0] == 0
    assert band.level()[1] > 10


def test_a_chosen_few_are_forecast_as_among_all():
    band = _taught(3, (10.0, 20.0, 30.0))
    few, _ = band.forecast(_when(3 * WEEK), np.array([2, 0]))
    np.testing.assert_array_equal(few, band.forecast(_when(3 * WEEK))[0][[2, 0]])


def test_an_entity_takes_at_most_900_bytes():
    assert SeasonalBand(1).bytes_per_entity <= 900


def test_segments_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="segments"):
        SeasonalBand(2).grow(1, 2)
