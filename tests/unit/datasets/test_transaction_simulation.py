"""Simulated card transactions: those of the Fraud Detection Handbook, and what is known of them."""

import os
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from eddy.datasets.simulation.damage import DAMAGES
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.datasets.simulation.transactions.days import (
    DAY_US,
    SCENARIOS,
    TransactionDay,
    draw_days,
    event_id,
)
from eddy.datasets.simulation.transactions.population import RADIUS, _reach, draw_population
from eddy.datasets.simulation.transactions.stream import (
    TransactionSimulation,
    labels,
    simulate,
    simulate_batches,
)
from eddy.schemas.card_numbers import redacted
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.errors import ConfigError
from eddy.schemas.labels import Label
from eddy.schemas.transactions import Transaction

DATA = Path(os.environ.get("EDDY_DATA", Path(__file__).parents[4] / "shared/data"))
START = datetime(2024, 1, 1, tzinfo=UTC)
START_US = round(START.timestamp() * 1e6)
ORDINARY = dict.fromkeys(("malformed_rate", "late_rate", "duplicate_rate", "disorder_s"), 0.0)


def options(**changes: Any) -> TransactionSimulation:
    return TransactionSimulation(**{"start": START, **ORDINARY, **changes})


def transactions(records: list[SimulatedRecord]) -> list[Transaction]:
    return [msgspec.json.decode(record.payload, type=Transaction) for record in records]


PLAIN = options(days=60, customers=1_000)
MIXED = TransactionSimulation(
    days=20, customers=500, compromised_terminal_rate=0.004, compromised_card_rate=0.006,
    vector=8, malformed_rate=0.01, late_rate=0.01, duplicate_rate=0.01,
)  # fmt: skip


@pytest.fixture(scope="module")
def plain() -> list[TransactionDay]:
    """Two months of a thousand customers, frauds as often as in the Handbook, as columns."""
    return list(draw_days(1, PLAIN))


@pytest.fixture(scope="module")
def mixed() -> list[SimulatedRecord]:
    """Many frauds, and records of every fate."""
    return list(simulate(2, MIXED))


@pytest.fixture(scope="module")
def told() -> list[tuple[int, Label]]:
    """What is said of `mixed`."""
    return list(labels(2, MIXED))


def column(days: list[TransactionDay], name: str) -> Any:
    return np.concatenate([getattr(day, name) for day in days])


# -- records ----------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_records() -> None:
    few = TransactionSimulation(days=5, customers=50, vector=2)
    assert list(simulate(3, few)) == list(simulate(3, few))
    assert list(labels(3, few)) == list(labels(3, few))
    assert list(simulate(3, few)) != list(simulate(4, few))
    assert list(labels(3, few)) != list(labels(4, few))


def test_batches_hold_the_same_records(mixed: list[SimulatedRecord]) -> None:
    batches = list(simulate_batches(2, MIXED))
    assert [record for batch in batches for record in batch] == mixed


def test_batches_are_small_however_many_customers_there_are() -> None:
    batches = list(simulate_batches(2, options(days=2, customers=20_000)))
    assert max(map(len, batches)) < 9_000
    times = [record.occurred_at_us for batch in batches for record in batch]
    assert times == sorted(times)
    assert [one.event_id for batch in batches for one in batch] == [
        event_id(2, row) for row in range(len(times))
    ]


def test_a_longer_simulation_begins_like_a_shorter_one() -> None:
    short, long = (list(simulate(5, options(days=days, customers=40))) for days in (4, 9))
    assert long[: len(short)] == short


def test_the_start_is_an_instant() -> None:
    there = START.astimezone(timezone(timedelta(hours=-5)))
    few = options(days=2, customers=20)
    assert list(simulate(3, msgspec.structs.replace(few, start=there))) == list(simulate(3, few))


