"""The bodies of answers: dictionaries, checked by mypy and described in the OpenAPI document."""

from datetime import datetime
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads typing's own only from Python 3.12 on

Score = Annotated[float, Field(description="1.0 is the boundary; larger is more anomalous.")]


class ModelName(TypedDict):
    """Which model answered."""

    name: str
    version: str
    sha256: Annotated[str, Field(description="Of the artefact: the same content has the same one.")]
    trained_at: datetime | None


class ModelInformation(ModelName):
    """Everything the registry and the artefact hold about a model."""

    detector: str
    features: Annotated[list[str], Field(description="The order of a feature_vector.")]
    boundary: Annotated[float, Field(description="The probability whose score is 1.0.")]
    metrics: Annotated[dict[str, float], Field(description="Measured when it was trained.")]
    typical: Annotated[
        dict[str, float],
        Field(description="By feature; stands in where a value is not known."),
    ]


class RowVerdict(TypedDict):
    """The model's verdict on one row."""

    is_inlier: Annotated[bool, Field(description="Whether the score is at most 1.0.")]
    score: Score
    probability: float
    anomaly_score: NotRequired[
        Annotated[float, Field(description="The score, where it was asked for.")]
    ]
    anomoly_score: NotRequired[
        Annotated[
            float,
            Field(
                description="The score, where it was asked for. The first service spelled it so."
            ),
        ]
    ]


class Prediction(RowVerdict):
    """The model's verdict on one row, and which model it was."""

    model: ModelName


class Predictions(TypedDict):
    """The model's verdicts on many rows, in the rows' order."""

    model: ModelName
    predictions: list[RowVerdict]


class ScoreReason(TypedDict):
    """One feature's part in a score."""

    feature: str
    value: Annotated[float | None, Field(description="null where it was not known.")]
    typical: float
    contribution: Annotated[
        float, Field(description="Signed; positive made the row more anomalous.")
    ]


class Explanation(TypedDict):
    """Why a row has its score: the contributions add up to score - base_score."""

    is_inlier: bool
    score: Score
    base_score: Annotated[float, Field(description="The score where no feature contributes.")]
    reasons: Annotated[list[ScoreReason], Field(description="The largest contributions first.")]
    model: ModelName


class HealthAnswer(TypedDict):
    """An answer to a probe."""

    ok: bool
    detail: str
