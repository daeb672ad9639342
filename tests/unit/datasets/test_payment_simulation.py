"""Simulated payments: like those of real merchants in their days, weeks and sizes."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import pytest

from eddy.datasets.simulation.damage import DAMAGES
from eddy.datasets.simulation.payments.incidents import KINDS
from eddy.datasets.simulation.payments.segments import SEGMENTS
from eddy.datasets.simulation.payments.stream import (
    PaymentSimulation,
    incidents,
    simulate,
    simulate_batches,
)
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.errors import ConfigError
from eddy.schemas.payments import Payment
from eddy.schemas.rejections import MAX_RECORD_BYTES

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
HOUR_US = 3_600_000_000
ORDINARY = dict.fromkeys(
    (
        *(f"{kind}_rate" for kind in KINDS),
        *("malformed_rate", "late_rate", "duplicate_rate", "disorder_s", "day_spread"),
    ),
    0.0,
)


def options(**changes: Any) -> PaymentSimulation:
    return PaymentSimulation(**{"start": START, **ORDINARY, **changes})


def payments(records: list[SimulatedRecord]) -> list[Payment]:
    return [msgspec.json.decode(record.payload, type=Payment) for record in records]


PLAIN = options(days=35, merchants=400, payments_per_day=8, size_spread=0.3)
TROUBLED = PaymentSimulation(
    start=START, days=21, merchants=40, payments_per_day=150, size_spread=0.3, calm_days=3,
    drop_out_rate=0.03, spike_rate=0.03, dip_rate=0.03, level_shift_rate=0.03,
    malformed_rate=0.005, late_rate=0.01, duplicate_rate=0.01,
)  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> list[Payment]:
    """Five weeks in which days differ only by the calendar."""
    return payments(list(simulate(1, PLAIN)))


@pytest.fixture(scope="module")
def troubled() -> list[SimulatedRecord]:
    return list(simulate(2, TROUBLED))


def test_the_same_seed_gives_the_same_records() -> None:
    few = PaymentSimulation(days=10, merchants=20)
    assert list(simulate(3, few)) == list(simulate(3, few))
    assert incidents(3, few) == incidents(3, few)
    assert list(simulate(3, few)) != list(simulate(4, few))


def test_batches_hold_the_same_records(troubled: list[SimulatedRecord]) -> None:
    batches = list(simulate_batches(2, TROUBLED))
    assert [record for batch in batches for record in batch] == troubled


def test_the_start_is_an_instant() -> None:
    there = START.astimezone(timezone(timedelta(hours=-5)))
    assert list(simulate(3, options(days=1, start=there))) == list(simulate(3, options(days=1)))


@pytest.mark.parametrize("size", [{"merchants": 3, "payments_per_day": 40},
                                  {"merchants": 2_000, "payments_per_day": 40},
                                  {"merchants": 20, "payments_per_day": 60_000}])  # fmt: skip
def test_batches_are_small_whatever_the_size(size: dict[str, Any]) -> None:
    batches = list(islice(simulate_batches(3, options(days=2, **size)), 60))
    assert max(len(batch) for batch in batches) < 40_000
    times = [record.occurred_at_us for batch in batches for record in batch]
    assert times == sorted(times)
    assert len(batches) > 2
    covered_days = (times[-1] - times[0]) / (24 * HOUR_US)
    asked = size["merchants"] * size["payments_per_day"]
    if covered_days > 1.9:
        assert len(times) / 2 == pytest.approx(asked, rel=0.2)


def test_every_payment_is_there_once_and_in_time(plain: list[Payment]) -> None:
    assert [p.event_id for p in plain] == [f"payment-1-{row}" for row in range(len(plain))]
    times = [p.occurred_at for p in plain]
    assert times == sorted(times)
    assert times[0] >= START
    assert times[-1] < START + timedelta(days=35)
    assert len(plain) == pytest.approx(35 * 400 * 8, rel=0.1)  # paydays bring more


def test_days_have_the_shape_of_their_trade(plain: list[Payment]) -> None:
    for name, segment in SEGMENTS.items():
        hours = Counter(p.occurred_at.hour for p in plain if p.segment == name)
        total = sum(hours.values())
        assert total > 5_000, name
        seen = np.array([hours[hour] for hour in range(24)]) / total
        # merchants come an hour early or late as often as in time
        wanted = np.mean([np.roll(segment.hours, shift) for shift in (-1, 0, 1)], axis=0)
        assert seen == pytest.approx(wanted / wanted.sum(), abs=0.012), name


def test_weeks_have_the_shape_of_their_trade(plain: list[Payment]) -> None:
    ordinary = [p for p in plain if 8 <= p.occurred_at.day <= 21]
    for name, segment in SEGMENTS.items():
        days = Counter(p.occurred_at.weekday() for p in ordinary if p.segment == name)
        seen = np.array([days[day] for day in range(7)]) / sum(days.values())
        assert seen == pytest.approx(np.array(segment.weekdays) / sum(segment.weekdays), abs=0.02)


def test_sizes_are_log_normal_and_come_to_the_mean() -> None:
    many = options(days=7, merchants=3_000, payments_per_day=10, size_spread=1.0)
    counts = Counter(record.key for record in simulate(5, many))
    sizes = np.array(sorted(counts.values()))
    assert sizes.sum() / (7 * 3_000) == pytest.approx(10, rel=0.05)
    busy = sizes[sizes > 20]  # of small ones chance hides the size
    assert np.median(sizes) == pytest.approx(70 * np.exp(-0.5), rel=0.1)
    assert np.quantile(busy, 0.98) / np.median(sizes) == pytest.approx(np.exp(2.1), rel=0.25)


def test_days_differ_by_chance() -> None:
    def spread(day_spread: float) -> float:
        many = options(days=11, merchants=20, payments_per_day=300, size_spread=0.0)
        lively = msgspec.structs.replace(many, day_spread=day_spread)
        days = Counter((r.key, r.occurred_at_us // (24 * HOUR_US)) for r in simulate(5, lively))
        first = START.timestamp() // 86_400
        ratios = [
            days[f"merchant-{i:07d}".encode(), first + 8 + d]
            / days[f"merchant-{i:07d}".encode(), first + 1 + d]
            for i in range(20)
            for d in range(3)
        ]
        return float(np.std(np.log(ratios)))

    assert spread(0.0) < 0.15
    assert spread(0.3) == pytest.approx(0.3 * np.sqrt(2), rel=0.35)


def test_amounts_are_log_normal_by_trade(plain: list[Payment]) -> None:
    for name, segment in SEGMENTS.items():
        amounts = np.log([p.amount for p in plain if p.segment == name])
        assert np.median(amounts) == pytest.approx(np.log(segment.amount), abs=0.4), name
        assert np.std(amounts) == pytest.approx(np.hypot(segment.spread, 0.3), abs=0.2), name
    assert min(p.amount for p in plain) > 0
    assert all(round(p.amount, 2) == p.amount for p in plain[:1000])


def test_kinds_and_statuses_are_as_asked(plain: list[Payment]) -> None:
    kinds = Counter(p.kind for p in plain)
    statuses = Counter(p.status for p in plain)
    n = len(plain)
    assert kinds["refund"] / n == pytest.approx(0.04, abs=0.004)
    assert statuses["declined"] / n == pytest.approx(0.06, abs=0.004)
    assert statuses["reversed"] / n == pytest.approx(0.01, abs=0.002)
    assert {(p.count, p.currency, p.country) for p in plain} == {(1, "USD", None)}


def test_all_that_is_not_broken_is_decoded_by_the_fast_path(
    troubled: list[SimulatedRecord],
) -> None:
    payloads = [record.payload for record in troubled]
    _kept, addresses, lengths = buffers(payloads)
    decoded = Decoder(Payment, 0.0).decode(addresses, lengths, np.full(len(payloads), -1))
    broken = {row: DAMAGES[r.malformed][1] for row, r in enumerate(troubled) if r.malformed}
    assert {row: why.reason for row, why in decoded.rejected} == broken
    assert decoded.plain == len(payloads) - len(broken)
    times = np.array([record.occurred_at_us for record in troubled])
    valid = decoded.columns.valid
    assert (decoded.columns.occurred_at[valid] == times[valid]).all()
    assert any(len(payload) > MAX_RECORD_BYTES for payload in payloads)


def test_keys_are_merchants(troubled: list[SimulatedRecord]) -> None:
    sound = [record for record in troubled if record.malformed is None]
    assert [r.key.decode() for r in sound] == [p.merchant_id for p in payments(sound)]
    assert [r.event_id for r in sound] == [p.event_id for p in payments(sound)]


def test_rates_are_as_asked(troubled: list[SimulatedRecord]) -> None:
    n = sum(not record.duplicate for record in troubled)
    assert n > 50_000
    for name, wanted in (("malformed", 0.005), ("late", 0.01)):
        count = sum(bool(getattr(r, name)) and not r.duplicate for r in troubled)
        assert count / n == pytest.approx(wanted, rel=0.15), name
    assert sum(r.duplicate for r in troubled) / n == pytest.approx(0.01, rel=0.15)
    assert {r.malformed for r in troubled} == {None, *DAMAGES}


def test_doubles_come_after_their_like(troubled: list[SimulatedRecord]) -> None:
    seen: dict[str, bytes] = {}
    for record in troubled:
        assert record.duplicate == (record.event_id in seen)
        assert seen.setdefault(record.event_id, record.payload) == record.payload


def test_late_records_are_late_and_no_others() -> None:
    busy = options(
        days=2, merchants=50, payments_per_day=400, late_rate=0.01, late_s=(900, 7_200),
        disorder_s=5,
    )  # fmt: skip
    records = list(simulate(6, busy))
    last = max(record.occurred_at_us for record in records)
    newest = 0
    for record in records:
        behind_s = (newest - record.occurred_at_us) / 1e6
        newest = max(newest, record.occurred_at_us)
        if not record.late:
            assert behind_s <= 5
        elif newest < last:  # the rest comes when there is nothing left to be behind of
            assert 300 < behind_s <= 7_205  # nights are quiet: the newest is minutes old
    assert sum(record.late for record in records) > 200


def test_settings_are_read_with_their_bounds() -> None:
    read = msgspec.convert({"start": "2024-03-01T00:00:00+01:00", "days": 2}, PaymentSimulation)
    assert read == PaymentSimulation(start=datetime(2024, 2, 29, 23, tzinfo=UTC), days=2)
    with pytest.raises(msgspec.ValidationError, match="unknown field `dayz`"):
        msgspec.convert({"dayz": 2}, PaymentSimulation)


@pytest.mark.parametrize(
    "change",
    [
        {"days": 0},
        {"days": 1.5},
        {"merchants": 0},
        {"payments_per_day": 0.0},
        {"payments_per_day": float("nan")},
        {"refund_rate": 1.1},
        {"drop_out_rate": -0.1},
        {"declined_rate": 0.6, "reversed_rate": 0.6},
        {"late_s": (10, 5)},
        {"late_s": (-1, 5)},
        {"disorder_s": -1.0},
        {"start": datetime(2024, 1, 1)},
        {"timezone": "Mars/Olympus"},
        {"timezone": "../etc/passwd"},
    ],
)
def test_settings_that_make_no_sense_are_named(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        options(**change)
