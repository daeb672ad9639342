"""Card transactions to fill a topic with, by time, with the frauds among them.

The Fraud Detection Handbook's where its file is at hand, else simulated ones of as many cards.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from eddy.datasets.simulation.transactions.days import draw_days
from eddy.datasets.simulation.transactions.options import TransactionSimulation
from eddy.models.arrays import Ints
from eddy.models.features.transaction_history import TransactionRows
from eddy.models.labels import Labels
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "handbook" / "handbook-raw.parquet"
DAY_US = 86_400_000_000
DELAY_US = 7 * DAY_US
_SIMULATED = TransactionSimulation(days=150, customers=5_000, malformed_rate=0.0, late_rate=0.0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Payments:
    """n transactions by time.

    Attributes
    ----------
    occurred_at : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    cards, terminals : ndarray of int64, shape (n,)
        Numbers.
    amounts : ndarray of float64, shape (n,)
    is_fraud : ndarray of bool, shape (n,)
    """

    occurred_at: Ints
    cards: Ints
    terminals: Ints
    amounts: NDArray[np.float64]
    is_fraud: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.cards)

    def first(self, count: int) -> "Payments":
        """Return the earliest ones."""
        columns = (getattr(self, name)[:count] for name in self.__slots__)
        return Payments(*columns)

    def rows(self) -> TransactionRows:
        """Return them as a history takes them."""
        cards, terminals = (
            np.array([hash_text(f"{kind}-{n}") for n in range(int(numbers.max()) + 1)], np.uint64)
            for kind, numbers in (("c0", self.cards), ("m0", self.terminals))
        )
        events = np.arange(1, len(self) + 1, dtype=np.uint64)
        return TransactionRows(
            self.occurred_at, cards[self.cards], terminals[self.terminals], self.amounts, events
        )

    def labels(self) -> Labels:
        """Return what becomes known of the frauds, seven days after each."""
        frauds = np.flatnonzero(self.is_fraud)
        known_at = self.occurred_at[frauds] + DELAY_US
        return Labels((frauds + 1).astype(np.uint64), np.ones(len(frauds), np.bool_), known_at)


def payments(data: Path = DATA) -> Payments:
    """Return all there are."""
    return _handbook(data) if data.exists() else _simulated()


def _handbook(data: Path) -> Payments:
    names = ["TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"]
    table = pq.read_table(data, columns=names)
    time, *others = (table[name].to_numpy() for name in names)
    order = np.argsort(time, kind="stable")
    cards, terminals, amounts, frauds = (column[order] for column in others)
    return Payments(
        time[order].astype("M8[us]").astype(np.int64),
        cards.astype(np.int64),
        terminals.astype(np.int64),
        amounts.astype(np.float64),
        frauds.astype(np.bool_),
    )


def _simulated() -> Payments:
    days = list(draw_days(0, _SIMULATED))
    names = ("occurred_us", "card", "terminal", "amount", "scenario")
    time, cards, terminals, amounts, scenario = (
        np.concatenate([getattr(day, name) for day in days]) for name in names
    )
    return Payments(time, cards, terminals, amounts, scenario >= 0)


def records(source: Payments, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, JSON) of `count` transactions by time.

    Of more than there are, each is there several times, of another population's card and terminal.
    """
    populations = -(-count // len(source))
    number = 0
    for first in range(0, len(source), 100_000):
        part = slice(first, first + 100_000)
        times = source.occurred_at[part].astype("M8[us]")
        texts = np.datetime_as_string(times, unit="ms").astype(bytes).tolist()
        columns = (source.cards[part], source.terminals[part], source.amounts[part])
        for at, card, terminal, amount in zip(texts, *(c.tolist() for c in columns), strict=True):
            for population in range(populations):
                if number == count:
                    return
                key = b"c%d-%d" % (population, card)
                yield (
                    key,
                    (
                        b'{"event_id":"b%010d","occurred_at":"%bZ","card_token":"%b",'
                        b'"terminal_id":"m%d-%d","amount":%b,"currency":"EUR"}'
                        % (number, at, key, population, terminal, b"%.2f" % amount)
                    ),
                )
                number += 1


def label_records(source: Payments, count: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key, JSON) of the labels of the frauds among the `count` records."""
    populations = -(-count // len(source))
    for row in np.flatnonzero(source.is_fraud).tolist():
        at = _EPOCH + timedelta(microseconds=int(source.occurred_at[row]) + DELAY_US)
        for number in range(row * populations, min((row + 1) * populations, count)):
            name = f"b{number:010d}"
            label = Label(event_id=name, verdict="fraud", labelled_at=at, labelled_by="bench")
            yield name.encode(), msgspec.json.encode(label)
