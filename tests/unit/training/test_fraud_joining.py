"""Decisions joined with labels: each event once, as it was decided, with the last word on it."""

from datetime import UTC, datetime

import numpy as np

from eddy.models.labels import Labels
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.decisions import Decisions, decode, encode
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label
from eddy.training.transactions.joining import join
from eddy.training.transactions.table import FRAUD, GENUINE, UNKNOWN

MODEL = ModelRef(name="transactions", version="1", sha256="a" * 64, trained_at=None)


def record(offsets, scores, *, partition=0, names=("amount",), features=None):
    n = len(offsets)
    decisions = Decisions(
        topic="events.transactions",
        partition=partition,
        model=MODEL,
        challenger=None,
        names=list(names),
        offsets=np.array(offsets, np.int64),
        occurred_at=np.array(offsets, np.int64) * 1_000,
        events=np.array([hash_text(f"{partition}-{offset}") for offset in offsets], np.uint64),
        cards=np.arange(n, dtype=np.uint64),
        features=np.array(
            features
            if features is not None
            else [[float(offset)] * len(names) for offset in offsets]
        ),
        scores=np.array(scores, np.float64),
        challenger_scores=np.empty(0),
    )
    return decode(encode(decisions))


def label(event, verdict, day):
    return Label(event_id=event, verdict=verdict, labelled_at=datetime(2024, 1, day, tzinfo=UTC))


def test_a_decision_written_twice_counts_once_and_the_first_holds():
    records = [
        record([0, 1, 2], [0.1, 0.2, 0.3]),
        record([1, 2, 3], [9.0, 9.0, 0.4]),  # after a restart, perhaps by another model
        record([1], [0.5], partition=1),  # another partition has its own offsets
    ]
    table, repeated = join(records, Labels.of(()))
    assert repeated == 2
    assert sorted(table.scores.tolist()) == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert (np.diff(table.occurred_at) >= 0).all()
    assert (table.is_fraud == UNKNOWN).all()


def test_corrections_hold_from_when_they_were_known():
    records = [record([0, 1, 2], [0.1, 0.2, 0.3])]
    labels = Labels.of(
        [label("0-0", "fraud", 2), label("0-0", "genuine", 9), label("0-2", "fraud", 5)]
    )
    table, _ = join(records, labels)
    assert table.is_fraud.tolist() == [GENUINE, UNKNOWN, FRAUD]
    on_day_3 = round(datetime(2024, 1, 3, tzinfo=UTC).timestamp() * 1e6)
    table, _ = join(records, labels, on_day_3)
    assert table.is_fraud.tolist() == [FRAUD, UNKNOWN, UNKNOWN]


def test_records_of_other_features_are_joined_by_name():
    records = [
        record([0], [0.1], names=("v1", "amount"), features=[[7.0, 8.0]]),
        record([1], [0.1], names=("amount", "is_night"), features=[[9.0, 1.0]]),
    ]
    table, _ = join(records, Labels.of(()))
    assert table.names == ("amount", "is_night", "v1")
    np.testing.assert_array_equal(table.features, [[8.0, np.nan, 7.0], [9.0, 1.0, np.nan]])


def test_nothing_joined_is_an_empty_table():
    table, repeated = join([], Labels.of(()))
    assert (len(table), repeated, table.names) == (0, 0, ())
