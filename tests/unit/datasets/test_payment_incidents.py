"""Incidents of simulated payments: a truth that the records bear out."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from eddy.datasets.simulation.payments.incidents import KINDS
from eddy.datasets.simulation.payments.stream import (
    Incident,
    PaymentSimulation,
    incidents,
    simulate,
)
from eddy.datasets.simulation.record import SimulatedRecord

START = datetime(2024, 1, 1, tzinfo=UTC)  # a Monday
HOUR_US = 3_600_000_000

TROUBLED = PaymentSimulation(
    start=START, days=21, merchants=40, payments_per_day=150, size_spread=0.3, calm_days=3,
    drop_out_rate=0.03, spike_rate=0.03, dip_rate=0.03, level_shift_rate=0.03,
)  # fmt: skip


@pytest.fixture(scope="module")
def troubled() -> list[SimulatedRecord]:
    return list(simulate(2, TROUBLED))


@pytest.fixture(scope="module")
def truth() -> list[Incident]:
    return incidents(2, TROUBLED)


def of_kind(truth: list[Incident], kind: str) -> list[Incident]:
    selected = [incident for incident in truth if incident.kind == kind]
    assert len(selected) > 5
    return selected


def hours_of(records: list[SimulatedRecord]) -> Counter[tuple[str, int]]:
    """Count payments by merchant and hour; doubles only once."""
    return Counter(
        (record.key.decode(), record.occurred_at_us // HOUR_US)
        for record in records
        if not record.duplicate
    )


def within(counts: Counter[tuple[str, int]], incident: Incident) -> int:
    hours = range(incident.start_us // HOUR_US, incident.end_us // HOUR_US)
    return sum(counts[incident.merchant_id, hour] for hour in hours)


def test_incidents_are_as_many_as_asked_and_apart(truth: list[Incident]) -> None:
    kinds = Counter(incident.kind for incident in truth)
    asked = 40 * 18 * 0.03
    assert set(kinds) == set(KINDS)
    assert all(0.3 * asked < kinds[kind] < 1.3 * asked for kind in KINDS)
    assert truth == sorted(truth, key=lambda incident: (incident.start_us, incident.merchant_id))
    end_us = int(START.timestamp() * 1e6) + 21 * 24 * HOUR_US
    for incident in truth:
        assert START + timedelta(days=3) <= datetime.fromtimestamp(incident.start_us / 1e6, UTC)
        assert incident.start_us < incident.end_us <= end_us
        assert (incident.kind != "level_shift") or incident.end_us == end_us
    for merchant in {incident.merchant_id for incident in truth}:
        mine = [incident for incident in truth if incident.merchant_id == merchant]
        assert sum(incident.kind == "level_shift" for incident in mine) <= 1
        for before, after in pairwise(mine):
            over = before.end_us if before.kind != "level_shift" else before.start_us + 48 * HOUR_US
            assert after.start_us >= over + 24 * HOUR_US


def test_a_merchant_that_dropped_out_is_silent(
    troubled: list[SimulatedRecord], truth: list[Incident]
) -> None:
    counts = hours_of(troubled)
    selected = of_kind(truth, "drop_out")
    assert [within(counts, incident) for incident in selected] == [0] * len(selected)
    assert sum(incident.expected_payments for incident in selected) > 500
    assert {incident.factor for incident in selected} == {0.0}


@pytest.mark.parametrize("kind", ["spike", "dip", "level_shift"])
def test_payments_change_by_the_factor(
    kind: str, troubled: list[SimulatedRecord], truth: list[Incident]
) -> None:
    counts = hours_of(troubled)
    selected = of_kind(truth, kind)
    # a later incident of the same merchant falsifies what a level shift brings
    alone = [
        incident for incident in selected if not any(overlap(incident, other) for other in truth)
    ]
    assert len(alone) > 3
    ratios = [
        within(counts, incident) / incident.expected_payments / incident.factor
        for incident in alone
    ]
    weights = [incident.expected_payments for incident in alone]
    assert np.average(ratios, weights=weights) == pytest.approx(1, abs=0.08)
    large = [
        r for r, incident in zip(ratios, alone, strict=True) if incident.expected_payments > 100
    ]
    assert all(0.65 < ratio < 1.45 for ratio in large)
    for incident in selected:
        ranges = KINDS[kind].factors
        assert any(low <= incident.factor <= high for low, high in ranges)


def overlap(incident: Incident, other: Incident) -> bool:
    return (
        other is not incident
        and other.merchant_id == incident.merchant_id
        and other.start_us < incident.end_us
        and incident.start_us < other.end_us
        and other.kind != "level_shift"
    )


def test_an_hour_after_a_shift_is_as_before_but_for_the_factor() -> None:
    """The expectation is not needed for it: whole weeks before and after are compared."""
    large = PaymentSimulation(
        start=START, days=28, merchants=12, payments_per_day=1_000, size_spread=0.0, calm_days=13,
        level_shift_rate=0.1, drop_out_rate=0, spike_rate=0, dip_rate=0, day_spread=0,
    )  # fmt: skip
    shifts = [
        incident
        for incident in incidents(8, large)
        if incident.end_us - incident.start_us > 8 * 24 * HOUR_US
    ]
    assert len(shifts) > 3
    counts = hours_of(list(simulate(8, large)))
    base = int(START.timestamp() * 1e6) // HOUR_US
    for incident in shifts:
        first = incident.start_us // HOUR_US
        week = 168 * HOUR_US
        weeks = (first - base) // 168  # the same hours of a week that was calm
        before = sum(counts[incident.merchant_id, first + h - 168 * weeks] for h in range(168))
        after = within(counts, msgspec.structs.replace(incident, end_us=incident.start_us + week))
        # paydays are in neither alike
        assert after / before == pytest.approx(incident.factor, rel=0.2)


def test_records_say_which_incident_they_fall_into(
    troubled: list[SimulatedRecord], truth: list[Incident]
) -> None:
    expected = {}
    for incident in truth:
        end_us = incident.end_us
        if incident.kind == "level_shift":
            end_us = min(end_us, incident.start_us + 48 * HOUR_US)
        for hour in range(incident.start_us // HOUR_US, end_us // HOUR_US):
            expected[incident.merchant_id, hour] = incident.kind
    for record in troubled:
        where = (record.key.decode(), record.occurred_at_us // HOUR_US)
        assert record.anomaly == expected.get(where)
    assert {record.anomaly for record in troubled} == {None, "spike", "dip", "level_shift"}


def test_no_incidents_where_none_are_asked() -> None:
    calm = PaymentSimulation(**dict.fromkeys((f"{kind}_rate" for kind in KINDS), 0.0))
    assert incidents(1, calm) == []
    assert incidents(1, PaymentSimulation(days=5, calm_days=5)) == []


def test_what_is_expected_after_a_level_shift_has_its_level() -> None:
    many = PaymentSimulation(
        start=START, days=28, merchants=60, payments_per_day=150, size_spread=0.3, calm_days=0,
        level_shift_rate=0.2, spike_rate=0.03, dip_rate=0.03, drop_out_rate=0, day_spread=0,
    )  # fmt: skip
    selected = incidents(9, many)
    shifts = {
        incident.merchant_id: incident for incident in selected if incident.kind == "level_shift"
    }
    counts = hours_of(list(simulate(9, many)))
    for is_up in (False, True):
        after = [
            incident
            for incident in selected
            if incident.kind != "level_shift"
            and incident.merchant_id in shifts
            and incident.start_us > shifts[incident.merchant_id].start_us
            and (shifts[incident.merchant_id].factor > 1) == is_up
        ]
        assert len(after) > 10
        wanted = sum(incident.expected_payments * incident.factor for incident in after)
        assert sum(within(counts, incident) for incident in after) == pytest.approx(wanted, rel=0.1)
