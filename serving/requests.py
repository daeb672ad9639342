"""What may be asked: one row or many, as vectors or as named features."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from eddy.serving.problems import refusal

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


def one_row(body: bytes) -> OneRow:
    """Return the request in a body; `eddy.serving.problems.Refused` where it is none."""
    try:
        return OneRow.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error) from None


def many_rows(body: bytes) -> ManyRows:
    """Return the request in a body; `eddy.serving.problems.Refused` where it is none."""
    try:
        return ManyRows.model_validate_json(body)
    except ValidationError as error:
        raise refusal(error) from None
