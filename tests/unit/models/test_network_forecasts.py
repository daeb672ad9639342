"""The network beside the baseline, in the forecaster."""

import numpy as np
import pytest

from eddy.models.forecasting.calendar import SegmentLocation, moments
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.packing import pack, unpack
from eddy.training.tpv.examples import blank
from tests.unit.models.test_network_cell import random_arrays, weights_of

SLOTS, PLACES, COUNT = 12, [SegmentLocation("UTC"), SegmentLocation("UTC", "US")], 6
SEGMENT = np.array([0, 1, 0, 1, 0, 1])
WEIGHTS = weights_of(random_arrays(5, width=8, size=0.4))


def _when(k):
    return moments(1_704_067_200_000_000 + k * 7_200_000_000, PLACES)


def _volume(k):
    noise = np.random.default_rng(k).normal(0, 0.15, COUNT)
    y = np.array([10.0, 100, 500, 20, 1000, 3]) * (0.4 + k % 12 / 6) * np.exp(noise)
    return y * np.where(k % 97 < 3, [1, 0.05, 1, 4, 1, 1], 1.0)


def _known(k):
    return np.arange(COUNT) != k % 11


def _new(network=None, champion="network"):
    forecaster = Forecaster(2)
    forecaster.grow(COUNT, SEGMENT)
    forecaster.use(network, champion)
    return forecaster


def _close(forecaster, k):
    return forecaster.close(_when(k), _volume(k), known=_known(k))


def _run(forecaster, begin, stop):
    return [_close(forecaster, k).band for k in range(begin, stop)]


def _same(one, other):
    for a, b in zip(one, other, strict=True):
        for name in ("expected", "lower", "upper", "scale"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_a_network_of_zeros_is_the_baseline():
    plain, zeros = _new(), _new(blank(SLOTS, 4))
    _same(_run(plain, 0, 200), _run(zeros, 0, 200))
    when = [_when(k) for k in range(200, 230)]
    _same(plain.ahead(when), zeros.ahead(when))
    errors = zeros.errors
    np.testing.assert_array_equal(errors["network"].absolute, errors["baseline"].absolute)


def test_a_challenger_changes_no_forecast_and_is_measured():
    plain, shadow, champion = _new(), _new(WEIGHTS, "baseline"), _new(WEIGHTS)
    _same(_run(plain, 0, 300), _run(shadow, 0, 300))
    assert (shadow.champion, champion.champion) == ("baseline", "network")
    bands = _run(champion, 0, 300)
    off = sum(np.abs(_volume(k) - bands[k].expected)[_known(k)].sum() for k in range(1, 300))
    errors = champion.errors["network"]
    assert errors.absolute.sum() == pytest.approx(off, rel=0.02)
    assert errors.volume.shape == (2,)
    assert shadow.errors["network"].wape != shadow.errors["baseline"].wape
    assert set(plain.errors) == {"baseline"}


def test_some_entities_are_forecast_as_among_all():
    forecaster = _new(WEIGHTS)
    _run(forecaster, 0, 200)
    some, when = np.array([4, 1]), [_when(k) for k in range(200, 220)]
    for whole, part in zip(forecaster.ahead(when), forecaster.ahead(when, some), strict=True):
        np.testing.assert_array_equal(part.expected, whole.expected[some])
        np.testing.assert_array_equal(part.upper, whole.upper[some])
    first = forecaster.ahead(when)[0]
    np.testing.assert_array_equal(first.expected, _close(forecaster, 200).band.expected)


def test_forecasting_ahead_changes_nothing():
    forecaster = _new(WEIGHTS)
    _run(forecaster, 0, 60)
    before = pack("f", forecaster.snapshot())
    forecaster.ahead([_when(k) for k in range(60, 90)])
    forecaster.inputs(_when(60))
    assert pack("f", forecaster.snapshot()) == before


def _restored(forecaster, network, champion="network"):
    other = Forecaster(2)
    other.use(network, champion)
    other.restore(unpack("f", pack("f", forecaster.snapshot())))
    return other


def test_a_restored_network_goes_on_bit_for_bit():
    one, other = _new(WEIGHTS), _new(WEIGHTS)
    _run(one, 0, 150), _run(other, 0, 150)
    other = _restored(other, WEIGHTS)
    assert pack("f", other.snapshot()) == pack("f", one.snapshot())
    _same(_run(one, 150, 200), _run(other, 150, 200))
    assert one.errors["network"].wape == other.errors["network"].wape


def test_states_of_no_network_and_of_another_begin_anew():
    plain, other = _new(), _new(weights_of(random_arrays(6, width=5)))
    _run(plain, 0, 100), _run(other, 0, 100)
    after = _restored(plain, WEIGHTS), _restored(other, WEIGHTS)
    for forecaster in after:
        state = forecaster.snapshot()
        assert not state["network_h"].any()
        assert state["network_h"].shape == (COUNT, 8)
    dropped = _restored(_new(WEIGHTS), None)
    assert not [name for name in dropped.snapshot() if name.startswith("network_")]
    without_sums = {n: a for n, a in plain.snapshot().items() if n != "errors_sums"}
    after[0].restore(without_sums)
    assert np.isnan(after[0].errors["baseline"].wape)


def test_the_same_network_taken_up_again_keeps_what_it_remembers():
    one, other = _new(WEIGHTS), _new(WEIGHTS)
    for k in range(120):
        _close(one, k), _close(other, k)
        assert other.use(weights_of(random_arrays(5, width=8, size=0.4)), "network")
    assert pack("f", other.snapshot()) == pack("f", one.snapshot())
    other.use(blank(SLOTS, 8))
    assert not other.snapshot()["network_h"].any()


def test_a_network_of_intervals_of_another_length_is_left_aside():
    forecaster = _new()
    assert not forecaster.use(weights_of(random_arrays(), slots_per_day=24))
    assert forecaster.champion == "baseline"
    _run(forecaster, 0, 20)


def test_new_entities_and_forgotten_ones_remember_nothing():
    forecaster = _new(WEIGHTS)
    _run(forecaster, 0, 100)
    forecaster.grow(COUNT + 2, 1)
    forecaster.forget(np.array([2]))
    h = forecaster.snapshot()["network_h"]
    assert not h[[2, 6, 7]].any()
    assert h[[0, 1, 3, 4, 5]].any(axis=1).all()


def test_what_was_flagged_or_is_unknown_is_not_told():
    forecaster = _new(WEIGHTS)
    _run(forecaster, 0, 400)
    y, known = _volume(400), np.arange(COUNT) != 0
    y[4] *= 10
    closed = forecaster.close(_when(400), y, known=known)
    assert closed.flagged.tolist() == [False] * 4 + [True, False]
    own, _ = forecaster.inputs(_when(401))
    assert own[[0, 4], :2].tolist() == [[0.0, 0.0]] * 2
    assert (own[[1, 2, 3, 5], 1] == 1.0).all()
    assert np.abs(own).max() <= 1.0
