"""The description of the interface: what the models in use want, with examples that they answer."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from eddy.serving import judging
from eddy.serving.answers import HealthAnswer
from eddy.serving.config import ServingConfig
from eddy.serving.following import Following
from eddy.serving.guard import PROBES
from eddy.serving.problems import MEDIA_TYPE, FieldError, Problem, Refused
from eddy.serving.requests import LARGEST, ManyRows, OneRow
from eddy.serving.served import Served

OPENAPI = "/openapi.json"

_BODIES: dict[str, type[BaseModel]] = {
    "/prediction": OneRow,
    "/predictions": ManyRows,
    "/explain": OneRow,
}
_ERRORS: dict[int, str] = {
    400: "the body is not JSON: EOF while parsing a value at line 1 column 0",
    401: "give a bearer token in the Authorization header",
    404: "no such model; there are transactions",
    408: "the body did not come in time",
    413: "the body is larger than 65536 bytes",
    415: "send JSON, with the header Content-Type: application/json",
    422: "the body is JSON, but not what is asked for; see errors",
    503: "no model yet: transactions",
}
_WRONG = [FieldError(field="feature_vector[3]", message="Input should be a finite number")]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the description of problems, with an example each."""
    described: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        refused = Refused(status, _ERRORS[status], _WRONG if status == 422 else ())
        content = {
            "schema": {"$ref": "#/components/schemas/Problem"},
            "example": refused.problem().model_dump(exclude_none=True),
        }
        described[status] = {"description": refused.title, "content": {MEDIA_TYPE: content}}
    if 401 in described:
        described[401]["headers"] = {
            "WWW-Authenticate": {"required": True, "schema": {"type": "string"}}
        }
    return described


class Description:
    """The OpenAPI document, made anew when other models are in use."""

    def __init__(self, app: FastAPI, config: ServingConfig, following: Following) -> None:
        self._app = app
        self._config = config
        self._following = following
        self._made: tuple[tuple[str, ...], dict[str, Any]] | None = None

    def document(self) -> dict[str, Any]:
        """Return the document for the models in use."""
        served = list(self._served())
        key = tuple(one.ref.sha256 for one in served)
        if self._made is None or self._made[0] != key:
            self._made = key, self._make(served)
        return self._made[1]

    def _served(self) -> Iterator[Served]:
        for name in self._following.names:
            if (served := self._following.served(name)) is not None:
                yield served

    def _make(self, served: list[Served]) -> dict[str, Any]:
        app = self._app
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schemas["FieldError"] = FieldError.model_json_schema()
        schemas["Problem"] = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas["Problem"].pop("$defs")
        for path, asked in _BODIES.items():
            schemas[asked.__name__] = self._asked(asked, served)
            content = {"schema": {"$ref": f"#/components/schemas/{asked.__name__}"}}
            document["paths"][path]["post"]["requestBody"] = {
                "required": True,
                "content": {"application/json": content},
            }
        for path, item in document["paths"].items():
            for operation in item.values():
                self._complete(operation, path)
        _add_examples(document["paths"], served)
        if self._config.token_hashes:
            bearer = {"type": "http", "scheme": "bearer"}
            document["components"]["securitySchemes"] = {"bearer": bearer}
        return document

    def _complete(self, operation: dict[str, Any], path: str) -> None:
        for parameter in operation.get("parameters", ()):
            parameter["schema"] = {"type": "string", "enum": self._following.names}
        # FastAPI says so of every route with a parameter; here only bodies are refused so
        if path not in _BODIES:
            operation["responses"].pop("422", None)
        if path == "/metrics":
            operation["responses"]["200"]["content"] = {
                "text/plain": {
                    "schema": {"type": "string"},
                    "example": 'eddy_serving_requests_total{route="/prediction",status="200"} 1.0',
                }
            }
        if self._config.token_hashes and path not in PROBES:
            operation["security"] = [{"bearer": []}]

    def _asked(self, asked: type[BaseModel], served: list[Served]) -> dict[str, Any]:
        """Return the schema of a request, as narrow as the models in use are."""
        schema = asked.model_json_schema()
        vector, named = _vector(served), _named(served)
        many = {"type": "array", "minItems": 1, "maxItems": self._config.max_rows}
        shapes = {
            "feature_vector": vector,
            "transaction": named,
            "feature_vectors": {**many, "items": vector},
            "transactions": {**many, "items": named},
            "score": {"type": "boolean", "default": False},
        }
        schema["properties"] = {
            name: {**shapes[name], "description": field["description"]}
            for name, field in schema["properties"].items()
        }
        schema["oneOf"] = [{"required": [name]} for name in schema["properties"] if name != "score"]
        return schema


def _vector(served: list[Served]) -> dict[str, Any]:
    number = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
    lengths = [len(one.features) for one in served]
    bounds = {"minItems": min(lengths), "maxItems": max(lengths)} if lengths else {}
    return {"type": "array", "items": number, **bounds}


def _named(served: list[Served]) -> dict[str, Any]:
    number = {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
    if len(served) != 1:
        return {"type": "object", "additionalProperties": number}
    names = served[0].features
    return {
        "type": "object",
        "properties": dict.fromkeys(names, number),
        "required": names,
        "additionalProperties": False,
    }


def _add_examples(paths: dict[str, Any], served: list[Served]) -> None:
    """Add examples: real ones of the first model in use."""
    _answer(paths["/live"]["get"], HealthAnswer(ok=True, detail="answers"))
    _answer(paths["/ready"]["get"], HealthAnswer(ok=True, detail="models: transactions"))
    if not served:
        return
    first = served[0]
    vector = list(first.scorer.parameters.typical)
    row = np.array([vector], np.float64)
    _answer(paths["/model_information"]["get"], judging.information(first))
    one = paths["/prediction"]["post"]
    _ask(one, {"feature_vector": vector, "score": True})
    _answer(one, judging.predict_one(first, row, with_score=True))
    many = paths["/predictions"]["post"]
    _ask(many, {"feature_vectors": [vector]})
    _answer(many, judging.predict_many(first, row, with_score=False))
    why = paths["/explain"]["post"]
    _ask(why, {"transaction": dict(zip(first.features, vector, strict=True))})
    _answer(why, judging.explain(first, row))


def _ask(operation: dict[str, Any], example: dict[str, Any]) -> None:
    operation["requestBody"]["content"]["application/json"]["example"] = example


def _answer(operation: dict[str, Any], answer: BaseModel) -> None:
    content = operation["responses"]["200"]["content"]["application/json"]
    content["example"] = answer.model_dump(mode="json", exclude_unset=True)
