"""Champion and challenger side by side, from the scores both gave the same events."""

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats
from eddy.models.domains.transactions.verdicts import SCORE_BOUNDS
from eddy.models.labels import Labels
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.decisions import Decisions
from eddy.training.transactions.labels import labels_of_events
from eddy.training.transactions.table import FRAUD, GENUINE, UNKNOWN

CLASSES = (*(f"{bound:g}" for bound in SCORE_BOUNDS), "more")
"""Upper bounds of the classes in which scores are counted."""


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """How one of the two did.

    Attributes
    ----------
    version, sha256 : str
    alerts, alerts_a_day : int, float
        Events above 1.0.
    histogram : dict of str to int
        Scores by class, see `CLASSES`.
    found, missed, false_alarms : int
        Of the labelled events: frauds above 1.0, frauds below, and others above.
    cost : float
        Of what was missed and of false alarms.
    precision, recall : float, optional
        Of the labelled events; None where there is nothing to divide by.
    average_precision : float, optional
        Of the labelled events; None without frauds.
    """

    version: str
    sha256: str
    alerts: int
    alerts_a_day: float
    histogram: dict[str, int]
    found: int
    missed: int
    false_alarms: int
    cost: float
    precision: float | None
    recall: float | None
    average_precision: float | None


class ShadowComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What `compare` found.

    Attributes
    ----------
    events, labelled, frauds : int
        Scored by both; those of them with a label; those of these that are frauds.
    days : float
        Event time they span.
    both, only_champion, only_challenger : int
        Events above 1.0 for both, and for one of them only.
    agreement : float
        Share of events that both flag, or neither.
    """

    events: int
    labelled: int
    frauds: int
    days: float
    both: int
    only_champion: int
    only_challenger: int
    agreement: float
    champion: Role
    challenger: Role


class _Part(NamedTuple):
    """The columns kept of a decision record."""

    events: NDArray[np.uint64]
    occurred_at: NDArray[np.int64]
    scores: Floats
    challenger_scores: Floats


class Shadowed:
    """Gathers decisions by pairs of champion and challenger; the newest pair is compared."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[str, str], tuple[ModelRef, ModelRef, list[_Part]]] = {}
        self._newest: tuple[str, str] | None = None
        self._newest_us = 0

    def add(self, decisions: Decisions) -> None:
        """Take decisions in; those without a challenger are none."""
        if decisions.challenger is None or not len(decisions.challenger_scores):
            return
        pair = decisions.model.sha256, decisions.challenger.sha256
        _, _, parts = self._pairs.setdefault(pair, (decisions.model, decisions.challenger, []))
        # copies: columns are views of a whole record, features and all
        parts.append(_Part(*(getattr(decisions, name).copy() for name in _Part._fields)))
        newest_us = int(decisions.occurred_at.max())
        if newest_us >= self._newest_us:
            self._newest, self._newest_us = pair, newest_us

    def compare(
        self, labels: Labels, missed_cost: float, false_alarm_cost: float
    ) -> ShadowComparison | None:
        """Compare the two; None where nothing was scored by both.

        Parameters
        ----------
        labels : Labels
            The last label of each event, see `Labels.last`.
        missed_cost, false_alarm_cost : float
        """
        if self._newest is None:
            return None
        champion, challenger, parts = self._pairs[self._newest]
        events = np.concatenate([part.events for part in parts])
        times = np.concatenate([part.occurred_at for part in parts])
        scores = [
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.challenger_scores for part in parts]),
        ]
        codes, _ = labels_of_events(labels, events)
        days = max(float(times.max() - times.min()) / 86_400e6, 1 / 86_400)
        prices = missed_cost, false_alarm_cost
        flags = [values > 1.0 for values in scores]
        return ShadowComparison(
            events=len(events),
            labelled=int((codes != UNKNOWN).sum()),
            frauds=int((codes == FRAUD).sum()),
            days=days,
            both=int((flags[0] & flags[1]).sum()),
            only_champion=int((flags[0] & ~flags[1]).sum()),
            only_challenger=int((~flags[0] & flags[1]).sum()),
            agreement=float((flags[0] == flags[1]).mean()),
            champion=_role(champion, scores[0], codes, days, prices),
            challenger=_role(challenger, scores[1], codes, days, prices),
        )


def _role(
    ref: ModelRef, scores: Floats, codes: NDArray[np.int8], days: float, prices: tuple[float, float]
) -> Role:
    above = scores > 1.0
    detected, missed = int((above & (codes == FRAUD)).sum()), int((~above & (codes == FRAUD)).sum())
    false_alarms = int((above & (codes == GENUINE)).sum())
    counts = np.bincount(np.searchsorted(SCORE_BOUNDS, scores), minlength=len(CLASSES))
    return Role(
        version=ref.version,
        sha256=ref.sha256,
        alerts=int(above.sum()),
        alerts_a_day=float(above.sum() / days),
        histogram=dict(zip(CLASSES, counts.tolist(), strict=True)),
        found=detected,
        missed=missed,
        false_alarms=false_alarms,
        cost=missed * prices[0] + false_alarms * prices[1],
        precision=_share(detected, detected + false_alarms),
        recall=_share(detected, detected + missed),
        average_precision=_average_precision(scores, codes),
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _average_precision(scores: Floats, codes: NDArray[np.int8]) -> float | None:
    from sklearn.metrics import average_precision_score  # noqa: PLC0415 - takes a second

    known = codes != UNKNOWN
    if not (codes[known] == FRAUD).any():
        return None
    return float(average_precision_score(codes[known] == FRAUD, scores[known]))
