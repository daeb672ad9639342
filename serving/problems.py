"""Errors as problem details (RFC 9457); an answer never repeats any part of a body."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

OPENAPI = "/openapi.json"

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
"""More wrong fields than that are not listed."""

_ROUTER_DETAILS = {
    404: f"nothing is there; {OPENAPI} tells what is",
    405: "the path takes another method, see the Allow header",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# A key of a body is content too: no feature has so many digits in its name, but a card number has.
_DIGITS = re.compile(r"(?:[0-9]_?){6}")


class FieldError(BaseModel):
    """An error in one field."""

    field: str = Field(description="Such as feature_vector[3]; body where it is the whole.")
    message: str


class Problem(BaseModel):
    """Problem details as in RFC 9457."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": False})

    type: str = Field(description="about:blank: the status says what kind of problem it is.")
    title: str
    status: int
    detail: str
    errors: list[FieldError] | None = None


class RequestRefused(HTTPException):
    """A request is answered with a problem instead.

    Parameters
    ----------
    status : int
        The HTTP status.
    detail : str
        What is wrong and what to do; never repeats any part of the body.
    errors : sequence of FieldError
        The fields, where fields are wrong.
    headers : mapping of str to str
        Of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers)
        self.errors = list(errors[:MOST_ERRORS])

    def problem(self) -> Problem:
        """Return the body of the answer."""
        return Problem(
            type="about:blank",
            title=HTTPStatus(self.status_code).phrase,
            status=self.status_code,
            detail=self.detail,
            errors=self.errors or None,
        )

    def response(self) -> Response:
        """Return the answer."""
        body = self.problem().model_dump_json(exclude_none=True)
        return Response(body, self.status_code, self.headers, MEDIA_TYPE)


def unprocessable(errors: Sequence[FieldError]) -> RequestRefused:
    """Return the refusal of a body whose fields are wrong."""
    return RequestRefused(422, "the body is JSON, but not what is asked for; see errors", errors)


async def handle_http_error(_: Request, error: HTTPException) -> Response:
    """Answer what a route or the router itself refused."""
    if isinstance(error, RequestRefused):
        return error.response()
    detail = _ROUTER_DETAILS.get(error.status_code, error.detail)
    return RequestRefused(error.status_code, detail, headers=error.headers).response()


async def handle_invalid_request(_: Request, error: RequestValidationError) -> Response:
    """Answer a body that is not the one the route asks for."""
    details = error.errors()
    if details[0]["type"] == "json_invalid":
        return RequestRefused(400, f"the body is not JSON: {details[0]['msg']}").response()
    errors = [
        FieldError(field=field_name(detail["loc"]), message=detail["msg"])
        for detail in details[:MOST_ERRORS]
    ]
    return unprocessable(errors).response()


async def handle_defect(_: Request, __: Exception) -> Response:
    """Answer a defect, which `eddy.serving.guard` logs."""
    return RequestRefused(500, "a defect; it is in the log").response()


def field_name(location: Sequence[int | str]) -> str:
    """Return the name of a field in errors: ``feature_vector[3]``, ``transaction.amount``."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            name += ("." if name else "") + repeatable(part)
    return name or "body"


def repeatable(key: str) -> str:
    """Return a key of a body where it may be repeated, else a stand-in."""
    return key if _NAME.fullmatch(key) and not _DIGITS.search(key) else "(withheld)"
