"""The features of transactions that need history, point in time and exact.

After the Fraud Detection Handbook (Le Borgne, Siblini, Lebichot, Bontempi, 2022), chapter 3,
"Baseline feature transformation". Of a row at time t, from the rows that came before it:

=========================  ========================================================================
amount                     as it is
is_weekend, is_night       1 on Saturday and Sunday; 1 from 00:00 to 06:59; UTC
card_count_{w}d            the card's rows in (t - w, t], this one included
card_mean_amount_{w}d      their mean amount
terminal_count_{w}d        the terminal's rows in (t - delay - w, t - delay]
terminal_risk_{w}d         the share of them known to be frauds; 0 where there are none
=========================  ========================================================================

Times count in whole milliseconds, amounts in ten-thousandths. A label counts from the time it
became known on, plus a grace in which it may travel: what is judged at t depends on labels known
at t - grace only, so that a replay, which has all labels at hand, gives the same features.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from eddy.models.arrays import Floats, Ints, Keys
from eddy.models.features import kernel
from eddy.models.features.memory import (
    EARLIEST,
    EVICTED,
    HAS_LOST,
    KEEP,
    LATE,
    TRUNCATED,
    WATERMARK,
    EventMemory,
)
from eddy.models.features.names import CARD, DAYS, FEATURES, OWN, TERMINAL
from eddy.models.features.waiting_labels import WaitingLabels, event_order
from eddy.models.labels import Labels

_DAY_MS = 86_400_000
_THURSDAY = 3  # 1970-01-01, counted from Monday
_CHUNK = 65_536


class HistorySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a history is made of.

    Attributes
    ----------
    delay_days : float
        How long it takes until nearly every fraud of a day is known: terminals are judged by what
        was before.
    label_grace_s : float
        How long a label may travel before it counts.
    lateness_s : float
        How late rows may come, in event time, and still have all their features exact.
    most_cards, most_terminals : int
        Of further ones, the one longest unseen among some has to make room.
    most_events : int
        Rows remembered, of cards and of terminals each; 12 bytes a row.
    most_labels : int
        Labels that may wait for their events.
    """

    delay_days: Annotated[float, Meta(ge=0, le=11)] = 7.0
    label_grace_s: Annotated[float, Meta(ge=0)] = 3_600.0
    lateness_s: Annotated[float, Meta(ge=0, le=5 * 86_400)] = 86_400.0
    most_cards: Annotated[int, Meta(ge=1, le=1 << 28)] = 4_000_000
    most_terminals: Annotated[int, Meta(ge=1, le=1 << 28)] = 1_000_000
    most_events: Annotated[int, Meta(ge=1_000, le=1 << 30)] = 200_000_000
    most_labels: Annotated[int, Meta(ge=1)] = 1_000_000


class TransactionRows(NamedTuple):
    """n transactions as columns, in the order they came.

    Attributes
    ----------
    occurred_at : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    cards, terminals, events : ndarray of uint64, shape (n,)
        `eddy.schemas.keys.hash_text` of card_token, terminal_id and event_id.
    amounts : ndarray of float64, shape (n,)
        Finite, within +-1e9.
    """

    occurred_at: Ints
    cards: Keys
    terminals: Keys
    amounts: Floats
    events: Keys


class Learned(NamedTuple):
    """What became of labels.

    Attributes
    ----------
    is_known : ndarray of bool, shape (m,)
        Whether their events are remembered; the others wait.
    occurred_ms : ndarray of int64, shape (m,)
        When these events were, milliseconds since 1970; means nothing for the others.
    late : int
        How many came so late that features were made without them which they should have changed:
        a replay, which has them in time, would make others.
    """

    is_known: NDArray[np.bool_]
    occurred_ms: Ints
    late: int


