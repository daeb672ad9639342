"""What is answered."""

from datetime import datetime

from pydantic import BaseModel, Field

_SCORE = "1.0 is the boundary; larger is more anomalous."
_SAME = "The score, where it was asked for."


class ModelName(BaseModel):
    """Which model answered."""

    name: str
    version: str
    sha256: str = Field(description="Of the artefact: the same content has the same one.")
    trained_at: datetime | None


class ModelInformation(ModelName):
    """What there is to know of a model."""

    detector: str
    features: list[str] = Field(description="The order of a feature_vector.")
    boundary: float = Field(description="The probability whose score is 1.0.")
    metrics: dict[str, float] = Field(description="Measured when it was trained.")
    typical: dict[str, float] = Field(description="By feature; stands in where one is not known.")


class RowVerdict(BaseModel):
    """What the model says of one row."""

    is_inlier: bool = Field(description="Whether the score is at most 1.0.")
    score: float = Field(description=_SCORE)
    probability: float
    anomaly_score: float = Field(default=0.0, description=_SAME)
    anomoly_score: float = Field(
        default=0.0, description=_SAME + " The first service spelled it so."
    )


class Prediction(RowVerdict):
    """What the model says of one row, and which model."""

    model: ModelName


class Predictions(BaseModel):
    """What the model says of many rows, in their order."""

    model: ModelName
    predictions: list[RowVerdict]


class ScoreReason(BaseModel):
    """One feature's part in a score."""

    feature: str
    value: float | None = Field(description="null where it was not known.")
    typical: float
    contribution: float = Field(description="Signed; positive made the row more anomalous.")


class Explanation(BaseModel):
    """Why a row has its score: the contributions add up to score - base_score."""

    is_inlier: bool
    score: float = Field(description=_SCORE)
    base_score: float = Field(description="The score where no feature says anything.")
    reasons: list[ScoreReason] = Field(description="The largest parts first.")
    model: ModelName


class HealthAnswer(BaseModel):
    """An answer to a probe."""

    ok: bool
    detail: str
