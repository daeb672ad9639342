"""Histories of cards and terminals: exact, point in time, bounded, and the same however cut."""

import os
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from eddy.models.features.names import FEATURES
from eddy.models.features.transaction_history import (
    HistorySettings,
    TransactionHistory,
    TransactionRows,
    features_of,
)
from eddy.models.labels import Labels
from tests.support import transaction_oracle

HANDBOOK = Path(__file__).parents[3] / "../shared/data/handbook/handbook-raw.parquet"
DAY_US = 86_400_000_000
START = 20_000 * DAY_US
NO_LABELS = Labels(np.empty(0, np.uint64), np.empty(0, np.bool_), np.empty(0, np.int64))


def rows_of(n, *, seed=1, cards=8, terminals=5, days=60, disorder_s=0.0) -> TransactionRows:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, days * DAY_US, n))
    order = np.argsort(times + rng.integers(0, int(disorder_s * 1e6) + 1, n), kind="stable")
    return TransactionRows(
        START + times[order],
        rng.integers(1, cards + 1, n).astype(np.uint64),
        rng.integers(1, terminals + 1, n).astype(np.uint64),
        np.round(rng.lognormal(3, 1, n), 2),
        np.arange(1_000, 1_000 + n, dtype=np.uint64),
    )


def labels_of(rows, *, seed=2, share=0.2, late_days=6.0, corrected=0.3) -> Labels:
    rng = np.random.default_rng(seed)
    chosen = np.flatnonzero(rng.random(len(rows.events)) < share)
    known = rows.occurred_at[chosen] + (rng.random(len(chosen)) * late_days * DAY_US).astype(int)
    twice = rng.random(len(chosen)) < corrected
    events = np.concatenate([rows.events[chosen], rows.events[chosen][twice]])
    verdicts = np.concatenate([np.ones(len(chosen), bool), np.zeros(twice.sum(), bool)])
    times = np.concatenate([known, known[twice] + 5 * DAY_US])
    order = np.argsort(times, kind="stable")
    return Labels(events[order], verdicts[order], times[order])


def cut(rows, start, stop) -> TransactionRows:
    return TransactionRows(*(column[start:stop] for column in rows))


def told(labels, start, stop) -> Labels:
    return labels[start:stop]


def same(found, expected) -> None:
    means = [FEATURES.index(name) for name in FEATURES if "mean" in name]
    others = [k for k in range(len(FEATURES)) if k not in means]
    np.testing.assert_array_equal(found[:, others], expected[:, others])
    np.testing.assert_allclose(found[:, means], expected[:, means], rtol=1e-15, atol=0)


@pytest.mark.parametrize("disorder_s", [0.0, 3_600.0, 80_000.0])
def test_features_are_those_of_the_definition(disorder_s) -> None:
    rows = rows_of(700, disorder_s=disorder_s)
    labels = labels_of(rows)
    found = features_of(rows, labels)
    same(found, transaction_oracle.features(rows, labels))
    assert (found[:, FEATURES.index("terminal_risk_30d")] > 0).sum() > 50


def test_rows_of_one_moment_count_in_the_order_they_came() -> None:
    rows = TransactionRows(
        np.repeat([START, START + DAY_US, START + 9 * DAY_US], 4),
        np.ones(12, np.uint64),
        np.ones(12, np.uint64),
        np.arange(12.0),
        np.arange(12, dtype=np.uint64) + 1,
    )
    found = features_of(rows, NO_LABELS)
    same(found, transaction_oracle.features(rows, NO_LABELS))
    assert found[:, FEATURES.index("card_count_1d")].tolist() == [1, 2, 3, 4] * 3


def test_a_label_counts_from_the_time_it_is_known_and_has_travelled() -> None:
    settings = HistorySettings(label_grace_s=3_600)
    hours = np.array([0, 9 * 24, 9 * 24 + 5, 9 * 24 + 7, 9 * 24 + 12])
    rows = TransactionRows(
        START + hours * 3_600_000_000,
        np.ones(5, np.uint64),
        np.ones(5, np.uint64),
        np.ones(5),
        np.arange(1, 6, dtype=np.uint64),
    )
    known = START + (9 * 24 + 5) * 3_600_000_000
    taken_back = known + 5 * 3_600_000_000
    labels = Labels(
        np.array([1, 1], np.uint64), np.array([True, False]), np.array([known, taken_back])
    )
    risk = features_of(rows, labels, settings)[:, FEATURES.index("terminal_risk_30d")]
    assert risk.tolist() == [0, 0, 0, 1, 0]


