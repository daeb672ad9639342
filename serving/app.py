"""The application: routes, errors and the guard around them. Building it runs nothing."""

from typing import Any

import orjson
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from eddy.serving import answers, problems
from eddy.serving.config import ServingConfig
from eddy.serving.following import Following
from eddy.serving.guard import Guard
from eddy.serving.metrics import ServingMetrics
from eddy.serving.openapi import Description, body, errors
from eddy.serving.page import CONTENT_SECURITY_POLICY, page
from eddy.serving.requests import ManyRows, OneRow
from eddy.serving.service import Service

_BODY = (400, 401, 404, 408, 413, 415, 422, 503)


def build(config: ServingConfig, following: Following, metrics: ServingMetrics) -> ASGIApp:
    """Return the application of a service, to be run by an ASGI server.

    Parameters
    ----------
    config : ServingConfig
    following : Following
        Gives the models; the caller starts and stops it.
    metrics : ServingMetrics
        Shown on ``/metrics``.
    """
    app = FastAPI(
        title="Eddy predictions",
        version="1",
        description="Judges rows of features with the champion of the model registry.",
        openapi_url=None,  # a route of ours: the document follows the models in use
        docs_url=None,  # its page would load scripts from elsewhere; /docs is a page of ours
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            HTTPException: problems.handle_http_error,
            RequestValidationError: problems.handle_invalid_request,
            Exception: problems.handle_defect,
        },
    )
    _add_routes(app, Service(config, following, metrics))
    _add_description(app, Description(app, config, following))
    return Guard(
        app,
        config,
        routes=[route.path for route in app.routes if hasattr(route, "path")],
        body_limits={"/predictions": config.max_batch_bytes},
        metrics=metrics,
    )


def _add_routes(app: FastAPI, service: Service) -> None:
    def add(method: str, handler: Any, answer: Any, *statuses: int, **options: Any) -> None:
        app.add_api_route(
            f"/{handler.__name__}",
            handler,
            methods=[method],
            response_model=answer,
            responses=errors(*statuses),
            summary=handler.__doc__.partition("\n")[0].rstrip("."),
            **options,
        )

    one_row, many_rows = {"openapi_extra": body(OneRow)}, {"openapi_extra": body(ManyRows)}
    add("GET", service.model_information, answers.ModelInformation, 401, 404, 408, 503)
    add("POST", service.prediction, answers.Prediction, *_BODY, **one_row)
    add("POST", service.predictions, answers.Predictions, *_BODY, **many_rows)
    add("POST", service.explain, answers.Explanation, *_BODY, **one_row)
    add("GET", service.live, answers.HealthAnswer)
    add("GET", service.ready, answers.HealthAnswer, 503)
    add("GET", service.metrics, None, 401, response_class=PlainTextResponse)


def _add_description(app: FastAPI, description: Description) -> None:
    async def openapi() -> Response:
        return Response(
            orjson.dumps(description.document(), option=orjson.OPT_UTC_Z),
            media_type="application/json",
        )

    async def docs() -> Response:
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        return HTMLResponse(page(description.document(), "openapi.json"), headers=headers)

    app.add_api_route(problems.OPENAPI, openapi, include_in_schema=False)
    app.add_api_route("/docs", docs, include_in_schema=False)