class TransactionHistory:
    """What is remembered of cards and terminals; a function of the rows and labels so far.

    Parameters
    ----------
    settings : HistorySettings
    """

    def __init__(self, settings: HistorySettings) -> None:
        self.settings = settings
        delay_ms, lateness_ms = _ms(settings.delay_days * 86_400), _ms(settings.lateness_s)
        windows = [days * _DAY_MS for days in DAYS]
        self._cards = EventMemory(
            windows, lateness_ms, settings.most_cards, settings.most_events, is_summed=True
        )
        self._terminals = EventMemory(
            [delay_ms, *(delay_ms + window for window in windows)],
            lateness_ms,
            settings.most_terminals,
            settings.most_events,
            is_summed=False,
        )
        self._waiting = WaitingLabels(settings.most_labels)

    def features(self, rows: TransactionRows) -> Floats:
        """Return the features of rows, `FEATURES`, and learn each row once it is described.

        Returns
        -------
        ndarray of float64, shape (n, len(FEATURES))
        """
        times = rows.occurred_at // 1_000
        out = np.empty((len(times), len(FEATURES)))
        out[:, 0] = rows.amounts
        days, of_day = np.divmod(times, _DAY_MS)
        out[:, 1] = (days + _THURSDAY) % 7 >= 5
        out[:, 2] = of_day < 7 * 3_600_000
        amounts = np.rint(rows.amounts * kernel.AMOUNT_UNITS).astype(np.int64)
        cards, terminals, events = map(_u64, (rows.cards, rows.terminals, rows.events))
        self._run(kernel.KernelRows(times, cards, terminals, amounts, events), out[:, len(OWN) :])
        self._waiting.expire(self._terminals_watermark_ms - self._keep_ms)
        return out

    def learn(self, labels: Labels) -> Learned:
        """Take in labels; those of events that have not come yet wait for them."""
        if not len(labels):
            return Learned(np.empty(0, np.bool_), np.empty(0, np.int64), 0)
        since = labels.labelled_at // 1_000 + _ms(self.settings.label_grace_s)
        by_event = self._waiting.sorted_by_event(labels.events, labels.is_fraud, since)
        codes = np.zeros(len(by_event.events), np.uint8)
        times = np.zeros(len(codes), np.int64)
        slot, used = 0, self._terminals.table.used
        while (slot := self._learn(by_event, codes, times, slot)) < used:
            self._terminals.grow_frauds()
        self._waiting.add(by_event, codes == kernel.NOT_FOUND)
        back = np.argsort(event_order(labels.events, since), kind="stable")
        late = int(np.sum(codes == kernel.FOUND_LATE))
        return Learned((codes != kernel.NOT_FOUND)[back], times[back], late)

    def tallies(self) -> dict[tuple[str, str], int]:
        """Return what had to make room or came too late since last asked."""
        counts = {
            ("evicted", "card"): self._cards.take_count(EVICTED),
            ("evicted", "terminal"): self._terminals.take_count(EVICTED),
            ("evicted", "card_event"): self._cards.take_count(TRUNCATED),
            ("evicted", "terminal_event"): self._terminals.take_count(TRUNCATED),
            ("evicted", "label"): self._waiting.take_dropped(),
            ("late", "incomplete"): self._cards.take_count(LATE) + self._terminals.take_count(LATE),
        }
        return {what: count for what, count in counts.items() if count}

    @property
    def is_complete(self) -> bool:
        """Whether rows older than those seen can no longer matter."""
        seen, cards = self._terminals.arrays.counters, self._cards.arrays.counters
        has_lost = bool(seen[HAS_LOST] or cards[HAS_LOST])  # who made room depends on all before
        return not has_lost and bool(seen[WATERMARK] - seen[EARLIEST] > self._keep_ms)

    @property
    def cards(self) -> int:
        """Cards remembered."""
        return self._cards.entities

    @property
    def terminals(self) -> int:
        """Terminals remembered."""
        return self._terminals.entities

    @property
    def bytes(self) -> int:
        """Memory of cards and terminals."""
        return self._cards.bytes + self._terminals.bytes

    @property
    def card_bytes(self) -> int:
        """Memory of cards alone."""
        return self._cards.bytes

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays."""
        return {
            **self._cards.snapshot("cards"),
            **self._terminals.snapshot("terminals"),
            **self._waiting.snapshot("labels"),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a snapshot; ValueError where it is none, and nothing is taken over then."""
        fresh = TransactionHistory(self.settings)
        fresh._cards.restore("cards", state)
        fresh._terminals.restore("terminals", state)
        fresh._waiting.restore("labels", state)
        self._cards, self._terminals, self._waiting = (
            fresh._cards,
            fresh._terminals,
            fresh._waiting,
        )

    def _run(self, rows: kernel.KernelRows, out: Floats) -> None:
        grow: dict[int, Callable[[], None]] = {
            kernel.CARD_TABLE: self._cards.grow_table,
            kernel.CARD_ARENA: self._cards.grow_arena,
            kernel.TERMINAL_TABLE: self._terminals.grow_table,
            kernel.TERMINAL_ARENA: self._terminals.grow_arena,
            kernel.FRAUDS: self._terminals.grow_frauds,
        }
        row, waiting = 0, self._waiting.labels
        while True:
            row, why, _ = kernel.describe(
                self._cards.arrays, self._terminals.arrays, rows, waiting, row, out
            )
            if why == kernel.DONE:
                return
            grow[why]()

    def _learn(
        self, labels: kernel.EventLabels, codes: NDArray[np.uint8], times: Ints, slot: int
    ) -> int:
        return kernel.learn(self._terminals.arrays, labels, codes, times, slot)[0]

    @property
    def _terminals_watermark_ms(self) -> int:
        return int(self._terminals.arrays.counters[WATERMARK])

    @property
    def _keep_ms(self) -> int:
        return int(self._terminals.arrays.counters[KEEP])


def features_of(
    rows: TransactionRows, labels: Labels, settings: HistorySettings | None = None
) -> Floats:
    """Return the features of a whole history, as the stream would have had them.

    Parameters
    ----------
    rows : TransactionRows
        In the order they came.
    labels : Labels
        All of them: each counts from the time on at which it became known.
    settings : HistorySettings, optional

    Returns
    -------
    ndarray of float64, shape (n, len(FEATURES))
    """
    settings = settings or HistorySettings()
    wide = msgspec.structs.replace(settings, most_labels=max(settings.most_labels, len(labels) + 1))
    history = TransactionHistory(wide)
    history.learn(labels)
    return np.concatenate(
        [history.features(part) for part in _chunks(rows)] or [np.empty((0, len(FEATURES)))]
    )


def _chunks(rows: TransactionRows) -> Iterator[TransactionRows]:
    for start in range(0, len(rows.events), _CHUNK):
        part = slice(start, start + _CHUNK)
        yield TransactionRows(
            rows.occurred_at[part],
            rows.cards[part],
            rows.terminals[part],
            rows.amounts[part],
            rows.events[part],
        )


def _u64(keys: Keys) -> Keys:
    return np.ascontiguousarray(keys, np.uint64)


def _ms(seconds: float) -> int:
    return round(seconds * 1_000)


assert (*OWN, *CARD, *TERMINAL) == FEATURES