def test_keys_are_cards(mixed: list[SimulatedRecord]) -> None:
    sound = [record for record in mixed if record.malformed is None]
    said = transactions(sound)
    assert [record.key.decode() for record in sound] == [one.card_token for one in said]
    assert [record.event_id for record in sound] == [one.event_id for one in said]


def test_all_that_is_not_broken_is_decoded_by_the_fast_path(mixed: list[SimulatedRecord]) -> None:
    payloads = [record.payload for record in mixed if record.malformed != "too_large"]
    kept = [record for record in mixed if record.malformed != "too_large"]
    _kept, addresses, lengths = buffers(payloads)
    decoded = Decoder(Transaction, 0.0).decode(addresses, lengths, np.full(len(payloads), -1))
    broken = {row: DAMAGES[one.malformed][1] for row, one in enumerate(kept) if one.malformed}
    assert {row: why.reason for row, why in decoded.rejected} == broken
    assert decoded.plain == len(payloads) - len(broken)
    times = np.array([record.occurred_at_us for record in kept])
    valid = decoded.columns.valid
    assert (decoded.columns.occurred_at[valid] == times[valid]).all()


def test_rates_are_as_asked(mixed: list[SimulatedRecord]) -> None:
    n = sum(not record.duplicate for record in mixed)
    assert n == pytest.approx(20 * 500 * 1.94, rel=0.1)
    for name in ("malformed", "late"):
        found = sum(bool(getattr(r, name)) and not r.duplicate for r in mixed)
        assert found / n == pytest.approx(0.01, rel=0.25), name
    assert sum(r.duplicate for r in mixed) / n == pytest.approx(0.01, rel=0.25)
    assert {r.malformed for r in mixed} == {None, *DAMAGES}
    assert {r.anomaly for r in mixed} == {None, *SCENARIOS}


def test_doubles_come_after_their_like(mixed: list[SimulatedRecord]) -> None:
    seen: dict[str, bytes] = {}
    for record in mixed:
        assert record.duplicate == (record.event_id in seen)
        assert seen.setdefault(record.event_id, record.payload) == record.payload


def test_late_records_are_late_and_no_others() -> None:
    busy = options(days=2, customers=5_000, late_rate=0.01, late_s=(900, 7_200), disorder_s=5)
    newest, late = 0, 0
    for record in simulate(6, busy):
        behind_s = (newest - record.occurred_at_us) / 1e6
        newest = max(newest, record.occurred_at_us)
        assert behind_s <= (7_205 if record.late else 5)
        late += behind_s > 300
    assert late > 150


def test_nothing_looks_like_the_number_of_a_card(mixed: list[SimulatedRecord]) -> None:
    for record in mixed:
        assert redacted(record.payload) == record.payload
    # nor where seeds and numbers are as long as can be: 3,660 days of a million busy customers
    for row in range(366_000_000_000 - 200, 366_000_000_000):
        name = event_id(411_111_111_111_111, row).encode()
        assert redacted(name) == name
        assert redacted(b"4111111111111111-%d" % row) != b"4111111111111111-%d" % row


# -- who pays, where and when -----------------------------------------------------------------


def test_customers_pay_near_where_they_live() -> None:
    rng = np.random.default_rng(1)
    homes, places = rng.uniform(0, 33, (500, 2)), rng.uniform(0, 33, (900, 2))
    counts, reached = _reach(homes, places)
    apart = np.linalg.norm(homes[:, None] - places, axis=2)
    first = 0
    for home, count in enumerate(counts):
        near = set(reached[first : first + count].tolist())
        assert near == set(np.flatnonzero(apart[home] <= RADIUS).tolist())
        first += count
    assert first == len(reached)


def test_who_lives_far_from_all_terminals_goes_to_the_nearest() -> None:
    homes, places = np.array([[1.0, 1.0], [9.0, 30.0], [40.0, 3.0]]), np.array([[2, 2.0], [9, 20]])
    counts, reached = _reach(homes, places)
    assert (counts.tolist(), reached.tolist()) == ([1, 1, 1], [0, 1, 1])


