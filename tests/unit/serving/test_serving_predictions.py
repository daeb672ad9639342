"""Predictions: the same numbers as the scorer's, whichever way they are asked for."""

from datetime import UTC, datetime

import numpy as np
import pytest

from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.features.names import FEATURES
from eddy.schemas.decisions import Decisions, decode, encode
from tests.support.serving_world import NAME, World, forest_model, linear_model, put, some_rows

D = len(FEATURES)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("models"), linear_model())


@pytest.fixture(scope="module")
def model(world):
    return world.registry.load(NAME, "champion", FraudParameters)


@pytest.fixture(scope="module")
def forest(tmp_path_factory):
    """A service with an isolation forest, which lies in a file of its own."""
    world = World(tmp_path_factory.mktemp("forest"))
    parameters, files = forest_model()
    put(world.registry, parameters, files=files)
    world.following.refresh()
    return world


def named(row):
    return {name: None if np.isnan(x) else x for name, x in zip(FEATURES, row, strict=True)}


def test_one_row_is_scored_as_the_scorer_does(world, model):
    for row in some_rows(20):
        answer = world.post("/prediction", {"feature_vector": row.tolist()}).json()
        expected = float(model.parameters.score(row[None])[0])
        assert answer["score"] == expected
        assert answer["probability"] == float(model.parameters.probability(row[None])[0])
        assert answer["is_inlier"] is (expected <= 1.0)
        assert answer["model"]["sha256"] == model.ref.sha256


def test_rows_lie_on_both_sides_of_the_boundary(world):
    body = {"feature_vectors": some_rows(200).tolist()}
    verdicts = world.post("/predictions", body).json()["predictions"]
    assert {one["is_inlier"] for one in verdicts} == {True, False}


def test_both_spellings_come_when_the_score_is_asked_for_and_only_then(world):
    row = some_rows(1)[0].tolist()
    asked = world.post("/prediction", {"feature_vector": row, "score": True}).json()
    assert asked["anomaly_score"] == asked["anomoly_score"] == asked["score"]
    plain = world.post("/prediction", {"feature_vector": row, "score": False}).json()
    assert not {"anomaly_score", "anomoly_score"} & plain.keys()
    many = world.post("/predictions", {"feature_vectors": [row], "score": True}).json()
    assert many["predictions"][0]["anomoly_score"] == asked["score"]


def test_the_features_of_a_decision_record_have_its_scores(world, model):
    """What the stream wrote down and what the service answers are the same, bit for bit."""
    features = some_rows(300)
    features[::7, 3] = np.nan  # an event that did not say
    record = encode(
        Decisions(
            topic="events.transactions",
            partition=0,
            model=model.ref,
            challenger=None,
            names=list(FEATURES),
            offsets=np.arange(300),
            occurred_at=np.arange(300),
            events=np.arange(300, dtype=np.uint64),
            cards=np.zeros(300, np.uint64),
            features=features,
            scores=model.parameters.score(features),
            challenger_scores=np.empty(0),
        )
    )
    kept = decode(record)
    batch = world.post("/predictions", {"transactions": [named(row) for row in kept.features]})
    assert [one["score"] for one in batch.json()["predictions"]] == kept.scores.tolist()
    for k in (0, 1, 7):
        answer = world.post("/prediction", {"transaction": named(kept.features[k])}).json()
        assert answer["score"] == kept.scores[k]


def test_a_forest_answers_as_its_scorer_does(forest):
    model = forest.registry.load(NAME, "champion", FraudParameters)
    rows = some_rows(50)
    answer = forest.post("/predictions", {"feature_vectors": rows.tolist()}).json()
    verdicts = answer["predictions"]
    assert [one["score"] for one in verdicts] == model.parameters.score(rows).tolist()
    assert [one["probability"] for one in verdicts] == model.parameters.probability(rows).tolist()
    assert {one["is_inlier"] for one in verdicts} == {True, False}
    assert forest.ask("GET", "/model_information").json()["detector"] == "isolation_forest"
    why = forest.post("/explain", {"feature_vector": rows[0].tolist()}).json()
    parts = sum(one["contribution"] for one in why["reasons"])
    assert parts == pytest.approx(why["score"] - why["base_score"], abs=1e-9)
    assert why["score"] == verdicts[0]["score"]


