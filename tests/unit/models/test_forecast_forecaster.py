import numpy as np
import pytest

from eddy.models.forecasting.calendar import SegmentLocation, moments
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.forecasting.shifts import ShiftRule
from eddy.models.forecasting.values import ValueRule, ValueStreams
from eddy.models.packing import pack, unpack

WEEK = 84
LEVELS = np.array([100.0, 1000.0, 5000.0, 20.0])


def _when(k):
    return moments(1_704_067_200_000_000 + k * 7_200_000_000, [SegmentLocation()])


def _volume(k, random):
    shape = (0.3 + k % 12 / 6) * (0.5 if k // 12 % 7 >= 5 else 1.0)
    return LEVELS * shape * (1 + 0.1 * random.standard_normal(4))


@pytest.fixture(scope="module")
def taught():
    forecaster, random = Forecaster(shift=ShiftRule(intervals=24)), np.random.default_rng(2)
    forecaster.grow(4)
    flagged = 0
    for k in range(8 * WEEK):
        flagged += forecaster.close(_when(k), _volume(k, random)).flagged.sum()
    assert flagged <= 12  # of 4 x 8 x 84, nominally one in a thousand
    return forecaster.snapshot()


def _restored(state):
    forecaster = Forecaster(shift=ShiftRule(intervals=24))
    forecaster.restore(unpack("forecaster", pack("forecaster", state)))
    return forecaster


def test_a_drop_and_a_jump_are_flagged_with_their_direction(taught):
    forecaster, y = _restored(taught), _volume(8 * WEEK + 8, np.random.default_rng(4))
    closed = forecaster.close(_when(8 * WEEK + 8), y * [1.0, 0.1, 3.0, 1.0])
    assert closed.flagged.tolist() == [False, True, True, False]
    assert closed.deviation.is_above[1:3].tolist() == [False, True]


def test_what_was_not_seen_is_never_flagged(taught):
    forecaster = _restored(taught)
    known = np.array([True, False, False, True])
    closed = forecaster.close(_when(8 * WEEK + 8), np.full(4, np.nan), known=known & False)
    assert not closed.flagged.any()
    expected = forecaster.forecast(_when(8 * WEEK + 9)).expected
    assert np.isfinite(expected).all()


def test_the_young_are_not_flagged_but_have_a_band(taught):
    forecaster = _restored(taught)
    forecaster.grow(5)
    for k in range(8 * WEEK, 8 * WEEK + 24):
        y = np.append(_volume(k, np.random.default_rng(k)), 50.0)
        closed = forecaster.close(_when(k), y)
    closed = forecaster.close(_when(8 * WEEK + 24), np.append(y[:4], 5000.0))
    assert closed.band.is_cold.tolist() == [False] * 4 + [True]
    assert not closed.flagged[4]
    assert closed.band.upper[4] > closed.band.expected[4] > 0


def test_a_level_shift_is_confirmed_once_and_then_quiet(taught):
    forecaster, random = _restored(taught), np.random.default_rng(5)
    shifted, flagged = [], []
    for k in range(8 * WEEK, 11 * WEEK):
        closed = forecaster.close(_when(k), _volume(k, random) * [1.0, 0.3, 1.0, 1.0])
        shifted += closed.shifted.tolist()
        flagged.append(closed.flagged[1])
    assert shifted == [1]
    assert any(flagged[:24])
    assert sum(flagged[-WEEK:]) <= 2
    assert forecaster.baseline.level()[1] / forecaster.baseline.level()[0] == pytest.approx(
        3, rel=0.2
    )


def test_forecasting_changes_nothing(taught):
    forecaster = _restored(taught)
    forecaster.forecast(_when(8 * WEEK))
    ahead = forecaster.ahead([_when(8 * WEEK), _when(8 * WEEK + 1)])
    assert len(ahead) == 2
    after = forecaster.snapshot()
    assert all(np.array_equal(after[name], taught[name]) for name in taught)


def test_a_restored_forecaster_goes_on_bit_for_bit(taught):
    one, other = _restored(taught), _restored(taught)
    for k in range(8 * WEEK, 9 * WEEK):
        y = _volume(k, np.random.default_rng(k)) * (0.2 if k % 30 < 10 else 1.0)
        if k % 17 == 0:
            other = _restored(other.snapshot())
        a, b = one.close(_when(k), y), other.close(_when(k), y)
        np.testing.assert_array_equal(a.deviation.score, b.deviation.score)
        np.testing.assert_array_equal(a.band.upper, b.band.upper)


def test_value_streams_tell_a_spike_and_a_shift_once():
    random = np.random.default_rng(1)
    values = random.normal(50, 1, (3000, 3))
    values[2000, 0] = 80.0
    values[2000:, 1] += 30.0
    streams = ValueStreams(3, ValueRule(false_alarm_rate=1e-5))
    scores = np.array([streams.score(row) for row in values])
    assert np.isnan(scores[:300]).all()
    assert scores[2000, 0] > 1
    assert scores[2000, 1] > 1
    assert (scores[2001:2090, 1] <= 1).all()
    assert (scores[300:, 2] > 1).sum() <= 2


def test_value_streams_restore_and_skip_the_unknown():
    random = np.random.default_rng(1)
    one, other = ValueStreams(2), ValueStreams(2)
    for k in range(400):
        x, known = random.normal(0, 1, 2), np.array([True, k % 3 > 0])
        if k == 350:
            fresh = ValueStreams(2)
            fresh.restore(other.snapshot())
            other = fresh
        a, b = one.score(x, known), other.score(x, known)
        np.testing.assert_array_equal(a, b)
        assert np.isnan(a[1]) or known[1]
