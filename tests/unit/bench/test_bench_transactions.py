from dataclasses import replace

import msgspec
import numpy as np
import pytest

from bench.peers.plain_scoring import _rows
from bench.transactions import DATA, Payments, label_records, payments, records
from eddy.models.features.transaction_history import features_of
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label
from eddy.schemas.transactions import Transaction

DAY_US = 86_400_000_000


@pytest.fixture
def few():
    """Six payments of two cards at two terminals, a day apart; one is a fraud."""
    return Payments(
        occurred_at=np.arange(6) * DAY_US + 1_500_000_000_123_000,
        cards=np.array([0, 1, 0, 1, 0, 1]),
        terminals=np.array([0, 0, 1, 1, 0, 1]),
        amounts=np.array([1.0, 2.5, 3.0, 4.0, 5.25, 6.0]),
        is_fraud=np.array([False, True, False, False, False, False]),
    )


def decoded(payloads):
    kept, addresses, lengths = buffers(payloads)
    result = Decoder(Transaction, 0.0).decode(addresses, lengths, np.full(len(payloads), -1))
    del kept
    return result


def test_records_are_plain_events_in_the_order_of_time(few):
    keys, payloads = zip(*records(few, 6), strict=True)
    result = decoded(payloads)
    assert result.plain == 6
    assert np.array_equal(result.columns.occurred_at, few.occurred_at)
    assert np.array_equal(result.columns.values[:, 0], few.amounts)
    assert keys == (b"c0-0", b"c0-1") * 3


def test_more_than_there_are_is_another_population(few):
    keys, payloads = zip(*records(few, 11), strict=True)
    result = decoded(payloads)
    assert result.columns.valid.all()
    assert len(np.unique(result.columns.keys, axis=0)) == 11
    assert keys[:4] == (b"c0-0", b"c1-0", b"c0-1", b"c1-1")
    assert (np.diff(result.columns.occurred_at) >= 0).all()


@pytest.mark.parametrize("count", [6, 12])
def test_labels_are_those_of_the_frauds_a_week_later(few, count):
    labels = [msgspec.json.decode(value, type=Label) for _, value in label_records(few, count)]
    events = [msgspec.json.decode(value, type=Transaction) for _, value in records(few, count)]
    frauds = {one.event_id: one for one in events if one.amount == 2.5}
    assert len(labels) == count // 6
    assert {one.event_id for one in labels} == set(frauds)
    for one in labels:
        assert (one.labelled_at - frauds[one.event_id].occurred_at).days == 7


def test_the_model_learns_from_what_the_topic_holds(few):
    """The rows for training have the topic's cards and terminals, and so the same features."""
    payloads = [value for _, value in records(few, 6)]
    columns = decoded(payloads).columns
    rows = few.rows()
    assert np.array_equal(rows.cards, columns.keys[:, 1])
    assert np.array_equal(rows.terminals, columns.keys[:, 2])
    assert rows.cards[1] == hash_text("c0-1")
    assert few.labels().events.tolist() == [rows.events[1]]


def test_the_peer_reads_the_same_rows_as_the_engine(few):
    """By its own hashes, so that it is compared by what comes of them."""
    values = [value for _, value in records(few, 6)]
    theirs = _rows(_decoded_by_the_peer(values))
    assert np.array_equal(theirs.occurred_at, few.occurred_at)
    nothing = replace(
        few.labels(),
        events=np.empty(0, np.uint64),
        is_fraud=np.empty(0, bool),
        labelled_at=np.empty(0, np.int64),
    )
    assert np.array_equal(features_of(theirs, nothing), features_of(few.rows(), nothing))


def _decoded_by_the_peer(values):
    from bench.peers import plain_scoring

    return [plain_scoring._decode(value) for value in values]


@pytest.mark.skipif(not DATA.exists(), reason="the handbook's transactions are not here")
def test_the_handbooks_are_by_time():
    source = payments()
    assert len(source) == 1_754_155
    assert source.is_fraud.sum() == 14_681
    assert (np.diff(source.occurred_at) >= 0).all()


def test_without_the_handbook_they_are_simulated(tmp_path, monkeypatch):
    from bench import transactions
    from eddy.datasets.simulation.transactions.options import TransactionSimulation

    short = TransactionSimulation(days=3, customers=50)
    monkeypatch.setattr(transactions, "_SIMULATED", short)
    source = payments(tmp_path / "nothing.parquet")
    assert len(source) > 100
    assert (np.diff(source.occurred_at) >= 0).all()
