"""The online learner is river's, read off in columns; its state is plain numbers."""

import numpy as np
import pytest
from river import compose, linear_model, optim, preprocessing

from eddy.models.packing import pack
from eddy.schemas.errors import ConfigError
from eddy.training.online.online import OnlineClassifier, OnlineSettings

NAMES = ("amount", "card_count_1d", "terminal_risk_7d")


def rows(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal([50, 3, 0.1], [40, 2, 0.2], (n, 3))
    return X, rng.random(n) < 1 / (1 + np.exp(-(X[:, 0] - 100) / 20))


def river() -> compose.Pipeline:
    return preprocessing.StandardScaler() | linear_model.LogisticRegression(
        optim.AdaGrad(OnlineSettings().learning_rate)
    )


def as_dict(row: np.ndarray) -> dict[str, float]:
    return {name: x for name, x in zip(NAMES, row.tolist(), strict=True) if not np.isnan(x)}


@pytest.mark.parametrize("missing", [False, True])
def test_it_predicts_what_river_does(missing):
    X, y = rows(600)
    if missing:
        X[::5, 1] = np.nan
    learner, oracle = OnlineClassifier(NAMES), river()
    before = learner.learn(X[:500], y[:500])
    expected = []
    for row, label in zip(X[:500], y[:500], strict=True):
        expected.append(oracle.predict_proba_one(as_dict(row))[True])
        oracle.learn_one(as_dict(row), bool(label))
    np.testing.assert_allclose(before, expected, rtol=1e-12)
    after = [oracle.predict_proba_one(as_dict(row))[True] for row in X]
    np.testing.assert_allclose(learner.predict(X), after, rtol=1e-12)
    assert np.ptp(learner.predict(X)) > 0.5


def test_cuts_change_nothing_and_a_snapshot_goes_on():
    X, y = rows(400)
    whole, cut = OnlineClassifier(NAMES), OnlineClassifier(NAMES)
    whole.learn(X, y)
    cut.learn(X[:37], y[:37])
    again = OnlineClassifier(NAMES)
    again.restore(cut.snapshot())
    again.learn(X[37:], y[37:])
    assert again.snapshot() == whole.snapshot()
    assert (again.rows, again.frauds) == (400, int(y.sum()))


def test_a_feature_that_never_varies_says_nothing():
    X, y = rows(200)
    X[:, 2] = 7.0
    learner = OnlineClassifier(NAMES)
    learner.learn(X, y)
    other = X.copy()
    other[:, 2] = 1e6
    np.testing.assert_array_equal(learner.predict(other), learner.predict(X))


def test_other_snapshots_are_refused():
    learner = OnlineClassifier(NAMES)
    with pytest.raises(ValueError, match="other features"):
        learner.restore(OnlineClassifier(NAMES[:2]).snapshot())
    with pytest.raises(ValueError, match="snapshot of"):
        learner.restore(pack("something", {}))


@pytest.mark.parametrize("names", [(), ("amount", "amount")])
def test_features_are_each_there_once(names):
    with pytest.raises(ConfigError, match="features"):
        OnlineClassifier(names)
