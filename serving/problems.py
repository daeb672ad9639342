"""Errors as problem details (RFC 9457); what a body held is never said back."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20
"""More wrong fields than that are not listed."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
# A key of a body is content too: no feature has so many digits in its name, but a card has.
_DIGITS = re.compile(r"(?:[0-9]_?){6}")


class FieldError(BaseModel):
    """What is wrong with one field."""

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


class Refused(Exception):
    """A request is answered with a problem instead.

    Parameters
    ----------
    status : int
        The HTTP status.
    detail : str
        What is wrong and what to do; never holds what the body held.
    errors : sequence of FieldError
        The fields, where it is fields that are wrong.
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
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors[:MOST_ERRORS])
        self.headers = dict(headers or {})

    @property
    def title(self) -> str:
        """The status in words."""
        return HTTPStatus(self.status).phrase

    def problem(self) -> Problem:
        """Return the body of the answer."""
        return Problem(
            type="about:blank",
            title=self.title,
            status=self.status,
            detail=self.detail,
            errors=self.errors or None,
        )

    def response(self) -> Response:
        """Return the answer."""
        body = self.problem().model_dump_json(exclude_none=True)
        return Response(body, self.status, self.headers, MEDIA_TYPE)


def unprocessable(errors: Sequence[FieldError]) -> Refused:
    """Return the refusal of a body whose fields are wrong."""
    return Refused(422, "the body is JSON, but not what is asked for; see errors", errors)


def refusal(error: ValidationError) -> Refused:
    """Return the refusal of a body that is not the struct asked for."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return Refused(400, f"the body is not JSON: {found[0]['msg']}")
    return unprocessable(
        [FieldError(field=place(one["loc"]), message=one["msg"]) for one in found[:MOST_ERRORS]]
    )


def place(location: Sequence[int | str]) -> str:
    """Return how a field is called in errors: ``feature_vector[3]``, ``transaction.amount``."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            name += ("." if name else "") + shown(part)
    return name or "body"


def shown(key: str) -> str:
    """Return a key of a body as it may be repeated."""
    return key if _NAME.fullmatch(key) and not _DIGITS.search(key) else "(withheld)"
