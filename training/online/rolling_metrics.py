"""How good the newest predictions were: each was made before its label was learned."""

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats
from eddy.training.transactions.fraud_metrics import Ranked


class RecentPredictions:
    """The newest labelled predictions, a sliding window (Gama, Sebastião, Rodrigues 2013).

    Parameters
    ----------
    most : int
        Length of the window, in rows.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.predicted: Floats = np.empty(0)
        self.is_fraud: NDArray[np.bool_] = np.empty(0, bool)

    def __len__(self) -> int:
        return len(self.predicted)

    def add(self, predicted: Floats, is_fraud: NDArray[np.bool_]) -> None:
        """Add predictions and what turned out to be true."""
        self.predicted = np.append(self.predicted, predicted)[-self._most :]
        self.is_fraud = np.append(self.is_fraud, is_fraud)[-self._most :]

    def quality(self) -> dict[str, float]:
        """Return average precision and AUC, and what chance would reach; empty without both kinds.

        Keys as in the metrics of other models.
        """
        frauds = int(self.is_fraud.sum())
        if not 0 < frauds < len(self):
            return {}
        ranked = Ranked.of(self.predicted, self.is_fraud)
        even = np.ones(len(self))
        return {
            "average_precision": ranked.average_precision(even),
            "auc": ranked.auc(even),
            "fraud_share": frauds / len(self),
        }
