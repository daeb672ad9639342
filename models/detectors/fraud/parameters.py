"""What a model of card transactions is, as it rests in the registry."""

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from eddy.models.artefact import File, digest
from eddy.models.detectors.fraud.calibration import Calibration
from eddy.models.detectors.fraud.estimator_file import ESTIMATOR_FILE, read
from eddy.models.detectors.fraud.forest import Forest
from eddy.models.detectors.fraud.linear import Linear, LinearRanking, check_finite
from eddy.models.detectors.fraud.scorer import Ranking, Scorer
from eddy.models.features.names import FEATURES, component
from eddy.schemas.errors import DamagedModel, ModelRefused
from eddy.schemas.transactions import MOST_COMPONENTS

Positive = Annotated[float, Meta(gt=0)]
Kind = Literal["fraud_classifier", "isolation_forest", "online_classifier"]

KNOWN = frozenset((*FEATURES, *(component(k) for k in range(1, MOST_COMPONENTS + 1))))
"""Every name a column can have."""


class Smoke(msgspec.Struct, frozen=True):
    """Rows whose raw outputs must come out again, bit by bit, before the model is used."""

    rows: list[list[float]]
    outputs: list[float]

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.outputs):
            raise ValueError("smoke: as many outputs as rows")


class FraudParameters(msgspec.Struct, frozen=True, kw_only=True):
    """The content of ``model.json`` in the domain "transactions".

    Attributes
    ----------
    detector : str
        What anomalies name as their detector.
    features : list of str
        Columns wanted, in this order: of `eddy.models.features.names.FEATURES` and "v1" to "v64".
    typical : list of float
        Medians of the training rows: what a missing value is taken for, and what reasons compare
        with.
    boundary : float
        The probability (of an isolation forest the raw output) whose score is 1.0.
    calibration : Calibration, optional
        Makes a probability of the raw output; without it the raw output is one.
    linear : Linear, optional
        The model itself where it is linear.
    estimator : File, optional
        Size and sha256 of ``model.skops``, which holds the model where it is made of trees.
    smoke : Smoke, optional
        A test of the model before use.
    """

    detector: Kind
    features: Annotated[list[str], Meta(min_length=1, max_length=1024)]
    typical: list[float]
    boundary: Positive
    calibration: Calibration | None = None
    linear: Linear | None = None
    estimator: File | None = None
    smoke: Smoke | None = None

    def __post_init__(self) -> None:
        width = len(self.features)
        unknown = sorted(set(self.features) - KNOWN)
        if unknown:
            raise ValueError(f"features: {unknown[0]!r} is not one there is")
        if len(set(self.features)) < width:
            raise ValueError("features: one stands twice")
        if len(self.typical) != width:
            raise ValueError("typical: one value a feature")
        if (self.linear is None) == (self.estimator is None):
            raise ValueError("either linear or estimator: the one or the other is the model")
        if self.linear and len(self.linear.coefficients) != width:
            raise ValueError("linear: one coefficient a feature")
        if self.smoke and any(len(row) != width for row in self.smoke.rows):
            raise ValueError("smoke: one value a feature in every row")
        check_finite("typical and boundary", *self.typical, self.boundary)

    def opened(self, files: Mapping[str, bytes]) -> Scorer:
        """Return what scores rows, tried on the smoke rows.

        Parameters
        ----------
        files : mapping of str to bytes
            The version's further files by name.

        Raises
        ------
        DamagedModel
            ``model.skops`` is missing, or is not the file that was registered.
        ModelRefused
            It holds what may not be loaded or is not a forest of this width, or the smoke rows
            come out differently.
        """
        scorer = Scorer(self, self._ranking(files))
        # whoever opens a model waits for what is compiled, not the first row that is flagged
        reasons = scorer.contributions(np.array([self.typical], float))
        if not np.isfinite([scorer.base_score, *reasons[0]]).all():
            raise ModelRefused("the model gives no number for the typical row; train it again")
        if self.smoke and not scorer.reproduces(self.smoke.rows, self.smoke.outputs):
            raise ModelRefused("the model gives other outputs for its smoke rows; train it again")
        return scorer

    def _ranking(self, files: Mapping[str, bytes]) -> Ranking:
        if self.linear is not None:
            return LinearRanking(self.linear, self.typical)
        assert self.estimator is not None
        content = files.get(ESTIMATOR_FILE)
        if content is None:
            raise DamagedModel(f"{ESTIMATOR_FILE} is missing")
        if len(content) != self.estimator.size_bytes or digest(content) != self.estimator.sha256:
            raise DamagedModel(f"{ESTIMATOR_FILE} is not the file that was registered")
        forest = Forest.of(read(content))
        if forest.width != len(self.features):
            raise ModelRefused(f"{ESTIMATOR_FILE} wants {forest.width} features")
        return forest
