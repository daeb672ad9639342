"""The interface's description: of the models in use, with examples that they answer."""

import hashlib

import jsonschema
import pytest

from eddy.models.features.names import FEATURES
from tests.support.serving_world import World, linear_model, put

ROUTES = {
    "/model_information": "get",
    "/prediction": "post",
    "/predictions": "post",
    "/explain": "post",
    "/live": "get",
    "/ready": "get",
    "/metrics": "get",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("models"), linear_model())


@pytest.fixture(scope="module")
def document(world):
    return world.ask("GET", "/openapi.json").json()


def content_of(described):
    ((_, content),) = described["content"].items()
    return content


def test_every_route_is_described_with_examples(document):
    assert {path: list(item) for path, item in document["paths"].items()} == {
        path: [method] for path, method in ROUTES.items()
    }
    for path, method in ROUTES.items():
        operation = document["paths"][path][method]
        assert operation["summary"]
        for status, answer in operation["responses"].items():
            assert "example" in content_of(answer), (path, status)
        if method == "post":
            assert "example" in content_of(operation["requestBody"])


def test_examples_are_what_the_service_answers(world, document):
    for path, method in ROUTES.items():
        operation = document["paths"][path][method]
        expected = content_of(operation["responses"]["200"])["example"]
        if path == "/metrics":
            continue
        if method == "get":
            assert world.ask("GET", path).json() == expected
        else:
            asked = content_of(operation["requestBody"])
            asked_schema = {**asked["schema"], "components": document["components"]}
            jsonschema.validate(asked["example"], asked_schema)
            assert world.post(path, asked["example"]).json() == expected


def test_examples_of_problems_are_problems(document):
    for path, method in ROUTES.items():
        for status, answer in document["paths"][path][method]["responses"].items():
            if status != "200":
                content = content_of(answer)
                schema = {**content["schema"], "components": document["components"]}
                jsonschema.validate(content["example"], schema)
                assert content["example"]["status"] == int(status)


def test_a_request_is_described_as_the_model_wants_it(world, document):
    one = document["components"]["schemas"]["OneRow"]["properties"]
    assert one["feature_vector"]["minItems"] == one["feature_vector"]["maxItems"] == len(FEATURES)
    assert one["transaction"]["required"] == list(FEATURES)
    many = document["components"]["schemas"]["ManyRows"]["properties"]
    assert many["transactions"]["maxItems"] == world.config.max_rows


def test_another_model_is_described_anew(tmp_path):
    world = World(tmp_path, linear_model())
    before = world.ask("GET", "/openapi.json").json()
    assert world.ask("GET", "/openapi.json").json() == before
    put(world.registry, linear_model(1, ["amount", "v1"]))
    world.following.refresh()
    after = world.ask("GET", "/openapi.json").json()["components"]["schemas"]["OneRow"]
    assert after["properties"]["transaction"]["required"] == ["amount", "v1"]


def test_a_token_is_described_where_one_is_asked_for(tmp_path, document):
    assert "securitySchemes" not in document["components"]
    assert not any("security" in item[ROUTES[path]] for path, item in document["paths"].items())


def test_docs_is_a_page_of_every_route_that_loads_nothing(world, document):
    answer = world.ask("GET", "/docs")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    for path, method in ROUTES.items():
        assert f"{method.upper()} {path}<" in answer.text
    assert "transactions" in answer.text
    assert "<script" not in answer.text
    assert "http:" not in answer.text
    assert "https:" not in answer.text


def test_docs_without_a_model_and_with_a_token(tmp_path):
    digest = hashlib.sha256(b"secret").hexdigest()
    closed = World(tmp_path, token_sha256=digest)
    assert closed.ask("GET", "/docs").status_code == 401
    answer = closed.ask("GET", "/docs", headers={"authorization": "Bearer secret"})
    assert answer.status_code == 200
    assert "POST /prediction<" in answer.text