@pytest.mark.parametrize("terminals", [1, 2, 30, 5_000])
def test_everybody_finds_a_terminal_however_many_there_are(terminals: int) -> None:
    people = draw_population(np.random.default_rng(3), options(customers=60, terminals=terminals))
    assert (np.diff(people.first) > 0).all()
    assert set(people.reached.tolist()) <= set(range(terminals))


@pytest.mark.parametrize("hour", [0, 7, 18])
def test_noon_is_busy_whenever_the_simulation_begins(hour: int) -> None:
    start = START + timedelta(hours=hour)
    days = list(draw_days(1, options(days=3, customers=3_000, start=start)))
    times = column(days, "occurred_us")
    begin_us = round(start.timestamp() * 1e6)
    assert (np.diff(times) >= 0).all()
    assert begin_us <= times[0] < times[-1] < begin_us + 3 * DAY_US
    clock_h = times % DAY_US / 3.6e9
    assert np.mean(clock_h) == pytest.approx(12, abs=0.2)
    assert np.mean(np.abs(clock_h - 12) < 20_000 / 3_600) == pytest.approx(0.705, abs=0.02)


# -- frauds -----------------------------------------------------------------------------------


def test_large_amounts_are_frauds(plain: list[TransactionDay]) -> None:
    amount, scenario = column(plain, "amount"), column(plain, "scenario")
    assert amount[scenario == -1].max() <= 220 < amount[scenario == 0].min()
    assert (scenario == 0).sum() > 10


def test_everything_at_a_compromised_terminal_is_fraud_for_four_weeks() -> None:
    only = options(
        days=40, customers=500, compromised_terminal_rate=0.0005, compromised_card_rate=0
    )
    days = list(draw_days(4, only))
    terminal, scenario = column(days, "terminal"), column(days, "scenario")
    number = np.repeat([day.number for day in days], list(map(len, days)))
    hit = np.unique(terminal[scenario == 1])
    assert len(hit) == pytest.approx(40 * 0.5, abs=8)
    whole = 0
    for one in hit:
        here = (terminal == one) & (scenario != 0)
        frauds = number[here & (scenario == 1)]
        length = frauds.max() - frauds.min()
        inside = here & (number >= frauds.min()) & (number <= frauds.max())
        if length < 28:  # longer where it happened again
            assert (scenario[inside] == 1).all()
            whole += length > 24
    assert whole > 3


def test_a_third_of_what_a_stolen_card_pays_is_fraud_for_two_weeks() -> None:
    only = options(days=40, customers=500, compromised_terminal_rate=0, compromised_card_rate=0.001)
    days = list(draw_days(4, only))
    card, scenario, amount = (column(days, name) for name in ("card", "scenario", "amount"))
    number = np.repeat([day.number for day in days], list(map(len, days)))
    shares = []
    for one in np.unique(card[scenario == 2]):
        here, fraud = card == one, (card == one) & (scenario == 2)
        span = number[fraud].max() - number[fraud].min()
        assert span < 14 or fraud.sum() > 14  # it happened twice
        if 10 <= span < 14:
            inside = here & (number >= number[fraud].min()) & (number <= number[fraud].max())
            shares.append((inside.sum(), fraud.sum()))
            assert amount[fraud].mean() > 2 * amount[here & ~fraud].mean()
    inside, frauds = np.sum(shares, axis=0)
    assert frauds / inside == pytest.approx(1 / 3, abs=0.12)


def test_as_many_are_compromised_a_day_as_in_the_handbook() -> None:
    days = list(draw_days(9, options(days=1, customers=5_000)))
    cards = np.unique(days[0].card[days[0].scenario == 2])
    terminals = np.unique(days[0].terminal[days[0].scenario == 1])
    assert len(cards) <= 3
    assert len(terminals) <= 2


