"""Requests: one row or many, as vectors or as named features."""

from typing import Annotated, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from eddy.serving.problems import RequestRefused

MOST_FEATURES = 1_024
"""The longest row."""

LARGEST = 1e15
"""Numbers lie within plus and minus this: no sum of a model overflows."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=-LARGEST, le=LARGEST)]
Flag = Annotated[bool, Field(strict=True)]
Vector = Annotated[list[Number], FailFast(), Field(max_length=MOST_FEATURES)]
Named = Annotated[dict[str, Number | None], Field(max_length=MOST_FEATURES)]

_STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True)
_VECTOR = "The features in the model's order, see /model_information."
_NAMED = "Every feature by its name; null where it is not known: the typical value counts then."
_SCORE = "Whether to answer anomaly_score (and anomoly_score, as the first service spelled it)."


class OneRow(BaseModel):
    """One row: either `feature_vector` or `transaction`."""

    model_config = _STRICT

    feature_vector: Vector = Field(default=[], description=_VECTOR)
    transaction: Named = Field(default={}, description=_NAMED)
    score: Flag = Field(default=False, description=_SCORE)


class ManyRows(BaseModel):
    """Many rows: either `feature_vectors` or `transactions`."""

    model_config = _STRICT

    feature_vectors: Annotated[list[Vector], FailFast()] = Field(default=[], description=_VECTOR)
    transactions: Annotated[list[Named], FailFast()] = Field(default=[], description=_NAMED)
    score: Flag = Field(default=False, description=_SCORE)


Body = TypeVar("Body", OneRow, ManyRows)


def parse(body_type: type[Body], body: bytes) -> Body:
    """Return the request in a body.

    pydantic reads the bytes itself: FastAPI's own way, `json.loads` and then the validation of
    Python objects, takes four times as long for a batch, and lets a byte order mark through.

    Raises
    ------
    RequestValidationError
        The body is no JSON, or has other fields or values.
    """
    try:
        return body_type.model_validate_json(body)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False, include_input=False)
        raise RequestValidationError(details) from None


async def json_bytes(request: Request) -> bytes:
    """Return the body of a request that is labelled as JSON, not yet read as such.

    Raises
    ------
    RequestRefused
        415, the label is another or there is none.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RequestRefused(415, "send JSON, with the header Content-Type: application/json")
    return await request.body()
