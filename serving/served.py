"""A model as it is served: what a request uses from its start to its end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from eddy.schemas.anomalies import ModelRef

if TYPE_CHECKING:
    from eddy.models.detectors.fraud.scorer import Scorer


@dataclass(frozen=True, slots=True)
class Served:
    """One verified model.

    Attributes
    ----------
    ref : ModelRef
        Who it is.
    scorer : Scorer
        Its parameters, ready to score.
    metrics : mapping of str to float
        What was measured when it was trained.
    """

    ref: ModelRef
    scorer: "Scorer"
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def features(self) -> list[str]:
        """Names of the columns, in order."""
        return self.scorer.features

    def warm_up(self) -> None:
        """Score once, so that no request waits for a compiler."""
        typical = np.array([self.scorer.parameters.typical], np.float64)
        self.scorer.score(typical)
        self.scorer.probability(typical)
        self.scorer.contributions(typical)
