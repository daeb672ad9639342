"""The start: who takes it over forecasts as the one that learned it, and goes on the same."""

import numpy as np
import pytest

from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.models.forecasting.calendar import SegmentLocation, moments
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.forecasting.silence import Silence
from eddy.models.forecasting.warm_start import WarmStart
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.keys import hash_text
from eddy.training.tpv.warm_start import WarmStartLearner, learn

DAY = 12
BEGIN_US = 1_767_225_600_000_000  # 2026-01-01
STEP_US = 7_200_000_000
NAMES = [f"m{i}" for i in range(6)]
SEGMENTS = [("food", "DE"), ("", ""), ("food", "de"), ("toys", "US"), ("food", "XX"), ("toys", "")]
WEEKS = 6


def totals(begin=0, end=WEEKS * 7 * DAY, names=NAMES, segments=SEGMENTS, missing=True):
    k = np.arange(begin, end)[:, None]
    level = 100.0 * 2.0 ** np.arange(len(names))
    shape = (0.3 + k % DAY / 6) * np.where(k // DAY % 7 >= 5, 0.5, 1.0)
    noise = np.random.default_rng(3).standard_normal((WEEKS * 14 * DAY, 32))
    net = level * shape * (1.0 + 0.1 * noise[begin:end, : len(names)])
    if missing:
        net[: 3 * DAY, 1] = np.nan  # came later
        net[5 * DAY + 3] = np.nan  # the feed was down
    payments = np.where(np.isnan(net), 0, 5)
    starts = BEGIN_US + k[:, 0] * STEP_US
    return IntervalTotals(starts, list(names), net, payments, list(segments), "UTC", 7200)


def part(whole, begin, end):
    columns = whole.window_starts_us[begin:end], whole.net[begin:end], whole.payments[begin:end]
    starts, net, payments = columns
    return IntervalTotals(
        starts, whole.merchants, net, payments, whole.segments, whole.zone, whole.interval_s
    )


def keys(names):
    return np.array([hash_text(name) for name in names], np.uint64)


def when(start, k):
    countries = [country for _, country in start.pairs]
    countries += [""] * (32 - len(countries))
    places = [SegmentLocation("UTC", country or None) for country in countries]
    return moments(BEGIN_US + k * STEP_US, places)


@pytest.fixture(scope="module")
def taught():
    forecaster = Forecaster(32)
    return forecaster, learn(totals(), forecaster)


def taken_over(start, names, window=None):
    forecaster, silence = Forecaster(32), Silence()
    start.prepare(forecaster)
    forecaster.grow(len(names))
    silence.grow(len(names))
    slots = np.arange(len(names))
    start.give(forecaster, silence, slots, start.rows_of(keys(names)), window)
    return forecaster, silence


def test_who_takes_it_over_forecasts_the_same_and_is_not_cold(taught, tmp_path):
    teacher, learned = taught
    learned.save(tmp_path / "start.eddy")
    start = WarmStart.load(tmp_path / "start.eddy")
    pupil, _ = taken_over(start, NAMES, start.head.window + 1)
    moment = when(start, WEEKS * 7 * DAY)
    theirs, ours = teacher.forecast(moment), pupil.forecast(moment)
    for name in ("expected", "lower", "upper", "scale", "group", "confidence"):
        np.testing.assert_array_equal(getattr(ours, name), getattr(theirs, name))
    assert (ours.confidence > 0.5).all()
    assert not ours.is_cold.any()


def test_both_go_on_the_same(tmp_path):
    teacher, more = Forecaster(32), totals(0, (WEEKS + 2) * 7 * DAY)
    start = learn(part(more, 0, WEEKS * 7 * DAY), teacher)
    pupil, _ = taken_over(start, NAMES)
    for k in range(WEEKS * 7 * DAY, len(more)):
        y = more.net[k] * np.where(k % 50 > 40, 5.0, 1.0)  # anomalies, and a shift begins
        theirs, ours = teacher.close(when(start, k), y), pupil.close(when(start, k), y)
        np.testing.assert_array_equal(ours.flagged, theirs.flagged)
    state = pupil.snapshot()
    for name, array in teacher.snapshot().items():
        if name.startswith(("entity_", "shift_", "segment_", "conformal_")):
            np.testing.assert_array_equal(state[name], array, err_msg=name)


def test_an_alarm_at_once(taught):
    _, start = taught
    pupil, _ = taken_over(start, ["m3", "m4"])
    k = WEEKS * 7 * DAY
    normal = totals(k, k + 1, missing=False).net[0]
    closed = pupil.close(when(start, k), normal[3:5] * [0.1, 1.0])
    assert closed.flagged.tolist() == [True, False]


def test_strangers_stay_as_they_are(taught):
    _, start = taught
    pupil, _ = taken_over(start, ["m2", "nobody"])
    confidence = pupil.forecast(when(start, WEEKS * 7 * DAY)).confidence
    assert confidence[0] > 0.5
    assert confidence[1] == 0.0
    assert start.rows_of(keys(["nobody", "m2"])).tolist()[0] == -1


def test_a_slot_taken_over_is_only_its_own(taught):
    _, start = taught
    pupil, silence = Forecaster(32), Silence()
    start.prepare(pupil)
    pupil.grow(4)
    silence.grow(4)
    start.give(pupil, silence, np.array([2]), start.rows_of(keys(["m5"])))
    assert (pupil.baseline.level() > 0).tolist() == [False, False, True, False]
    # the mean payment: as many payments are expected as were seen
    assert silence.expected(pupil.baseline.level())[2] == pytest.approx(5.0, rel=0.1)


def test_segments_are_pairs_of_trade_and_country(taught):
    _, start = taught
    assert start.pairs == [("", ""), ("food", "DE"), ("toys", "US"), ("food", ""), ("toys", "")]
    rows = start.rows_of(keys(NAMES))
    assert start.rows["entity_segment"][rows].tolist() == [1, 0, 1, 2, 3, 4]


def test_pairs_beyond_the_most_share_the_first():
    names = [f"s{i}" for i in range(5)]
    given = totals(0, 14 * DAY, names, [(f"trade-{i}", "") for i in range(5)])
    start = learn(given, Forecaster(3))
    assert start.pairs == [("", ""), ("trade-0", ""), ("trade-1", "")]
    assert sorted(start.rows["entity_segment"].tolist()) == [0, 0, 0, 1, 2]


def test_the_segment_of_a_payment_counts_where_history_knew_none(taught):
    _, start = taught
    pupil, silence = Forecaster(32), Silence()
    start.prepare(pupil)
    pupil.grow(2, np.array([2, 2]))
    silence.grow(2)
    start.give(pupil, silence, np.arange(2), start.rows_of(keys(["m1", "m0"])))
    assert pupil.baseline.segment.tolist() == [2, 1]


def test_what_is_long_ago_is_half_forgotten_each_day(taught):
    _, start = taught
    window = start.head.window
    errors = [
        taken_over(start, NAMES, at)[0].snapshot()["entity_errors"]
        for at in (window + 1, window + 1 + DAY, window + 4 + DAY, window + 1000 * DAY)
    ]
    np.testing.assert_array_equal(errors[1], errors[0] / 2)
    halved = (errors[2] == errors[0] / 4).sum(axis=0)
    assert halved.tolist() == [6] * 3 + [0] * 9
    assert np.abs(errors[3]).max() < 1e-15


def test_month_by_month_is_learned_as_at_once(taught, tmp_path):
    _, start = taught
    whole, learner = totals(), WarmStartLearner(Forecaster(32), "UTC", 7200)
    for begin in range(0, len(whole), 100):
        learner.take(part(whole, begin, begin + 100))
    assert learner.start().save(tmp_path / "a") == start.save(tmp_path / "b")


def test_merchants_may_come_in_a_later_piece():
    learner = WarmStartLearner(Forecaster(32), "UTC", 7200)
    learner.take(totals(0, 100, NAMES[:2], SEGMENTS[:2]))
    later = totals(100, 400, missing=False)
    learner.take(later)
    start = learner.start()
    learned = start.rows["entity_learned"][start.rows_of(keys(NAMES))]
    assert learned.tolist() == [399, 399 - 3 * DAY] + [300] * 4


def test_history_does_not_go_backwards_or_change_its_intervals():
    learner = WarmStartLearner(Forecaster(32), "UTC", 7200)
    with pytest.raises(ConfigError, match="no interval"):
        learner.start()
    learner.take(totals(0, 100))
    with pytest.raises(ConfigError, match="backwards"):
        learner.take(totals(50, 150))
    with pytest.raises(ConfigError, match="UTC"):
        WarmStartLearner(Forecaster(32), "Europe/Berlin", 7200).take(totals(0, 100))


def test_a_start_of_other_intervals_is_refused(taught):
    _, start = taught
    start.check("UTC", 7200)
    with pytest.raises(ConfigError, match="3600"):
        start.check("UTC", 3600)
    with pytest.raises(ConfigError, match="segment"):
        start.prepare(Forecaster(16))


def test_a_file_that_is_damaged_or_something_else_is_refused(taught, tmp_path):
    path = tmp_path / "start.eddy"
    with pytest.raises(MissingResource):
        WarmStart.load(path)
    taught[1].save(path)
    content = bytearray(path.read_bytes())
    for at in (5, 70, 5_000, len(content) - 1):
        damaged = content.copy()
        damaged[at] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match="damaged"):
            WarmStart.load(path)
    path.write_bytes(b"")
    with pytest.raises(ConfigError):
        WarmStart.load(path)
