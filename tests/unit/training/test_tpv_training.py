import builtins

import numpy as np
import pytest

from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.models.domains.tpv.parameters import BandParameters
from eddy.models.forecasting.network.features import INPUTS
from eddy.schemas.errors import ConfigError
from eddy.training.tpv.examples import History, examples
from eddy.training.tpv.network import Fitting, fit
from eddy.training.tpv.totals import PaymentSums
from eddy.training.tpv.train import TpvTraining, data_sha256, train
from eddy.training.tpv.trial import gain, lagged, trial, wape
from tests.unit.models.test_network_cell import keras_lstm, run

SLOTS = 6  # four-hour intervals: a week is quick


def world(weeks=12, merchants=24, noise=0.2, echo=0.0, seed=1):
    """Merchants of a weekly shape; of what surprises, `echo` comes back two intervals later."""
    random, count = np.random.default_rng(seed), weeks * 7 * SLOTS
    slot, day = np.arange(count) % SLOTS, np.arange(count) // SLOTS % 7
    shape = 0.5 + np.exp(-0.5 * (slot[:, None] - random.uniform(2, 4, merchants)) ** 2)
    shape *= np.where((day >= 5)[:, None], random.uniform(0.5, 1.3, merchants), 1.0)
    surprise = random.normal(0, noise, (count, merchants))
    for k in range(2, count):
        surprise[k] += echo * surprise[k - 2]
    net = random.lognormal(5, 0.7, merchants) * shape * np.exp(surprise - noise**2 / 2)
    start = np.datetime64("2024-01-01", "us").astype(np.int64)
    return IntervalTotals(
        start + np.arange(count) * 14_400_000_000,
        [f"m{k}" for k in range(merchants)],
        net,
        np.ones(net.shape, np.int64),
        [("grocery", "DE"), ("bar", "")] * (merchants // 2),
        "UTC",
        14_400,
    )


@pytest.fixture(scope="module")
def echoes():
    return world(echo=-0.8)


def test_what_comes_back_two_intervals_later_is_learned_and_the_network_chosen(echoes):
    calls = []
    options = TpvTraining(epochs=6, width=8, rate=0.01)
    parameters, metrics = train(echoes, options, lambda *e: calls.append(e))
    assert parameters.uses == "network"
    assert metrics["wape_network"] < 0.93 * metrics["wape_baseline"]
    assert metrics["wape_baseline"] < metrics["wape_weekly_naive"]
    assert abs(metrics["bias_network"]) < 0.03
    assert metrics["coverage_network"] == pytest.approx(0.95, abs=0.02)
    assert calls == [(k, 6) for k in range(1, len(calls) + 1)]
    # what forecasts is what was trained: keras' own answer to the same inputs
    net = parameters.network
    learned = examples(History(echoes), np.arange(24), 0)
    arrays = [net.kernel, net.recurrent, net.bias, [[w] for w in net.output], [net.output_bias]]
    model = keras_lstm([np.array(a, np.float32) for a in arrays])
    answers, _, _ = run(net, learned.individual[:90], learned.shared[:90], learned.segment)
    inputs = np.stack([learned.inputs(0, 90, k) for k in range(24)])
    expected = model.predict_on_batch(inputs)[..., 0].T
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    assert np.ptp(expected) > 0.1


def test_where_there_is_nothing_to_learn_the_baseline_stays():
    parameters, metrics = train(world(seed=3), TpvTraining(epochs=3, width=4))
    assert parameters.uses == "baseline"
    assert parameters.network is not None
    assert metrics["uses_network"] == 0.0


def test_the_same_totals_and_seed_give_the_same_weights(echoes):
    learned = examples(History(echoes), np.arange(6), 14 * SLOTS)

    def weights(seed):
        return fit(learned, (300, 400), Fitting(2, 4, seed, 0.01), SLOTS, lambda *_: None)

    assert weights(7) == weights(7)
    assert weights(7) != weights(8)


def test_without_a_network_keras_is_not_needed(echoes, monkeypatch):
    real = builtins.__import__

    def without(name, *rest, **named):
        if name in ("jax", "keras"):
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    parameters, metrics = train(echoes, TpvTraining(network=False, coverage=0.9))
    assert parameters == BandParameters(coverage=0.9)
    assert "wape_baseline" in metrics
    with pytest.raises(ConfigError, match=r"eddy-stream\[train-network\]"):
        train(echoes, TpvTraining())


def test_examples_are_what_the_stream_is_told(echoes):
    history, merchants = History(echoes), np.array([3, 10])
    result = examples(history, merchants, 20)
    assert result.individual.shape[0] == len(result) == len(echoes)
    assert result.inputs(5, 25, 1).shape == (20, len(INPUTS))
    assert not result.weight[:20].any()
    assert result.weight[20:].any(axis=0).all()
    # one interval ahead, by a baseline that has seen nothing after
    cut = IntervalTotals(
        echoes.window_starts_us[:200],
        echoes.merchants,
        echoes.net[:200],
        echoes.payments[:200],
        echoes.segments,
        echoes.zone,
        echoes.interval_s,
    )
    before = examples(History(cut), merchants, 20)
    np.testing.assert_array_equal(before.individual, result.individual[:200])
    np.testing.assert_array_equal(before.expected, result.expected[:200])


def test_missing_is_not_zero_and_a_silent_feed_is_missing(echoes):
    net, payments = echoes.net.copy(), echoes.payments.copy()
    net[:300, 0], payments[:300, 0] = np.nan, 0
    net[400], payments[400] = 0.0, 0
    totals = IntervalTotals(
        echoes.window_starts_us, echoes.merchants, net, payments, echoes.segments, "UTC", 14_400
    )
    history = History(totals)
    assert not history.known[:300, 0].any()
    assert not history.known[400].any()
    result = trial(history, None, "baseline", 0.95)
    assert not result.expected[:300, 0].any()
    assert result.expected[310, 0] > 0


def test_measures():
    volumes = np.arange(1.0, 9.0)[:, None]
    assert wape(volumes, volumes * 1.5) == pytest.approx(0.5)
    assert wape(volumes, np.full((8, 1), np.nan)) != wape(volumes, volumes)
    assert lagged(volumes, [1, 2])[3, 0] == 2.5
    better = gain(volumes, volumes, volumes + 1.0, 2)
    assert better.mean == pytest.approx(8 / 36)
    assert better.is_sure
    assert not gain(volumes, volumes, volumes, 2).is_sure


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"width": 0}, {"seed": -1}, {"rate": 1.0}, {"most_merchants": 0}]
)
def test_settings_that_cannot_be(change):
    with pytest.raises(ConfigError):
        TpvTraining(**change)


def test_too_little_history_says_so():
    with pytest.raises(ConfigError, match="at least 42"):
        train(world(weeks=3), TpvTraining())


def test_the_same_totals_have_the_same_name():
    assert data_sha256(world()) == data_sha256(world())
    assert data_sha256(world()) != data_sha256(world(seed=2))


def test_no_payments_no_totals():
    with pytest.raises(ConfigError, match="no payments"):
        PaymentSums("UTC", 7_200).totals()
