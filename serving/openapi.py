"""The description of the interface: requests as narrow as the models in use, with live examples."""

from collections.abc import Mapping
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
from eddy.serving.problems import MEDIA_TYPE, FieldError, Problem, RequestRefused
from eddy.serving.requests import LARGEST, ManyRows, OneRow
from eddy.serving.served import Served

JsonObject = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
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
_FIELD_ERRORS = [FieldError(field="feature_vector[3]", message="Input should be a finite number")]
_METRICS = 'eddy_serving_requests_total{route="/prediction",status="200"} 1.0'


def errors(*statuses: int) -> dict[int | str, JsonObject]:
    """Return the description of problems, with an example each."""
    described: dict[int | str, JsonObject] = {}
    for status in statuses:
        problem = RequestRefused(
            status, _ERRORS[status], _FIELD_ERRORS if status == 422 else ()
        ).problem()
        content = {
            "schema": {"$ref": f"{_SCHEMAS}Problem"},
            "example": problem.model_dump(exclude_none=True),
        }
        described[status] = {"description": problem.title, "content": {MEDIA_TYPE: content}}
    if 401 in described:
        described[401]["headers"] = {
            "WWW-Authenticate": {"required": True, "schema": {"type": "string"}}
        }
    return described


def body(body_type: type[BaseModel]) -> JsonObject:
    """Return the description of a route's body: routes read it themselves."""
    content = {"schema": {"$ref": f"{_SCHEMAS}{body_type.__name__}"}}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


class Description:
    """The OpenAPI document, built again when other models are in use."""

    def __init__(self, app: FastAPI, config: ServingConfig, following: Following) -> None:
        self._app = app
        self._config = config
        self._following = following
        self._document: JsonObject = {}
        self._hashes: list[str] | None = None

    def document(self) -> JsonObject:
        """Return the document for the models in use."""
        models = [self._following.served(name) for name in self._following.names]
        in_use = [model for model in models if model is not None]
        hashes = [model.ref.sha256 for model in in_use]
        if self._hashes != hashes:
            self._document, self._hashes = self._build(in_use), hashes
        return self._document

    def _build(self, models: list[Served]) -> JsonObject:
        app = self._app
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        components, paths = document["components"], document["paths"]
        # FastAPI describes this answer for every route with a parameter; ours is another
        paths["/model_information"]["get"]["responses"].pop("422")
        components["schemas"] = {
            **{name: s for name, s in components["schemas"].items() if "Validation" not in name},
            "FieldError": FieldError.model_json_schema(),
            "Problem": Problem.model_json_schema(ref_template=_SCHEMAS + "{model}"),
            "OneRow": self._body_schema(OneRow, models),
            "ManyRows": self._body_schema(ManyRows, models),
        }
        components["schemas"]["Problem"].pop("$defs")
        for path, item in paths.items():
            for operation in item.values():
                for parameter in operation.get("parameters", ()):
                    parameter["schema"] = {"type": "string", "enum": self._following.names}
                if self._config.token_hashes and path not in PROBES:
                    operation["security"] = [{"bearer": []}]
        if self._config.token_hashes:
            components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
        _add_examples(paths, models)
        return document

    def _body_schema(self, body_type: type[BaseModel], models: list[Served]) -> JsonObject:
        """Return the schema of a body, as narrow as the models in use are."""
        schema = body_type.model_json_schema()
        vector, named = _vector(models), _named(models)
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


def _vector(models: list[Served]) -> JsonObject:
    number = {"type": "number", "minimum": -LARGEST, "maximum": LARGEST}
    lengths = [len(model.features) for model in models]
    bounds = {"minItems": min(lengths), "maxItems": max(lengths)} if lengths else {}
    return {"type": "array", "items": number, **bounds}


def _named(models: list[Served]) -> JsonObject:
    number = {"type": ["number", "null"], "minimum": -LARGEST, "maximum": LARGEST}
    if len(models) != 1:
        return {"type": "object", "additionalProperties": number}
    names = models[0].features
    return {
        "type": "object",
        "properties": dict.fromkeys(names, number),
        "required": names,
        "additionalProperties": False,
    }


def _add_examples(paths: JsonObject, models: list[Served]) -> None:
    """Add examples, which the first model in use answers."""

    def add(route: str, answer: Mapping[str, Any] | str, request: JsonObject | None = None) -> None:
        method, path = route.split()
        operation = paths[path][method]
        (content,) = operation["responses"]["200"]["content"].values()
        content["example"] = answer
        if request is not None:
            operation["requestBody"]["content"]["application/json"]["example"] = request

    add("get /live", HealthAnswer(ok=True, detail="answers"))
    add("get /ready", HealthAnswer(ok=True, detail="models: transactions"))
    add("get /metrics", _METRICS)
    if not models:
        return
    model = models[0]
    vector = list(model.scorer.parameters.typical)
    row = np.array([vector], np.float64)
    prediction = judging.predict_one(model, row, with_score=True)
    add("get /model_information", judging.information(model))
    add("post /prediction", prediction, {"feature_vector": vector, "score": True})
    predictions = judging.predict_many(model, row, with_score=False)
    add("post /predictions", predictions, {"feature_vectors": [vector]})
    named = dict(zip(model.features, vector, strict=True))
    add("post /explain", judging.explain(model, row), {"transaction": named})
