"""Payments of merchants of many sizes and trades, with incidents whose truth is known.

Late, double and broken records are among them. Everything is drawn by the hour or a part of it:
how long the simulation is does not matter to the memory it takes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.datasets.simulation.damage import DAMAGES, damaged
from eddy.datasets.simulation.disorder import Disorder
from eddy.datasets.simulation.payments.incidents import NAMES, expected_payments
from eddy.datasets.simulation.payments.merchants import SimulatedMerchants, merchant_id
from eddy.datasets.simulation.payments.options import PaymentSimulation
from eddy.datasets.simulation.payments.segments import NAMES as SEGMENT_NAMES
from eddy.datasets.simulation.payments.times import (
    HOUR_US,
    PAYMENTS,
    Drawn,
    World,
    chunks,
    draw_times,
)
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.models.arrays import Ints
from eddy.schemas.payments import Kind, Payment, Status

__all__ = ["Incident", "PaymentSimulation", "incidents", "simulate", "simulate_batches"]

DAMAGE_KINDS = tuple(DAMAGES)
_STATUSES: tuple[Status, ...] = ("declined", "reversed", "approved")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Incident(msgspec.Struct, frozen=True, gc=False):
    """Something that went wrong with a merchant, or at least differently.

    Attributes
    ----------
    merchant_id : str
        Whose.
    kind : str
        ``drop_out`` (not one payment), ``spike``, ``dip``, or ``level_shift``, which stays.
    start_us, end_us : int
        From when until when, the end excluded, in microseconds since 1970, UTC. A level shift
        ends with the simulation.
    factor : float
        What the merchant's payments are multiplied with; 0 of a drop-out.
    expected_payments : float
        How many payments it would have had meanwhile, on average: where they are few, nobody can
        see the incident.
    """

    merchant_id: str
    kind: str
    start_us: int
    end_us: int
    factor: float
    expected_payments: float


def incidents(seed: int, options: PaymentSimulation) -> list[Incident]:
    """Return the truth of a simulation, by ascending start: what `simulate` put in."""
    world = World.draw(seed, options)
    drawn, start_us = world.incidents, _micros(options.start)
    expected = expected_payments(drawn, world.merchants, world.busy)
    return [
        Incident(merchant_id(who), NAMES[kind], start, end, factor, payments)
        for who, kind, start, end, factor, payments in zip(
            drawn.merchant.tolist(),
            drawn.kind.tolist(),
            (start_us + drawn.start * HOUR_US).tolist(),
            (start_us + drawn.end * HOUR_US).tolist(),
            drawn.factor.tolist(),
            expected.tolist(),
            strict=True,
        )
    ]


def simulate(seed: int, options: PaymentSimulation) -> Iterator[SimulatedRecord]:
    """Yield records in the order they come; the same seed and options give the same bytes.

    A record's `anomaly` is the kind of the incident it falls into. A level shift counts for two
    days; then the new level is ordinary. A drop-out has no records: see `incidents`.
    """
    for batch in simulate_batches(seed, options):
        yield from batch


def simulate_batches(seed: int, options: PaymentSimulation) -> Iterator[list[SimulatedRecord]]:
    """Yield the same records in batches, for those who send by the thousand."""
    rng = np.random.default_rng([seed, PAYMENTS])
    world, disorder, first = World.draw(seed, options), Disorder(), 0
    start_us = _micros(options.start)
    for chunk in chunks(seed, options, world):
        drawn = draw_times(rng, chunk, options.merchants, start_us)
        fates = _draw_fates(rng, options, drawn.occurred_us)
        values = _draw_values(rng, options, world.merchants, drawn.merchant)
        ids = [f"payment-{seed}-{row}" for row in range(first, first + len(drawn.merchant))]
        disorder.put(*_arrivals(_records(ids, drawn, values, fates, options), fates))
        yield disorder.take(start_us + chunk.end_us)
        first += len(ids)
    yield disorder.take()


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Fates:
    """What becomes of each record of a chunk; `malformed` is a position, -1 for none."""

    malformed: Ints
    late: NDArray[np.bool_]
    duplicate: NDArray[np.bool_]
    due_us: Ints
    again_us: Ints


def _draw_fates(rng: np.random.Generator, options: PaymentSimulation, occurred_us: Ints) -> _Fates:
    n = len(occurred_us)
    malformed = rng.random(n) < options.malformed_rate
    late = rng.random(n) < options.late_rate
    wait_s = rng.uniform(0, options.disorder_s, n) + late * rng.uniform(*options.late_s, n)
    due_us = occurred_us + (wait_s * 1e6).astype(np.int64)
    again_s = rng.uniform(0, options.duplicate_s, n)
    return _Fates(
        malformed=np.where(malformed, rng.integers(0, len(DAMAGE_KINDS), n), -1),
        late=late,
        duplicate=rng.random(n) < options.duplicate_rate,
        due_us=due_us,
        again_us=due_us + 1 + (again_s * 1e6).astype(np.int64),
    )


@dataclass(frozen=True, slots=True)
class _Values:
    """What the payments of a chunk say, as lists of n."""

    amount: list[float]
    kind: list[Kind]
    status: list[Status]
    segment: list[str]


def _draw_values(
    rng: np.random.Generator, options: PaymentSimulation, merchants: SimulatedMerchants, who: Ints
) -> _Values:
    n = len(who)
    amount = merchants.amount[who] * np.exp(merchants.spread[who] * rng.standard_normal(n))
    refund = rng.random(n) < options.refund_rate
    fails = (options.declined_rate, options.declined_rate + options.reversed_rate)
    status = np.searchsorted(fails, rng.random(n), "right")
    return _Values(
        amount=np.maximum(np.round(amount, 2), 0.01).tolist(),
        kind=["refund" if is_refund else "sale" for is_refund in refund.tolist()],
        status=[_STATUSES[code] for code in status.tolist()],
        segment=[SEGMENT_NAMES[segment] for segment in merchants.segment[who].tolist()],
    )


def _arrivals(records: list[SimulatedRecord], fates: _Fates) -> tuple[Ints, list[SimulatedRecord]]:
    """Return when the records are due, and the records, doubles too."""
    twice = np.flatnonzero(fates.duplicate)
    doubles = [msgspec.structs.replace(records[i], duplicate=True) for i in twice.tolist()]
    return np.concatenate([fates.due_us, fates.again_us[twice]]), records + doubles


_encode: Callable[[Payment], bytes] = msgspec.json.Encoder().encode


def _records(
    ids: list[str], drawn: Drawn, values: _Values, fates: _Fates, options: PaymentSimulation
) -> list[SimulatedRecord]:
    moments = drawn.occurred_us.astype("M8[us]").tolist()
    names = [merchant_id(who) for who in drawn.merchant.tolist()]
    columns = zip(values.amount, values.kind, values.status, values.segment, strict=True)
    payloads = [
        _encode(
            Payment(
                event_id=event_id,
                occurred_at=moment.replace(tzinfo=UTC),
                merchant_id=name,
                amount=amount,
                kind=kind,
                status=status,
                currency=options.currency,
                country=options.country,
                segment=segment,
            )
        )
        for event_id, moment, name, (amount, kind, status, segment) in zip(
            ids, moments, names, columns, strict=True
        )
    ]
    ends = (drawn.anomaly.tolist(), fates.malformed.tolist(), fates.late.tolist())
    rows = zip(names, payloads, ids, drawn.occurred_us.tolist(), *ends, strict=True)
    return [_record(*row) for row in rows]


def _record(
    name: str,
    payload: bytes,
    event_id: str,
    occurred_us: int,
    anomaly: int,
    malformed: int,
    late: bool,
) -> SimulatedRecord:
    kind = None if malformed < 0 else DAMAGE_KINDS[malformed]
    return SimulatedRecord(
        key=name.encode(),
        payload=payload if kind is None else damaged(payload, kind, "amount"),
        event_id=event_id,
        occurred_at_us=occurred_us,
        anomaly=None if anomaly < 0 else NAMES[anomaly],
        malformed=kind,
        late=late,
    )
