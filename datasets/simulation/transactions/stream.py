"""Card transactions of many customers, with frauds whose truth is known.

Late, double and broken records are among them. Everything is drawn by the day: how long the
simulation is does not matter to the memory it takes.
"""

from collections.abc import Callable, Iterator

import msgspec
import numpy as np

from eddy.datasets.simulation.damage import damaged
from eddy.datasets.simulation.disorder import Disorder
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.datasets.simulation.transactions.days import (
    DAMAGE_KINDS,
    EPOCH,
    SCENARIOS,
    TransactionDay,
    draw_days,
    event_id,
)
from eddy.datasets.simulation.transactions.labels import labels
from eddy.datasets.simulation.transactions.options import TransactionSimulation
from eddy.datasets.simulation.transactions.population import card_token, terminal_id
from eddy.models.arrays import Ints
from eddy.schemas.transactions import Transaction

__all__ = ["TransactionSimulation", "labels", "simulate", "simulate_batches"]

BATCH = 8_192
_NAMES: tuple[str | None, ...] = (*SCENARIOS, None)  # the last one is also at -1


def simulate(seed: int, options: TransactionSimulation) -> Iterator[SimulatedRecord]:
    """Yield records in the order they come; the same seed and options give the same bytes.

    A record's `anomaly` is one of `transaction_days.SCENARIOS`.
    """
    for batch in simulate_batches(seed, options):
        yield from batch


def simulate_batches(seed: int, options: TransactionSimulation) -> Iterator[list[SimulatedRecord]]:
    """Yield the same records in batches, for those who send by the thousand."""
    disorder = Disorder()
    for day in draw_days(seed, options):
        # what is due before the next transaction happens cannot be overtaken any more
        ends = [*day.occurred_us[BATCH::BATCH].tolist(), day.end_us]
        for first, end_us in zip(range(0, max(len(day), 1), BATCH), ends, strict=True):
            rows = slice(first, first + BATCH)
            records = _records(seed, options, day, rows)
            _break(records, day.fates.malformed[rows])
            disorder.put(*_arrivals(records, day, rows))
            yield disorder.take(end_us)
    yield disorder.take()


def _arrivals(
    records: list[SimulatedRecord], day: TransactionDay, rows: slice
) -> tuple[Ints, list[SimulatedRecord]]:
    """Return when the records are due, and the records, doubles too."""
    twice = np.flatnonzero(day.fates.duplicate[rows])
    doubles = [msgspec.structs.replace(records[i], duplicate=True) for i in twice.tolist()]
    return np.concatenate(
        [day.fates.due_us[rows], day.fates.again_us[rows][twice]]
    ), records + doubles


_encode: Callable[[Transaction], bytes] = msgspec.json.Encoder().encode


def _records(
    seed: int, options: TransactionSimulation, day: TransactionDay, rows: slice
) -> list[SimulatedRecord]:
    cards = [card_token(card) for card in day.card[rows].tolist()]
    first = day.first_row + rows.start
    ids = [event_id(seed, row) for row in range(first, first + len(cards))]
    truth = (day.occurred_us, day.scenario, day.fates.late)
    columns = (column[rows].tolist() for column in truth)
    payloads = _payloads(options, day, rows, ids, cards)
    return [
        SimulatedRecord(card.encode(), payload, name, occurred_us, _NAMES[scenario], None, late)
        for card, payload, name, occurred_us, scenario, late in zip(
            cards, payloads, ids, *columns, strict=True
        )
    ]


def _payloads(
    options: TransactionSimulation,
    day: TransactionDay,
    rows: slice,
    ids: list[str],
    cards: list[str],
) -> list[bytes]:
    # adding up is many times quicker than giving a time zone to each
    since = day.occurred_us[rows].astype("m8[us]").tolist()
    terminals = [terminal_id(terminal) for terminal in day.terminal[rows].tolist()]
    vectors = day.vector[rows].tolist() if options.vector else [None] * len(ids)
    columns = zip(ids, since, cards, terminals, day.amount[rows].tolist(), vectors, strict=True)
    currency = options.currency
    return [
        _encode(
            Transaction(
                event_id=name,
                occurred_at=EPOCH + after,
                card_token=card,
                terminal_id=terminal,
                amount=amount,
                currency=currency,
                vector=vector,
            )
        )
        for name, after, card, terminal, amount, vector in columns
    ]


def _break(records: list[SimulatedRecord], malformed: Ints) -> None:
    """Make some of the records unreadable."""
    for row in np.flatnonzero(malformed >= 0).tolist():
        kind, sound = DAMAGE_KINDS[malformed[row]], records[row]
        records[row] = msgspec.structs.replace(
            sound, payload=damaged(sound.payload, kind, "amount"), malformed=kind
        )