def test_names_may_come_in_any_order(world):
    row = some_rows(1)[0]
    there = world.post("/prediction", {"transaction": named(row)}).json()
    back = world.post("/prediction", {"transaction": dict(reversed(named(row).items()))}).json()
    assert there == back == world.post("/prediction", {"feature_vector": row.tolist()}).json()


def test_reasons_add_up_to_the_distance_from_the_base(world, model):
    rows = some_rows(5)
    rows[0, 2] = np.nan
    for row in rows:
        answer = world.post("/explain", {"transaction": named(row)}).json()
        parts = [one["contribution"] for one in answer["reasons"]]
        assert sum(parts) == pytest.approx(answer["score"] - answer["base_score"], abs=1e-9)
        assert [abs(part) for part in parts] == sorted(map(abs, parts), reverse=True)
        assert {one["feature"]: one["value"] for one in answer["reasons"]} == named(row)
        typical = dict(zip(FEATURES, model.parameters.parameters.typical, strict=True))
        assert {one["feature"]: one["typical"] for one in answer["reasons"]} == typical


def test_model_information_tells_what_a_client_must_know(world, model):
    told = world.ask("GET", "/model_information").json()
    assert told["features"] == list(FEATURES)
    assert (told["name"], told["version"], told["sha256"]) == (NAME, "1", model.ref.sha256)
    assert told["boundary"] == 0.2
    assert told["detector"] == "fraud_classifier"
    assert told["metrics"] == {"average_precision": 0.7}
    assert datetime.fromisoformat(told["trained_at"]) == datetime(2026, 11, 1, tzinfo=UTC)
    typical = [told["typical"][name] for name in told["features"]]
    same = world.post("/prediction", {"feature_vector": typical}).json()
    nothing = world.post("/prediction", {"transaction": dict.fromkeys(FEATURES)}).json()
    assert same["score"] == nothing["score"]


def test_several_models_are_asked_for_by_name(tmp_path):
    two = World(tmp_path, linear_model(), models=f"{NAME},vectors")
    put(two.registry, linear_model(3, ["v1", "v2"]), "vectors")
    assert two.ask("GET", "/ready").status_code == 503
    two.following.refresh()
    assert two.ask("GET", "/ready").status_code == 200
    asked = two.post("/prediction?name=vectors", {"feature_vector": [0.5, 1.5]})
    assert asked.json()["model"]["name"] == "vectors"
    assert two.post("/prediction", {"feature_vector": [0.5] * D}).json()["model"]["name"] == NAME
    assert two.post("/prediction?name=other", {"feature_vector": [0.5]}).status_code == 404


def test_predictions_and_requests_are_counted(tmp_path):
    own = World(tmp_path, linear_model())
    rows = some_rows(50).tolist()
    verdicts = own.post("/predictions", {"feature_vectors": rows}).json()["predictions"]
    inliers = sum(one["is_inlier"] for one in verdicts)
    own.post("/prediction", {"feature_vector": [1.0]})
    own.ask("GET", "/no/such/path")
    count = "eddy_serving_predictions_total"
    assert own.metric(count, name=NAME, verdict="inlier") == inliers
    assert own.metric(count, name=NAME, verdict="outlier") == 50 - inliers
    count = "eddy_serving_requests_total"
    assert own.metric(count, route="/predictions", status="200") == 1
    assert own.metric(count, route="/prediction", status="422") == 1
    assert own.metric(count, route="other", status="404") == 1
    shown = own.ask("GET", "/metrics")
    assert shown.headers["content-type"].startswith("text/plain")
    assert "eddy_serving_batch_rows_sum 50.0" in shown.text