def test_labels_in_time_give_the_same_whether_read_ahead_or_as_they_come() -> None:
    rows = rows_of(900)
    labels = labels_of(rows, corrected=0.2)
    ahead = features_of(rows, labels)
    history, read, found = TransactionHistory(HistorySettings()), 0, []
    for start in range(0, 900, 7):
        # what became known while these rows came
        newest = rows.occurred_at[min(start + 6, 899)]
        until = int(np.searchsorted(labels.labelled_at, newest))
        assert history.learn(told(labels, read, until)).late == 0
        read = until
        found.append(history.features(cut(rows, start, start + 7)))
    np.testing.assert_array_equal(np.concatenate(found), ahead)


def test_labels_that_come_too_late_to_count_in_time_are_counted() -> None:
    rows = rows_of(300, terminals=1, days=20)
    history = TransactionHistory(HistorySettings())
    history.features(rows)
    late = history.learn(Labels(rows.events[:5], np.ones(5, bool), rows.occurred_at[:5]))
    fresh = rows_of(1, days=1)._replace(occurred_at=rows.occurred_at[-1:] + 1)
    in_time = history.learn(Labels(rows.events[-5:], np.ones(5, bool), rows.occurred_at[-5:]))
    assert (late.late, in_time.late) == (5, 0)
    assert late.is_known.all()
    assert in_time.is_known.all()
    assert not history.learn(
        Labels(np.array([77], np.uint64), np.array([True]), rows.occurred_at[:1])
    ).is_known.any()
    assert history.features(fresh).shape == (1, 15)


def test_cuts_and_snapshots_change_nothing() -> None:
    rows = rows_of(1_500, cards=40, terminals=30, disorder_s=7_200)
    labels = labels_of(rows)
    whole = features_of(rows, labels)
    rng = np.random.default_rng(5)
    for _ in range(3):
        edges = [0, *np.sort(rng.integers(0, 1_501, 9)).tolist(), 1_500]
        history, found = TransactionHistory(HistorySettings()), []
        history.learn(labels)
        for start, stop in pairwise(edges):
            found.append(history.features(cut(rows, start, stop)))
            state = history.snapshot()
            history = TransactionHistory(HistorySettings())
            history.features(cut(rows, 0, 3))  # must give way to the snapshot
            history.restore(state)
            again = history.snapshot()
            assert state.keys() == again.keys()
            assert all(state[name].tobytes() == again[name].tobytes() for name in state)
        np.testing.assert_array_equal(np.concatenate(found), whole)


def test_memory_is_bounded_and_what_makes_room_is_counted() -> None:
    settings = HistorySettings(most_cards=50, most_terminals=20, most_events=2_000)
    rows = rows_of(20_000, cards=500, terminals=100, days=200)
    history = TransactionHistory(settings)
    sizes, tallies = [], {}
    for start in range(0, 20_000, 1_000):
        history.features(cut(rows, start, start + 1_000))
        sizes.append(history.bytes)
        for what, count in history.tallies().items():
            tallies[what] = tallies.get(what, 0) + count
    assert history.cards <= 50
    assert history.terminals <= 20
    assert max(sizes[10:]) == max(sizes[3:10])
    assert tallies["evicted", "card"] > 1_000
    assert tallies["evicted", "terminal"] > 100
    assert history.tallies() == {}


def test_a_hot_terminal_forgets_its_oldest_rows_and_says_so() -> None:
    rows = rows_of(5_000, cards=3_000, terminals=1, days=20)
    history = TransactionHistory(HistorySettings(most_events=1_000))
    history.features(rows)
    tallies = history.tallies()
    assert tallies["evicted", "terminal_event"] > 3_000
    assert history.terminals == 1


def test_cards_that_are_out_of_date_are_forgotten_without_being_evicted() -> None:
    rows = rows_of(4_000, cards=400, days=10)
    later = rows_of(4_000, cards=3, days=10)._replace()
    later = later._replace(occurred_at=later.occurred_at + 60 * DAY_US)
    history = TransactionHistory(HistorySettings())
    history.features(rows)
    assert history.cards == 400
    history.features(later)
    assert history.cards == 3
    assert history.tallies() == {}