def test_vectors_tell_frauds_and_change_nothing_else(plain: list[TransactionDay]) -> None:
    with_vector = list(draw_days(1, msgspec.structs.replace(PLAIN, vector=8)))
    for name in ("card", "terminal", "occurred_us", "amount", "scenario"):
        assert (column(with_vector, name) == column(plain, name)).all(), name
    fraud, vector = column(with_vector, "scenario") >= 0, column(with_vector, "vector")
    assert column(plain, "vector").shape == (len(fraud), 0)
    shift = vector[fraud].mean(0) - vector[~fraud].mean(0)
    assert shift == pytest.approx(2 * (-0.8) ** np.arange(8), abs=0.2)
    assert vector[~fraud].std(0) == pytest.approx(np.ones(8), abs=0.02)


def test_it_looks_like_the_handbook(plain: list[TransactionDay]) -> None:
    """The first 60 days of the file: later ones have more frauds, until terminals recover."""
    path = DATA / "handbook/handbook-raw.parquet"
    if not path.exists():
        pytest.skip(f"no transactions of the Handbook at {path}")
    columns = ["TX_TIME_DAYS", "TX_DATETIME", "CUSTOMER_ID", "TX_AMOUNT", "TX_FRAUD_SCENARIO"]
    real = pd.read_parquet(path, columns=columns)
    real.columns = pd.Index(["day", "at", "card", "amount", "scenario"])
    real = real[real["day"] < 60]
    names = ("card", "amount", "scenario", "occurred_us")
    ours = pd.DataFrame({name: column(plain, name) for name in names})
    a_day = len(ours) / 60 / PLAIN.customers
    assert a_day == pytest.approx(len(real) / 60 / real["card"].nunique(), rel=0.05)
    assert a_day == pytest.approx(1.9, rel=0.05)
    frauds = (ours["scenario"] >= 0).mean()
    assert frauds == pytest.approx((real["scenario"] > 0).mean(), rel=0.25)
    assert frauds == pytest.approx(0.008, rel=0.25)
    for code in range(3):  # some twenty terminals and cards are compromised: chance has its part
        wanted = (real["scenario"] == code + 1).mean()
        assert (ours["scenario"] == code).mean() == pytest.approx(wanted, rel=0.4), code
    shares, wanted_shares = parts_of_means(ours, -1), parts_of_means(real, 0)
    for q in (0.1, 0.25, 0.5, 0.75, 0.9, 0.99):
        assert shares.quantile(q) == pytest.approx(wanted_shares.quantile(q), rel=0.03), q
    hours = (ours["occurred_us"] // 3_600_000_000 % 24).value_counts(normalize=True)
    real_hours = real["at"].dt.hour.value_counts(normalize=True)
    assert hours.sort_index().to_numpy() == pytest.approx(real_hours.sort_index(), abs=0.004)


def parts_of_means(frame: pd.DataFrame, genuine: int) -> Any:
    """Return genuine amounts as parts of the mean of their customer."""
    frame = frame[frame["scenario"] == genuine]
    cards = frame.groupby("card")["amount"]
    return (frame["amount"] / cards.transform("mean"))[cards.transform("size") > 50]


# -- labels -----------------------------------------------------------------------------------


def test_labels_come_in_the_order_in_which_they_are_known(told: list[tuple[int, Label]]) -> None:
    assert all(one[0] <= other[0] for one, other in pairwise(told))
    assert all(label.labelled_at.timestamp() * 1e6 == pytest.approx(at) for at, label in told)


def test_every_fraud_is_told_and_some_of_the_genuine(
    mixed: list[SimulatedRecord], told: list[tuple[int, Label]]
) -> None:
    kinds = {record.event_id: record.anomaly for record in mixed}
    labelled = {label.event_id for _, label in told}
    frauds = {name for name, kind in kinds.items() if kind is not None}
    assert frauds <= labelled <= kinds.keys()
    assert len(labelled - frauds) / (len(kinds) - len(frauds)) == pytest.approx(0.2, abs=0.01)


def test_the_last_word_on_an_event_is_the_truth(mixed: list[SimulatedRecord]) -> None:
    kinds = {record.event_id: record.anomaly for record in mixed}
    said: dict[str, list[str]] = {}
    for _, label in labels(2, msgspec.structs.replace(MIXED, mistaken_labels=0.3)):
        assert label.event_id is not None
        said.setdefault(label.event_id, []).append(label.verdict)
    for name, verdicts in said.items():
        assert verdicts[-1] == ("genuine" if kinds[name] is None else "fraud"), name
    changed = [verdicts for verdicts in said.values() if len(verdicts) > 1]
    assert set(map(tuple, changed)) == {("fraud", "genuine")}
    frauds = sum(kind is not None for kind in kinds.values())
    assert len(changed) / frauds == pytest.approx(0.3, rel=0.2)


def test_delays_are_within_their_bounds(mixed: list[SimulatedRecord]) -> None:
    occurred = {record.event_id: record.occurred_at_us for record in mixed}
    known: dict[str, int] = {}
    for at, label in labels(2, MIXED):
        known.setdefault(label.event_id or "", at)
    hours = np.array([at - occurred[name] for name, at in known.items()]) / 3.6e9
    assert hours.min() >= 1
    assert hours.max() <= 156
    assert hours.mean() == pytest.approx(72, rel=0.05)
    assert hours.min() < 20
    assert hours.max() > 130


def test_no_label_is_known_before_its_event_has_come() -> None:
    """Not even of late events, where verdicts are quick."""
    quick = TransactionSimulation(
        days=3, customers=500, late_rate=0.2, label_delay_s=(1, 7_200), label_delay_mean_s=600,
        genuine_labels=1,
    )  # fmt: skip
    come_us: dict[str, int] = {}
    newest = 0
    for record in simulate(8, quick):
        newest = max(newest, record.occurred_at_us)
        come_us.setdefault(record.event_id, newest)  # event time when it came, at least
    told = list(labels(8, quick))
    assert len({label.event_id for _, label in told}) == len(come_us)
    assert all(at > come_us[label.event_id or ""] for at, label in told)


def test_all_verdicts_may_take_the_same_time() -> None:
    fixed = options(days=2, customers=50, label_delay_s=(60, 60), genuine_labels=1)
    occurred = {r.event_id: r.occurred_at_us for r in simulate(1, fixed)}
    for at, label in labels(1, fixed):
        assert (at - occurred[label.event_id or ""]) % 60_000_000 == 0


# -- options ----------------------------------------------------------------------------------


def test_settings_are_read_with_their_bounds() -> None:
    read = msgspec.convert({"start": "2024-03-01T00:00:00+01:00", "days": 2}, TransactionSimulation)
    assert read == TransactionSimulation(start=datetime(2024, 2, 29, 23, tzinfo=UTC), days=2)
    with pytest.raises(msgspec.ValidationError, match="unknown field `dayz`"):
        msgspec.convert({"dayz": 2}, TransactionSimulation)


@pytest.mark.parametrize(
    "change",
    [
        {"days": 0},
        {"customers": 1.5},
        {"terminals": 0},
        {"transactions_per_day": float("nan")},
        {"transactions_per_day": 0.0},
        {"compromised_card_rate": -0.1},
        {"compromised_terminal_rate": 1.1},
        {"vector": 65},
        {"vector": -1},
        {"late_s": (10, 5)},
        {"disorder_s": -1.0},
        {"label_delay_s": (10, 5)},
        {"label_delay_s": (-1, 5)},
        {"label_delay_mean_s": 10.0},
        {"genuine_labels": 1.5},
        {"mistaken_labels": -0.5},
        {"start": datetime(2024, 1, 1)},
    ],
)
def test_settings_that_make_no_sense_are_named(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        options(**change)
