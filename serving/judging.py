"""From columns to answers."""

import numpy as np

from eddy.serving.answers import (
    Explanation,
    ModelInformation,
    ModelName,
    Prediction,
    Predictions,
    RowVerdict,
    ScoreReason,
)
from eddy.serving.rows import Rows, check_finite
from eddy.serving.served import Served


def information(served: Served) -> ModelInformation:
    """Return the description of a model."""
    parameters = served.scorer.parameters
    return {
        **name_of(served),
        "detector": parameters.detector,
        "features": served.features,
        "boundary": served.scorer.boundary,
        "metrics": dict(served.metrics),
        "typical": dict(zip(served.features, parameters.typical, strict=True)),
    }


def name_of(served: Served) -> ModelName:
    """Return which model it is."""
    ref = served.ref
    return {
        "name": ref.name,
        "version": ref.version,
        "sha256": ref.sha256,
        "trained_at": ref.trained_at,
    }


def predict_one(served: Served, row: Rows, *, with_score: bool) -> Prediction:
    """Return the prediction of a row of shape (1, d)."""
    (verdict,) = _verdicts(served, row, with_score)
    return {**verdict, "model": name_of(served)}


def predict_many(served: Served, rows: Rows, *, with_score: bool) -> Predictions:
    """Return the predictions of rows of shape (n, d), scored at once."""
    return {"model": name_of(served), "predictions": _verdicts(served, rows, with_score)}


def _verdicts(served: Served, rows: Rows, with_score: bool) -> list[RowVerdict]:
    scores = served.scorer.score(rows)
    probabilities = served.scorer.probability(rows)
    check_finite(scores, probabilities)
    pairs = zip(scores.tolist(), probabilities.tolist(), strict=True)
    return [_verdict(score, probability, with_score) for score, probability in pairs]


def _verdict(score: float, probability: float, with_score: bool) -> RowVerdict:
    verdict: RowVerdict = {
        "is_inlier": score <= 1.0,
        "score": score,
        "probability": probability,
    }
    if with_score:
        verdict["anomaly_score"] = verdict["anomoly_score"] = score
    return verdict


def explain(served: Served, row: Rows) -> Explanation:
    """Return why a row of shape (1, d) has its score."""
    scorer = served.scorer
    score = scorer.score(row)
    contributions = scorer.contributions(row)[0]
    check_finite(score, contributions)
    reasons: list[ScoreReason] = [
        {
            "feature": name,
            "value": None if np.isnan(value) else value,
            "typical": typical,
            "contribution": contribution,
        }
        for name, value, typical, contribution in zip(
            served.features,
            row[0].tolist(),
            scorer.parameters.typical,
            contributions.tolist(),
            strict=True,
        )
    ]
    return {
        "is_inlier": bool(score[0] <= 1.0),
        "score": float(score[0]),
        "base_score": float(scorer.base_score),
        "reasons": sorted(reasons, key=lambda reason: -abs(reason["contribution"])),
        "model": name_of(served),
    }