def test_rows_later_than_the_limit_are_told() -> None:
    rows = rows_of(2, cards=1, terminals=1, days=1)
    rows = rows._replace(occurred_at=np.array([START + 100 * DAY_US, START]))
    history = TransactionHistory(HistorySettings())
    found = history.features(rows)
    assert history.tallies() == {("late", "incomplete"): 2}
    assert found[1, FEATURES.index("card_count_30d")] == 1


@pytest.mark.parametrize("name", ["cards.heads", "terminals.times", "labels.since", "cards.keys"])
def test_a_snapshot_that_lacks_something_is_refused_and_changes_nothing(name) -> None:
    rows = rows_of(200)
    history = TransactionHistory(HistorySettings())
    history.features(cut(rows, 0, 100))
    state = history.snapshot()
    del state[name]
    with pytest.raises(ValueError, match="without"):
        history.restore(state)
    found = history.features(cut(rows, 100, 200))
    np.testing.assert_array_equal(found, features_of(rows, NO_LABELS)[100:])


@pytest.mark.parametrize(
    ("name", "field", "value", "why"),
    [
        ("cards.heads", "count", 1 << 20, "more or fewer"),
        ("cards.heads", "size", 0, "more than they have room for"),
        ("cards.cursors", None, 1 << 20, "outside"),
        ("terminals.heads", "size", (1 << 20) + 1, "other sizes"),
        ("terminals.fraud_slots", None, 99, "nobody"),
    ],
)
def test_a_snapshot_that_contradicts_itself_is_refused(name, field, value, why) -> None:
    history = TransactionHistory(HistorySettings())
    rows = rows_of(200)
    history.learn(Labels(rows.events, np.ones(200, np.bool_), rows.occurred_at + 1))
    history.features(rows)
    state = history.snapshot()
    (state[name] if field is None else state[name][field])[0] = value
    with pytest.raises(ValueError, match=why):
        history.restore(state)


@pytest.mark.skipif(not HANDBOOK.exists(), reason="the Handbook's data is not here")
def test_a_hundred_thousand_real_rows_equal_pandas() -> None:
    """The Handbook's own way: pandas' rolling windows, as in its chapter 3."""
    import pandas as pd

    frame = pd.read_parquet(HANDBOOK).sort_values("TX_DATETIME", kind="stable")
    count = int(os.environ.get("EDDY_TEST_ROWS", "100000"))
    frame = frame.iloc[:count].reset_index(drop=True)
    times = frame.TX_DATETIME.to_numpy().astype("M8[us]").astype(np.int64)
    rows = TransactionRows(
        times,
        frame.CUSTOMER_ID.to_numpy(np.uint64) + 1,
        frame.TERMINAL_ID.to_numpy(np.uint64) + 1,
        frame.TX_AMOUNT.to_numpy(float),
        np.arange(1, count + 1, dtype=np.uint64),
    )
    fraud = frame.TX_FRAUD.to_numpy() == 1
    labels = Labels(rows.events[fraud], np.ones(fraud.sum(), bool), times[fraud] + 3 * DAY_US)
    found = features_of(rows, labels)
    expected = found.copy()
    indexed = frame.assign(one=1.0).set_index("TX_DATETIME")
    moments = indexed.index
    expected[:, 1], expected[:, 2] = moments.day_of_week >= 5, moments.hour <= 6

    def rolling(key: str, column: str, days: int, what: str) -> np.ndarray:
        window = indexed.groupby(key)[column].rolling(f"{days}D")
        values = np.empty(count)
        groups = frame.groupby(key).indices
        places = np.concatenate([groups[name] for name in sorted(groups)])
        values[places] = getattr(window, what)().to_numpy()
        return values

    for k, days in enumerate((1, 7, 30)):
        expected[:, 3 + 2 * k] = rolling("CUSTOMER_ID", "TX_AMOUNT", days, "count")
        expected[:, 4 + 2 * k] = rolling("CUSTOMER_ID", "TX_AMOUNT", days, "mean")
        of_all, of_delay = (rolling("TERMINAL_ID", "one", d, "sum") for d in (7 + days, 7))
        frauds, of_late = (rolling("TERMINAL_ID", "TX_FRAUD", d, "sum") for d in (7 + days, 7))
        number = of_all - of_delay
        expected[:, 9 + 2 * k] = number
        expected[:, 10 + 2 * k] = (frauds - of_late) / np.maximum(number, 1)
    means = [4, 6, 8]  # pandas adds and subtracts on, so that its means drift in the last digits
    np.testing.assert_allclose(found[:, means], expected[:, means], rtol=1e-9, atol=1e-9)
    others = [k for k in range(15) if k not in means]
    np.testing.assert_array_equal(found[:, others], expected[:, others])
    assert found[:, 10].max() > 0


