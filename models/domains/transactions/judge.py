"""The judge of one partition's transactions: history features, champion, challenger beside it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats, Keys
from eddy.models.domains.transactions.alarms import CHALLENGER, CHAMPION, FlaggedEvents
from eddy.models.domains.transactions.policy import TransactionsPolicy
from eddy.models.domains.transactions.verdicts import TransactionsVerdicts, tally
from eddy.models.features.columns import columns_of
from eddy.models.features.names import FEATURES, component
from eddy.models.features.transaction_history import TransactionHistory, TransactionRows
from eddy.models.judge import Counts, Events, Identity, Model
from eddy.models.labels import LabelRecords
from eddy.models.packing import pack, unpack
from eddy.schemas.columns import Program
from eddy.schemas.transactions import Transaction

if TYPE_CHECKING:
    from eddy.models.detectors.fraud.scorer import Scorer


_NEXT, _NEVER = 2**62 - 1, 2**62
"""From when on a challenger has seen the events: from the next one, and from none."""

_PROGRAM = Program.of(Transaction)
_AMOUNT = _PROGRAM.numbers.index("amount")
_EVENT, _CARD, _TERMINAL = (
    _PROGRAM.keys.index(name) for name in ("event_id", "card_token", "terminal_id")
)


class TransactionsJudge:
    """Judges one partition's transactions.

    See `eddy.models.judge.Judge`, `LabelledJudge`, `ShadowedJudge` and `Reconfigurable`.
    """

    def __init__(self, policy: TransactionsPolicy, model: Model, identity: Identity) -> None:
        self.policy, self.identity = policy, identity
        self._history = TransactionHistory(policy.history)
        self._alarms = FlaggedEvents(policy.remembered_alarms)
        self._label_offsets: dict[int, int] = {}
        self._model = model
        self._challenger: Model | None = None
        self._shadowed_from_ms = _NEVER

    def judge(self, events: Events) -> TransactionsVerdicts:
        """Score the events, each by what was before it; then learn from it."""
        rows = _rows(events)
        values = self._history.features(rows)
        if events.vectors.shape[1]:
            values = np.hstack([values, events.vectors])
        names = [*FEATURES, *(component(k + 1) for k in range(events.vectors.shape[1]))]
        scores = self._scores(self._model, names, values)
        shadow = None if self._challenger is None else self._scores(self._challenger, names, values)
        if self._shadowed_from_ms == _NEXT and len(events):
            self._shadowed_from_ms = int(events.occurred_at.min()) // 1_000
        flagged = self._remember(rows.events, scores, shadow)
        return TransactionsVerdicts(
            scores=scores,
            flagged=flagged,
            shadow=shadow,
            names=names,
            values=values,
            rows=rows,
            events=events,
            policy=self.policy,
            identity=self.identity,
            model=self._model,
            challenger=self._challenger,
            counts=tally(scores, shadow) | self._history.tallies(),
        )

    def _scores(self, model: Model, names: list[str], values: Floats) -> Floats:
        scorer: Scorer = model.parameters
        return scorer.score(columns_of(scorer.features, names, values))

    def _remember(self, keys: Keys, scores: Floats, shadow: Floats | None) -> NDArray[np.int64]:
        """Remember what was flagged, and by whom; return what the champion flagged."""
        by = np.where(scores > 1.0, CHAMPION, 0).astype(np.uint8)
        if shadow is not None:
            by |= np.where(shadow > 1.0, CHALLENGER, 0).astype(np.uint8)
        either = np.flatnonzero(by)
        if len(either):
            self._alarms.add(keys[either], by[either])
        return np.flatnonzero(by & CHAMPION)

    # -- labels ----------------------------------------------------------------------------------

    @property
    def label_offsets(self) -> Mapping[int, int]:
        """See `eddy.models.judge.LabelledJudge`."""
        return self._label_offsets

    def learn(self, records: LabelRecords) -> Counts:
        """Take labels in, each once; see `eddy.models.judge.LabelledJudge`."""
        new = records.since(self._label_offsets.get(records.partition, 0))
        if not len(new.offsets):
            return {}
        self._label_offsets[new.partition] = int(new.offsets[-1]) + 1
        learned = self._history.learn(new.labels)
        known = learned.is_known
        outcomes = self._alarms.outcomes(
            new.labels.events[known],
            new.labels.is_fraud[known],
            learned.occurred_ms[known] >= self._shadowed_from_ms,
        )
        return outcomes | ({("late", "label"): learned.late} if learned.late else {})

    def forget_labels(self, partition: int) -> None:
        """Learn from the beginning of a partition again; see `eddy.models.judge.LabelledJudge`."""
        self._label_offsets.pop(partition, None)

    # -- models and policies ---------------------------------------------------------------------

    def set_model(self, model: Model) -> None:
        """Go on with another model; cards and terminals stay known."""
        self._model = model

    def set_challenger(self, model: Model | None) -> None:
        """Let a challenger score beside the champion from now on, or nobody."""
        self._challenger = model
        self._alarms.forget_challenger()
        self._shadowed_from_ms = _NEVER if model is None else _NEXT

    def update_policy(self, policy: TransactionsPolicy, identity: Identity) -> None:
        """Go on under another policy; what is in `transactions_policy.FIXED` must be the same."""
        self.policy, self.identity = policy, identity

    # -- state -----------------------------------------------------------------------------------

    def snapshot(self) -> bytes:
        """Return histories, alarms and how far labels were read; no model is in it."""
        offsets = sorted(self._label_offsets.items())
        labels = np.array(offsets, np.int64).reshape(len(offsets), 2)
        state = self._history.snapshot() | self._alarms.snapshot()
        return pack("transactions", state | {"label_offsets": labels})

    def restore(self, state: bytes) -> None:
        """Take over a snapshot; ValueError where it is not one of this judge's kind."""
        arrays = unpack("transactions", state)
        alarms = FlaggedEvents(self.policy.remembered_alarms)
        try:
            alarms.restore(arrays)
            offsets = {int(number): int(offset) for number, offset in arrays["label_offsets"]}
        except (KeyError, TypeError) as error:
            raise ValueError(f"a snapshot that lacks something: {error}") from error
        self._history.restore(arrays)
        self._alarms, self._label_offsets = alarms, offsets

    @property
    def history(self) -> int:
        """Everything of the last weeks matters, however much that is."""
        return 1 << 62

    @property
    def complete(self) -> bool:
        """Whether what is older than the events seen cannot matter."""
        return self._history.is_complete

    @property
    def entities(self) -> int:
        """Cards and terminals remembered."""
        return self._history.cards + self._history.terminals


def _rows(events: Events) -> TransactionRows:
    return TransactionRows(
        occurred_at=events.occurred_at,
        cards=events.keys[:, _CARD],
        terminals=events.keys[:, _TERMINAL],
        amounts=events.values[:, _AMOUNT],
        events=events.keys[:, _EVENT],
    )
