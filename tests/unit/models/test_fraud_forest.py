"""Trees as flat arrays say what scikit-learn says, bit by bit."""

from itertools import pairwise

import numpy as np
import pytest

from eddy.models.detectors.fraud.forest_layout import DOUBLE, SINGLE, questions
from eddy.models.domains.transactions.default import DEFAULT_PARAMETERS
from eddy.models.features.names import FEATURES
from tests.support.fraud_estimators import KINDS, TREES, fitted, outputs, packaged, rows


@pytest.mark.parametrize("kind", TREES)
def test_outputs_are_scikit_learns(kind: str) -> None:
    parameters, files = packaged(kind)
    scorer, X = parameters.opened(files), rows(1500, seed=3)[0]
    expected = outputs(fitted(kind), X)
    assert scorer.raw(X).tobytes() == expected.tobytes()
    assert np.unique(expected).size > 5
    one_by_one = np.concatenate([scorer.raw(X[i : i + 1]) for i in range(300)])
    assert one_by_one.tobytes() == expected[:300].tobytes()


@pytest.mark.parametrize("kind", TREES)
def test_rows_on_a_threshold_go_where_scikit_learn_sends_them(kind: str) -> None:
    """Also rows a single-precision and a double-precision step beside it."""
    estimator = fitted(kind)
    X = np.array(rows(40, seed=4)[0])
    near = []
    for feature, threshold in thresholds(estimator)[:60]:
        for value in (
            threshold,
            np.nextafter(threshold, -np.inf),
            np.nextafter(threshold, np.inf),
            float(np.nextafter(np.float32(threshold), np.float32(-np.inf))),
            float(np.nextafter(np.float32(threshold), np.float32(np.inf))),
        ):
            X[:, feature] = value
            near.append(X.copy())
    wanted = np.concatenate(near)
    parameters, files = packaged(kind)
    found = parameters.opened(files).raw(wanted)
    assert found.tobytes() == outputs(estimator, wanted).tobytes()


def thresholds(estimator: object) -> list[tuple[int, float]]:
    """Features and thresholds of splits."""
    if hasattr(estimator, "_predictors"):
        nodes = [one.nodes for (one,) in estimator._predictors]
        splits = [node[node["is_leaf"] == 0] for node in nodes]
        return [(int(n["feature_idx"]), float(n["num_threshold"])) for s in splits for n in s]
    found = []
    features = getattr(estimator, "estimators_features_", None)
    for k, one in enumerate(estimator.estimators_):  # type: ignore[attr-defined]
        tree = one.tree_
        for node in np.flatnonzero(tree.children_left >= 0)[:10]:
            feature = int(tree.feature[node])
            own = feature if features is None else int(features[k][feature])
            found.append((own, float(tree.threshold[node])))
    return found


@pytest.mark.parametrize("precision", [SINGLE, DOUBLE])
def test_a_rounded_threshold_asks_the_same(precision: np.dtype) -> None:
    rng = np.random.default_rng(0)
    threshold = np.concatenate(
        [rng.normal(size=200) * 10.0 ** rng.integers(-40, 30, 200), [0.0, 1e39, -1e39, np.inf]]
    )
    kind = precision["threshold"].type
    asked = questions(threshold, precision)
    with np.errstate(over="ignore"):
        x = threshold.astype(kind)
        beside = [np.nextafter(x, kind(np.inf)), np.nextafter(x, kind(-np.inf))]
    for value in (x, *beside):
        goes_left = value.astype(np.float64) <= threshold
        assert np.array_equal(value <= asked.at_most, goes_left)
        is_number = np.isfinite(value)
        assert np.array_equal((-value <= asked.negated)[is_number], ~goes_left[is_number])


@pytest.mark.parametrize("kind", ["forest", "forest, balanced", "extra trees"])
def test_the_base_score_is_the_mean_of_the_training_rows(kind: str) -> None:
    parameters, files = packaged(kind)
    roots = [tree.tree_.value[0, 0, 1] for tree in fitted(kind).estimators_]
    assert parameters.opened(files).base_score * parameters.boundary == pytest.approx(
        np.mean(roots), rel=1e-12
    )


def test_parts_of_a_tree_are_its_changes_of_value() -> None:
    """Along the ways of a row, by hand, with scikit-learn's own values of inner nodes."""
    parameters, files = packaged("forest")
    X = rows(50, seed=5)[0]
    expected = np.zeros_like(X)
    trees = [one.tree_ for one in fitted("forest").estimators_]
    for tree in trees:
        share = tree.value[:, 0, 1]
        for i, way in enumerate(ways(tree, X)):
            for parent, child in pairwise(way):
                expected[i, tree.feature[parent]] += share[child] - share[parent]
    expected /= len(trees) * parameters.boundary
    found = parameters.opened(files).contributions(X)
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-12)
    assert (found > 0).any()
    assert (found < 0).any()


def ways(tree: object, X: np.ndarray) -> list[list[int]]:
    matrix = tree.decision_path(X.astype(np.float32))  # type: ignore[attr-defined]
    return [sorted(matrix[i].indices.tolist()) for i in range(len(X))]


def test_contributions_of_linear_models_are_exact() -> None:
    """In log-odds a feature's part is its coefficient times its distance from typical."""
    parameters, files = packaged("linear")
    linear, X = parameters.linear, rows(50, seed=6)[0]
    assert linear is not None
    scorer = parameters.opened(files)
    parts = np.array(linear.coefficients) * (X - parameters.typical) / np.array(linear.scale)
    found = scorer.contributions(X)
    factor = (scorer.score(X) - scorer.base_score) / parts.sum(axis=1)
    assert np.allclose(found, parts * factor[:, None], rtol=1e-9)
    assert (np.sign(found) == np.sign(parts)).all()
    typical = scorer.contributions(np.array([parameters.typical]))
    assert (typical == 0).all()


@pytest.mark.parametrize("kind", ["linear", "linear, as it is"])
def test_linear_models_say_what_scikit_learn_says(kind: str) -> None:
    parameters, files = packaged(kind)
    X = rows(500, seed=7)[0]
    assert not files
    assert np.allclose(parameters.opened(files).raw(X), outputs(fitted(kind), X), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_the_boundary_is_the_score_one(kind: str) -> None:
    for is_calibrated in (False, True):
        parameters, files = packaged(kind, is_calibrated)
        scorer, X = parameters.opened(files), rows(400, seed=8)[0]
        is_isolating = parameters.detector == "isolation_forest"
        judged = scorer.raw(X) if is_isolating else scorer.probability(X)
        assert np.array_equal(scorer.score(X), judged / parameters.boundary)
        assert np.array_equal(scorer.score(X) > 1, judged > parameters.boundary)
        assert is_isolating == kind.startswith("isolation")


def test_the_default_model_knows_a_fraud_from_an_ordinary_payment() -> None:
    scorer = DEFAULT_PARAMETERS.opened({})
    ordinary = np.array([DEFAULT_PARAMETERS.typical])
    dear, risky = ordinary.copy(), ordinary.copy()
    dear[0, FEATURES.index("amount")] = 300.0
    risky[0, [FEATURES.index(f"terminal_risk_{d}d") for d in (1, 7, 30)]] = 1.0, 0.9, 0.3
    assert scorer.score(ordinary)[0] < 0.1
    assert scorer.score(dear)[0] > 1
    assert scorer.score(risky)[0] > 1
    assert FEATURES[int(np.argmax(scorer.contributions(dear)))] == "amount"
    assert FEATURES[int(np.argmax(scorer.contributions(risky)))] == "terminal_risk_7d"
