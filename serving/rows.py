"""From the body of a request to the rows a model scores."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from eddy.serving.problems import MOST_ERRORS, FieldError, RequestRefused, repeatable, unprocessable
from eddy.serving.requests import ManyRows, OneRow

Rows = NDArray[np.float64]


def of_one(body: OneRow, features: Sequence[str]) -> Rows:
    """Return the row of a request, shape (1, d).

    Raises
    ------
    RequestRefused
        422, naming the field.
    """
    if _given(body, "feature_vector", "transaction") == "feature_vector":
        return _of_vectors([body.feature_vector], features, ["feature_vector"])
    return _of_named([body.transaction], features, ["transaction"])


def of_many(body: ManyRows, features: Sequence[str], most: int) -> Rows:
    """Return the rows of a request, shape (n, d), at most `most`.

    Raises
    ------
    RequestRefused
        422, naming the field.
    """
    field = _given(body, "feature_vectors", "transactions")
    n = len(getattr(body, field))
    if not 1 <= n <= most:
        raise unprocessable([FieldError(field=field, message=f"1 to {most} rows; it has {n}")])
    names = [f"{field}[{k}]" for k in range(n)]
    if field == "feature_vectors":
        return _of_vectors(body.feature_vectors, features, names)
    return _of_named(body.transactions, features, names)


def _given(body: OneRow | ManyRows, vector: str, named: str) -> str:
    """Return which of two fields the body has."""
    fields = body.model_fields_set & {vector, named}
    if len(fields) != 1:
        problem = "not both" if fields else "neither is given"
        message = f"either {vector} or {named}; {problem}"
        raise unprocessable([FieldError(field=vector, message=message)])
    return fields.pop()


def _of_vectors(
    rows: Sequence[Sequence[float]], features: Sequence[str], names: Sequence[str]
) -> Rows:
    d = len(features)
    errors = [
        FieldError(field=name, message=f"the model wants {d} values; it has {len(row)}")
        for row, name in zip(rows, names, strict=True)
        if len(row) != d
    ]
    if errors:
        raise unprocessable(errors)
    return np.array(rows, np.float64).reshape(len(rows), d)


def _of_named(
    rows: Sequence[Mapping[str, float | None]], features: Sequence[str], names: Sequence[str]
) -> Rows:
    feature_names = set(features)
    errors: list[FieldError] = []
    for row, name in zip(rows, names, strict=True):
        if row.keys() != feature_names:
            errors += _misnamed(row, features, name)
        if len(errors) >= MOST_ERRORS:
            break
    if errors:
        raise unprocessable(errors)
    # numpy makes NaN of None: not known
    return np.array([[row[name] for name in features] for row in rows], np.float64)


def _misnamed(
    row: Mapping[str, float | None], features: Sequence[str], name: str
) -> list[FieldError]:
    absent = [key for key in features if key not in row]
    unknown = [key for key in row if key not in set(features)]
    return [
        *(FieldError(field=f"{name}.{key}", message="missing; null: not known") for key in absent),
        *(
            FieldError(field=f"{name}.{repeatable(key)}", message="the model has no such feature")
            for key in unknown
        ),
    ]


def check_finite(*scores: NDArray[np.float64]) -> None:
    """Refuse rows for which a model has no score, as 422."""
    if not all(np.isfinite(part).all() for part in scores):
        raise RequestRefused(422, "the values are so large that the model has no score for them")
