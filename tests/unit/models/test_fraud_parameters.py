"""What a model of card transactions may be, and what it takes to be opened."""

from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace
from threadpoolctl import threadpool_limits

from eddy.models.artefact import decode_parameters, encode_parameters
from eddy.models.detectors.fraud.calibration import Calibration
from eddy.models.detectors.fraud.estimator_file import ESTIMATOR_FILE
from eddy.models.detectors.fraud.isolation_forest import fit_isolation_forest
from eddy.models.detectors.fraud.linear import Linear
from eddy.models.detectors.fraud.packing import package
from eddy.models.detectors.fraud.parameters import FraudParameters, Smoke
from eddy.models.features.names import FEATURES, component
from eddy.schemas.errors import DamagedModel, ModelRefused
from tests.support.fraud_estimators import KINDS, altered, fitted, packaged, rows

LINEAR = Linear(center=[1.0, 2.0], scale=[1.0, 2.0], coefficients=[0.5, 0.5], intercept=-1.0)


def parameters(**changes: Any) -> FraudParameters:
    given = {
        "detector": "fraud_classifier",
        "features": ["amount", component(3)],
        "typical": [1.0, 2.0],
        "boundary": 0.5,
        "linear": LINEAR,
    }
    return FraudParameters(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": ["amount", "v65"]}, "v65"),
        ({"features": ["amount", "v0"]}, "v0"),
        ({"features": ["amount", "amount"]}, "twice"),
        ({"features": ["amount"], "typical": [1.0]}, "one coefficient"),
        ({"typical": [1.0]}, "typical"),
        ({"typical": [1.0, float("nan")]}, "finite"),
        ({"boundary": float("inf")}, "finite"),
        ({"linear": None}, "linear or estimator"),
        ({"smoke": Smoke(rows=[[1.0]], outputs=[0.5])}, "smoke"),
    ],
)
def test_what_does_not_belong_together_is_refused(changes: dict[str, Any], said: str) -> None:
    assert parameters()
    with pytest.raises(ValueError, match=said):
        parameters(**changes)


@pytest.mark.parametrize(
    "change",
    [
        {"boundary": 0},
        {"boundary": -0.1},
        {"features": []},
        {"detector": "another"},
        {"calibration": {"slope": 0, "intercept": 1}},
        {"calibration": {"slope": -1, "intercept": 1}},
        {"linear": {"center": [1], "scale": [1], "coefficients": [1, 2], "intercept": 0}},
        {"linear": {"center": [1, 2], "scale": [1, 0], "coefficients": [1, 2], "intercept": 0}},
        {"smoke": {"rows": [[1, 2]], "outputs": []}},
        {"estimator": {"sha256": "abc", "size_bytes": 1}},
    ],
)
def test_files_that_say_so_are_refused(change: dict[str, Any]) -> None:
    written = msgspec.to_builtins(parameters())
    assert decode_parameters(msgspec.json.encode(written), FraudParameters) == parameters()
    with pytest.raises(ModelRefused):
        decode_parameters(msgspec.json.encode({**written, **change}), FraudParameters)


