"""Bad input is answered with a problem that names the field, and says nothing back."""

import json

import pytest

from eddy.models.features.names import FEATURES
from eddy.serving.problems import MOST_ERRORS
from tests.support.serving_world import World, linear_model

D = len(FEATURES)
ZEROS = ", ".join(["0"] * (D - 1))
CARD = "4111111111111111"
WHOLE = dict.fromkeys(FEATURES, 0.5)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("models"), linear_model(), max_rows=5)


def problem_of(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem["detail"]
    return problem


def fields_of(answer):
    return [one["field"] for one in problem_of(answer, 422)["errors"]]


NUMBERS = ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" + "0" * 400, "1.1e15", "null",
           '"1"', "true", "{}", "[1]"]  # fmt: skip


@pytest.mark.parametrize("written", NUMBERS)
@pytest.mark.parametrize("route", ["/prediction", "/explain"])
def test_what_is_no_finite_number_is_named(world, route, written):
    body = f'{{"feature_vector": [0, 0, 0, {written}, {", ".join(["0"] * (D - 4))}]}}'.encode()
    assert fields_of(world.post(route, body)) == ["feature_vector[3]"]


@pytest.mark.parametrize("written", [one for one in NUMBERS if one != "null"])
def test_named_features_too(world, written):
    features = json.dumps({**WHOLE, "is_night": 0}).replace(
        '"is_night": 0', f'"is_night": {written}'
    )
    body = f'{{"transaction": {features}}}'.encode()
    assert fields_of(world.post("/prediction", body)) == ["transaction.is_night"]


@pytest.mark.parametrize("written", NUMBERS)
def test_and_those_of_a_batch(world, written):
    body = f'{{"feature_vectors": [[0, {ZEROS}], [{written}, {ZEROS}]]}}'.encode()
    assert fields_of(world.post("/predictions", body)) == ["feature_vectors[1][0]"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "feature_vector"),
        ({"score": True}, "feature_vector"),
        ({"feature_vector": [0.5] * D, "transaction": WHOLE}, "feature_vector"),
        ({"feature_vector": [0.5] * (D - 1)}, "feature_vector"),
        ({"feature_vector": [0.5] * (D + 1)}, "feature_vector"),
        ({"feature_vector": []}, "feature_vector"),
        ({"feature_vector": {}}, "feature_vector"),
        ({"feature_vector": None}, "feature_vector"),
        ({"feature_vector": [0.5] * D, "score": 1}, "score"),
        ({"feature_vector": [0.5] * D, "score": None}, "score"),
        ({"feature_vector": [0.5] * D, "Score": True}, "Score"),
        ({"transaction": {**WHOLE, "is_nite": 1}}, "transaction.is_nite"),
        ({"transaction": {k: v for k, v in WHOLE.items() if k != "amount"}}, "transaction.amount"),
        ({"transaction": [0.5] * D}, "transaction"),
        ([], "body"),
        (None, "body"),
        (1.5, "body"),
        ("text", "body"),
    ],
)
def test_what_is_not_asked_for_is_named(world, body, field):
    assert fields_of(world.post("/prediction", json.dumps(body).encode())) == [field]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"feature_vectors": []}, "feature_vectors"),
        ({"feature_vectors": [[0.5] * D] * 6}, "feature_vectors"),
        ({"feature_vectors": [[0.5] * D, [0.5]]}, "feature_vectors[1]"),
        ({"feature_vectors": [0.5] * D}, "feature_vectors[0]"),
        ({"feature_vector": [0.5] * D}, "feature_vector"),
        ({"transactions": [WHOLE, {}]}, "transactions[1].amount"),
        ({"transactions": [WHOLE, 3]}, "transactions[1]"),
    ],
)
def test_a_batch_names_the_row(world, body, field):
    assert fields_of(world.post("/predictions", body))[0] == field


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b"\xff\xfe", b'{"feature_vector": [1,]}', b'{"a": "\\ud800"}',
     b"[" * 50_000, b'{"feature_vector": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
     b'{"feature_vector": [1' + b"0" * 9_000 + b"]}", b"{} {}", b"\xef\xbb\xbf{}"],
)  # fmt: skip
@pytest.mark.parametrize("route", ["/prediction", "/predictions", "/explain"])
def test_what_is_not_json_is_400(world, route, body):
    problem_of(world.post(route, body), 400)


@pytest.mark.parametrize(
    "body",
    [
        {"feature_vector": [CARD] * D},
        {"feature_vector": [float(CARD)] * D},
        {CARD: 1, "feature_vector": [0.5] * D},
        {"transaction": {**WHOLE, CARD: 1, f"card_{CARD}": 2, f"c{CARD[:8]}_{CARD[8:]}": 3}},
        {"transaction": {**WHOLE, "amount": CARD}},
        {"score": CARD, "feature_vector": [0.5] * D},
    ],
)
def test_nothing_of_the_body_is_said_back(world, body):
    answer = world.post("/prediction", body)
    assert problem_of(answer, 422)["errors"]
    assert CARD[:8] not in answer.text


def test_not_every_wrong_field_is_listed(world):
    unknown = {f"x{k}": 1.0 for k in range(500)}
    assert len(fields_of(world.post("/prediction", {"transaction": unknown}))) == MOST_ERRORS
    extra = {"feature_vector": [0.5] * D, **unknown}
    assert len(fields_of(world.post("/prediction", extra))) == MOST_ERRORS


def test_paths_and_methods_there_are_none_of(world):
    problem_of(world.ask("GET", "/"), 404)
    problem_of(world.ask("GET", "/live/"), 404)
    problem_of(world.ask("GET", "/model_information?name=other"), 404)
    for path, allowed in [("/prediction", "POST"), ("/live", "GET"), ("/openapi.json", "GET")]:
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - {allowed}:
            answer = world.ask(method, path)
            problem_of(answer, 405)
            assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "json"])
def test_a_body_that_does_not_say_it_is_json(world, kind):
    body = json.dumps({"feature_vector": [0.5] * D}).encode()
    problem_of(world.ask("POST", "/prediction", content=body, headers={"content-type": kind}), 415)


def test_json_with_a_charset_is_json(world):
    body = json.dumps({"feature_vector": [0.5] * D}).encode()
    kind = {"content-type": "Application/JSON; charset=utf-8"}
    assert world.ask("POST", "/prediction", content=body, headers=kind).status_code == 200


def test_numbers_at_the_edge_have_a_score(world):
    for number in (1e15, -1e15, 5e-324, -0.0):
        assert world.post("/prediction", {"feature_vector": [number] * D}).status_code == 200
        assert world.post("/explain", {"feature_vector": [number] * D}).status_code == 200