def test_an_event_that_came_twice_is_one_fraud_however_its_labels_come() -> None:
    hours = np.array([0, 0, 9 * 24])
    rows = TransactionRows(
        START + hours * 3_600_000_000,
        np.ones(3, np.uint64),
        np.ones(3, np.uint64),
        np.ones(3),
        np.array([7, 7, 8], np.uint64),
    )
    said = [(True, 1), (False, 2), (True, 3)]
    labels = Labels(
        np.full(3, 7, np.uint64),
        np.array([fraud for fraud, _ in said]),
        START + np.array([day for _, day in said]) * DAY_US,
    )
    ahead = features_of(rows, labels)
    together, apart = TransactionHistory(HistorySettings()), TransactionHistory(HistorySettings())
    for history in (together, apart):
        history.features(cut(rows, 0, 2))
    together.learn(labels)
    for k in (0, 1, 2, 2):
        apart.learn(told(labels, k, k + 1))
    for history in (together, apart):
        np.testing.assert_array_equal(history.features(cut(rows, 2, 3)), ahead[2:])
    assert ahead[2, FEATURES.index("terminal_risk_30d")] == 0.5


def test_a_label_from_before_its_event_says_nothing() -> None:
    rows = rows_of(400, terminals=1, days=20)
    labels = Labels(rows.events[:50], np.ones(50, bool), rows.occurred_at[:50] - 2 * DAY_US)
    live = TransactionHistory(HistorySettings())
    first = live.features(cut(rows, 0, 200))
    live.learn(labels)
    found = np.concatenate([first, live.features(cut(rows, 200, 400))])
    np.testing.assert_array_equal(found, features_of(rows, labels))
    assert (found[:, FEATURES.index("terminal_risk_30d")] == 0).all()


def test_many_frauds_survive_growing_and_a_snapshot() -> None:
    rows = rows_of(2_000, terminals=1, days=25)
    labels = Labels(rows.events, np.ones(2_000, bool), rows.occurred_at + DAY_US)
    history = TransactionHistory(HistorySettings())
    found = [history.features(cut(rows, 0, 1_500))]
    history.learn(labels)
    other = TransactionHistory(HistorySettings())
    other.restore(history.snapshot())
    for one in (history, other):
        rest = one.features(cut(rows, 1_500, 2_000))
        expected = features_of(rows, labels)[1_500:]
        np.testing.assert_array_equal(rest, expected)
    assert expected[:, FEATURES.index("terminal_risk_30d")].max() == 1.0
    assert found


def test_forgetting_the_oldest_of_a_hot_terminal_keeps_its_risk_a_share() -> None:
    rows = rows_of(4_000, cards=3_000, terminals=1, days=30)
    labels = Labels(rows.events, np.ones(4_000, bool), rows.occurred_at + DAY_US)
    settings = HistorySettings(most_events=1_000)
    risk = features_of(rows, labels, settings)[:, FEATURES.index("terminal_risk_30d")]
    assert 0 < risk.max() <= 1


def test_of_labels_that_wait_too_many_the_newest_stay() -> None:
    history = TransactionHistory(HistorySettings(most_labels=1_000))
    events = np.arange(1, 1_002, dtype=np.uint64)
    history.learn(Labels(events, np.ones(1_001, bool), np.full(1_001, START)))
    assert history.tallies() == {("evicted", "label"): 1}


def test_a_first_row_that_is_late_is_told() -> None:
    rows = rows_of(2, cards=2, terminals=2, days=1)
    rows = rows._replace(
        cards=np.array([1, 2], np.uint64),
        terminals=np.array([1, 2], np.uint64),
        occurred_at=np.array([START + 5 * DAY_US, START]),
    )
    history = TransactionHistory(HistorySettings())
    history.features(rows)
    assert history.tallies() == {("late", "incomplete"): 2}
