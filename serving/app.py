"""The application: routes, errors and the guard around them. Building it runs nothing."""

from typing import Any

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from eddy.serving import answers
from eddy.serving.config import ServingConfig
from eddy.serving.following import Following
from eddy.serving.guard import Guard
from eddy.serving.metrics import ServingMetrics
from eddy.serving.openapi import OPENAPI, Description, errors
from eddy.serving.problems import Refused
from eddy.serving.service import Service

_DETAILS = {
    404: f"nothing is there; {OPENAPI} tells what is",
    405: "the path takes another method, see the Allow header",
}
_BODY = (400, 401, 404, 408, 413, 415, 422, 503)


def build(config: ServingConfig, following: Following, metrics: ServingMetrics) -> ASGIApp:
    """Return the application of a service, to be run by an ASGI server.

    Parameters
    ----------
    config : ServingConfig
    following : Following
        Gives the models; started and stopped by whoever made it.
    metrics : ServingMetrics
        Shown on ``/metrics``.
    """
    service = Service(config, following, metrics)
    app = FastAPI(
        title="Eddy predictions",
        version="1",
        description="Judges rows of features with the champion of the model registry.",
        openapi_url=None,
        docs_url=None,  # its page would load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_routes(app, service)
    _add_description(app, Description(app, config, following))
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _defect)
    return Guard(
        app,
        config,
        routes=[route.path for route in app.routes if hasattr(route, "path")],
        body_limits={"/predictions": config.max_batch_bytes},
        metrics=metrics,
    )


def _add_routes(app: FastAPI, service: Service) -> None:
    def add(method: str, handler: Any, answer: Any, *statuses: int) -> None:
        app.add_api_route(
            f"/{handler.__name__}",
            handler,
            methods=[method],
            response_model=answer,
            responses=errors(*statuses),
            summary=handler.__doc__.partition("\n")[0].rstrip("."),
        )

    add("GET", service.model_information, answers.ModelInformation, 401, 404, 408, 503)
    add("POST", service.prediction, answers.Prediction, *_BODY)
    add("POST", service.predictions, answers.Predictions, *_BODY)
    add("POST", service.explain, answers.Explanation, *_BODY)
    add("GET", service.live, answers.HealthAnswer)
    add("GET", service.ready, answers.HealthAnswer, 503)
    add("GET", service.metrics, None, 401)


def _add_description(app: FastAPI, description: Description) -> None:
    async def openapi() -> Response:
        return JSONResponse(description.document())

    app.add_api_route(OPENAPI, openapi, include_in_schema=False)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return error.response()


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = _DETAILS.get(error.status_code, str(error.detail))
    return Refused(error.status_code, detail, headers=error.headers).response()


async def _defect(_: Request, error: Exception) -> Response:  # noqa: ARG001 - the guard logs it
    return Refused(500, "a defect; it is in the log").response()
