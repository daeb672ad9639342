"""The settings of card transactions."""

from typing import Annotated

import msgspec
from msgspec import Meta

from eddy.models.features.transaction_history import HistorySettings


class TransactionsPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings under ``[domains.transactions]``.

    Attributes
    ----------
    history : HistorySettings
        What is remembered of cards and terminals.
    warning_score, critical_score : float
        From which score on an anomaly is more than information.
    decisions : bool
        Whether the features of every event are kept on ``decisions.transactions``, for labels to
        be joined to.
    remembered_alarms : int
        Flagged events of which it is remembered by whom, for the labels that come later.
    missed_cost, false_alarm_cost : float
        What a fraud that was not flagged costs, and a flagged event that was none, in the
        metric of cost.
    """

    history: HistorySettings = HistorySettings()
    warning_score: Annotated[float, Meta(ge=1)] = 1.5
    critical_score: Annotated[float, Meta(ge=1)] = 3.0
    decisions: bool = True
    remembered_alarms: Annotated[int, Meta(ge=1)] = 1_000_000
    missed_cost: Annotated[float, Meta(ge=0)] = 100.0
    false_alarm_cost: Annotated[float, Meta(ge=0)] = 5.0

    def __post_init__(self) -> None:
        if self.critical_score < self.warning_score:
            raise ValueError("critical_score: at least warning_score")


FIXED = frozenset({"history", "remembered_alarms"})
"""What the state is made of: these settings take a restart."""