@pytest.mark.parametrize("is_calibrated", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_models_come_back_from_their_files(kind: str, is_calibrated: bool) -> None:
    packed, files = packaged(kind, is_calibrated)
    again = decode_parameters(encode_parameters(packed), FraudParameters)
    assert again == packed
    X = rows(60, seed=10)[0]
    scorer, same = packed.opened(files), again.opened(files)
    assert scorer.score(X).tobytes() == same.score(X).tobytes()
    assert scorer.features == list(FEATURES)
    assert scorer.detector == packed.detector
    if is_calibrated and not kind.startswith("isolation"):
        assert not np.array_equal(scorer.probability(X), scorer.raw(X))


def test_the_same_estimator_gives_the_same_package() -> None:
    X, _ = rows()
    fewer = fitted("forest").set_params(n_jobs=2)
    try:
        made = package(
            fewer,
            features=FEATURES,
            typical=np.median(X, axis=0),
            boundary=0.3,
            smoke_rows=X[:6],
        )
    finally:
        fewer.set_params(n_jobs=None)
    assert made == packaged("forest")


def test_files_that_are_not_those_registered_are_damaged() -> None:
    packed, files = packaged("forest")
    content = files[ESTIMATOR_FILE]
    for wrong in ({}, {ESTIMATOR_FILE: content[:-1]}, {ESTIMATOR_FILE: content + b"\0"}):
        with pytest.raises(DamagedModel):
            packed.opened(wrong)
    with pytest.raises(DamagedModel, match="not the file"):
        packed.opened({ESTIMATOR_FILE: altered(content)})
    with pytest.raises(DamagedModel, match="not the file"):
        packed.opened(packaged("boosting")[1])


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_answers_otherwise_is_refused(kind: str) -> None:
    packed, files = packaged(kind)
    assert packed.smoke is not None
    first, *others = packed.smoke.outputs
    # forests are exact; what goes through an exponential may differ in its last bits
    least = np.nextafter(first, 1) if packed.estimator and "forest" in kind else first * (1 + 1e-13)
    if kind.startswith("isolation"):
        least = first * (1 + 1e-13)
    wrong = replace(packed, smoke=Smoke(packed.smoke.rows, [float(least), *others]))
    with pytest.raises(ModelRefused, match="smoke rows"):
        wrong.opened(files)


def test_a_model_that_gives_no_number_is_refused() -> None:
    linear = Linear(
        center=[0.0, 0.0], scale=[1e-200] * 2, coefficients=[1e200, -1e200], intercept=0
    )
    with pytest.raises(ModelRefused, match="no number"):
        parameters(linear=linear).opened({})


def test_a_model_of_other_features_is_refused() -> None:
    packed, files = packaged("forest")
    fewer = replace(packed, features=packed.features[:14], typical=packed.typical[:14], smoke=None)
    with pytest.raises(ModelRefused, match="15 features"):
        fewer.opened(files)


def test_calibration_keeps_the_ranking_and_moves_the_probability() -> None:
    packed, files = packaged("boosting")
    X = rows(200, seed=11)[0]
    plain = packed.opened(files)
    platt = replace(packed, calibration=Calibration(slope=0.5, intercept=2.0)).opened(files)
    p = plain.raw(X)
    expected = 1 / (1 + np.exp(-(0.5 * np.log(p / (1 - p)) + 2.0)))
    assert np.allclose(platt.probability(X), expected, rtol=1e-12)
    assert np.array_equal(platt.raw(X), p)


def test_an_isolation_forest_alerts_as_often_as_expected() -> None:
    X = np.array(rows()[0])
    X[:3] = X[:3] * 30
    X[5, 2] = np.nan
    estimator, fitted_, files = fit_isolation_forest(
        X, features=FEATURES, trees=20, samples=128, seed=3, expected_alert_share=0.02
    )
    again = fit_isolation_forest(
        X, features=FEATURES, trees=20, samples=128, seed=3, expected_alert_share=0.02
    )
    scorer = fitted_.opened(files)
    scores = scorer.score(X)
    assert again[1:] == (fitted_, files)
    assert fitted_.detector == "isolation_forest"
    assert len(estimator.estimators_) == 20
    assert np.mean(scores > 1) == pytest.approx(0.02, abs=0.002)
    assert (scores[:3] > 1).all()
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match="expected_alert_share"):
            fit_isolation_forest(X, features=FEATURES, expected_alert_share=share)
    with pytest.raises(ValueError, match="column"):
        fit_isolation_forest(X * np.nan, features=FEATURES, expected_alert_share=0.1)


def test_packages_of_plain_vectors() -> None:
    """Names of components, and a linear model given by its numbers."""
    X = np.random.default_rng(0).normal(size=(200, 3))
    names = [component(k) for k in (1, 2, 28)]
    _, forest, files = fit_isolation_forest(
        X, features=names, trees=5, samples=50, expected_alert_share=0.1
    )
    assert forest.opened(files).features == names
    packed, none = package(
        LINEAR,
        features=["amount", "v1"],
        typical=[1.0, 2.0],
        boundary=0.5,
        smoke_rows=np.array([[1.0, 2.0], [3.0, 4.0]]),
        detector="online_classifier",
    )
    assert not none
    assert packed.smoke is not None
    assert packed.smoke.outputs[0] == pytest.approx(1 / (1 + np.e))


def test_what_cannot_be_packed_is_refused() -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression

    X, y = rows()
    given: dict[str, Any] = {
        "features": FEATURES,
        "typical": np.median(X, axis=0),
        "boundary": 0.3,
        "smoke_rows": X[:3],
    }
    three = np.digitize(X[:, 0], [10, 30])
    categories = np.arange(15) == 1
    with pytest.raises(ModelRefused, match="genuine"):
        package(RandomForestClassifier(2, max_depth=3).fit(X, three), **given)
    with pytest.raises(ModelRefused, match="genuine"):
        package(RandomForestClassifier(2, max_depth=3).fit(X, np.where(y, 2, 1)), **given)
    with threadpool_limits(1):
        boosted = HistGradientBoostingClassifier(max_iter=2, categorical_features=categories)
        boosted.fit(X, y)
    with pytest.raises(ModelRefused):
        package(boosted, **given)
    with pytest.raises(ValueError, match="logistic"):
        package(LogisticRegression().fit(X[:90] / 50, three[:90]), **given)
