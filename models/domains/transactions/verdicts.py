"""What is said of a batch of transactions: anomalies, and the decisions they were made from."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isnan
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats
from eddy.models.domains.transactions.policy import TransactionsPolicy
from eddy.models.features.columns import columns_of
from eddy.models.features.transaction_history import TransactionRows
from eddy.models.judge import Counts, Events, Identity, Model
from eddy.schemas.anomalies import Anomaly, Entity, Reason, Source, point_id, severity_of
from eddy.schemas.decisions import MOST_ROWS, Decisions, encode
from eddy.schemas.transactions import Transaction

if TYPE_CHECKING:
    from eddy.models.detectors.fraud.scorer import Scorer


DOMAIN = "transactions"
SCORE_BOUNDS = (0.01, 0.03, 0.1, 0.3, 0.6, 1.0, 1.5, 3.0, 10.0)
"""Upper bounds of the classes in which scores are counted; the last class has none."""

_NAMES = (*(f"{bound:g}" for bound in SCORE_BOUNDS), "+Inf")
_MOST_BYTES = 400_000  # of features in a decision record: brokers take a million bytes
_ENOUGH_EVENTS = 10.0  # of a card, to know it well


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionsVerdicts:
    """See `eddy.models.judge.Verdicts` and `eddy.models.judge.Deciding`.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
    flagged : ndarray of int64, shape (m,)
    shadow : ndarray of float64, shape (n,), optional
        The challenger's scores.
    names : list of str
        Of the columns of `values`.
    values : ndarray of float64, shape (n, len(names))
    counts : mapping
        See `eddy.models.judge.Counts`.
    """

    scores: Floats
    flagged: NDArray[np.int64]
    shadow: Floats | None
    names: list[str]
    values: Floats
    rows: TransactionRows
    events: Events
    policy: TransactionsPolicy
    identity: Identity
    model: Model
    challenger: Model | None
    counts: Counts

    def anomalies(self, rows: Sequence[int], detected_at: datetime) -> list[Anomaly]:
        """Build the anomalies of `rows`, positions in `flagged`."""
        at = self.flagged[np.asarray(rows, np.int64)]
        if not len(at):
            return []
        scorer: Scorer = self.model.parameters
        values = columns_of(scorer.features, self.names, self.values[at])
        parts = scorer.contributions(values)
        ids = anomaly_ids(self.identity, scorer.parameters.detector, self.events.offsets[at])
        known = self.values[at, self.names.index("card_count_30d")]
        columns = (at, self.events.offsets[at], self.scores[at], known, values, parts)
        listed = zip(ids, *(column.tolist() for column in columns), strict=True)
        return [self._anomaly(detected_at, *row) for row in listed]

    def _anomaly(
        self,
        detected_at: datetime,
        identifier: str,
        row: int,
        offset: int,
        score: float,
        known: float,
        values: list[float],
        parts: list[float],
    ) -> Anomaly:
        scorer: Scorer = self.model.parameters
        parameters = scorer.parameters
        event: Transaction = self.events.event(row)
        typical = parameters.typical
        missing = [isnan(value) for value in values]
        filled = [
            usual if gone else value
            for value, usual, gone in zip(values, typical, missing, strict=True)
        ]
        columns = zip(scorer.features, filled, typical, parts, strict=True)
        reasons = [Reason(*row) for row in columns]
        reasons.sort(key=lambda reason: -abs(reason.contribution))
        first = reasons[0]
        return Anomaly(
            anomaly_id=identifier,
            domain=DOMAIN,
            detector=parameters.detector,
            event_id=event.event_id,
            entity=Entity("card", event.card_token),
            occurred_at=event.occurred_at,
            detected_at=detected_at,
            score=score,
            severity=severity_of(score, self.policy.warning_score, self.policy.critical_score),
            confidence=min(1.0, known / _ENOUGH_EVENTS),
            direction="above" if first.value >= first.typical else "below",
            actual=dict(zip(scorer.features, filled, strict=True)),
            expected=dict(zip(scorer.features, typical, strict=True)),
            reasons=reasons,
            labels=_labels(known, is_imputed=any(missing)),
            model=self.model.ref,
            config_hash=self.identity.config_hash,
            source=Source(self.identity.topic, self.identity.partition, offset),
        )

    def decisions(self) -> Iterator[bytes]:
        """Build the records of the topic of decisions, where the policy wants them."""
        if not self.policy.decisions:
            return
        step = max(1, min(MOST_ROWS, _MOST_BYTES // (8 * len(self.names))))
        for start in range(0, len(self.scores), step):
            yield encode(self._decisions(slice(start, start + step)))

    def _decisions(self, part: slice) -> Decisions:
        return Decisions(
            topic=self.identity.topic,
            partition=self.identity.partition,
            model=self.model.ref,
            challenger=None if self.challenger is None else self.challenger.ref,
            names=self.names,
            offsets=self.events.offsets[part],
            occurred_at=self.rows.occurred_at[part],
            events=self.rows.events[part],
            cards=self.rows.cards[part],
            features=self.values[part],
            scores=self.scores[part],
            challenger_scores=np.empty(0) if self.shadow is None else self.shadow[part],
        )


def anomaly_ids(identity: Identity, detector: str, offsets: NDArray[np.int64]) -> list[str]:
    """Return the ids of anomalies of events at these offsets."""
    where = identity.topic, identity.partition
    return [point_id(DOMAIN, detector, *where, offset) for offset in offsets.tolist()]


def tally(scores: Floats, shadow: Floats | None) -> dict[tuple[str, str], int]:
    """Count scores by class, and how often champion and challenger agree; see `Counts`."""
    counts = _classes("champion", scores)
    if shadow is not None:
        counts |= _classes("challenger", shadow)
        disagree = int(np.sum((scores > 1.0) != (shadow > 1.0)))
        counts |= {("shadow", "disagree"): disagree, ("shadow", "agree"): len(scores) - disagree}
    return counts


def _classes(role: str, scores: Floats) -> dict[tuple[str, str], int]:
    classes = np.searchsorted(SCORE_BOUNDS, scores)
    counts = np.bincount(classes, minlength=len(_NAMES)).tolist()
    return {(role, name): count for name, count in zip(_NAMES, counts, strict=True) if count}


def _labels(known: float, *, is_imputed: bool) -> list[str]:
    cold = ["cold_start"] if known < 2 else []
    return [*cold, "imputed"] if is_imputed else cold
