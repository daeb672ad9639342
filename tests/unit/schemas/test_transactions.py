"""Transactions: the fast path reads ordinary ones, and none holds a card number."""

import json

import numpy as np
import pytest

from eddy.datasets.simulation.transactions.stream import TransactionSimulation, simulate
from eddy.schemas.decoding import Decoded, Decoder, StrictDecoder, buffers
from eddy.schemas.errors import RejectedRecord
from eddy.schemas.fields import NO_CARD
from eddy.schemas.keys import hash_text
from eddy.schemas.transactions import Transaction
from tests.support.decoding import check, event_type, is_plain
from tests.support.transaction_records import (
    TEXTS,
    TRANSACTION,
    TRANSACTION_ODD,
    TRANSACTION_PLAIN,
    TRANSACTION_POISON,
    VISA,
    spelled,
    transaction,
)

strict = StrictDecoder(Transaction)


def decode(payloads: list[bytes]) -> Decoded:
    _kept, addresses, lengths = buffers(payloads)
    return Decoder(Transaction, 300.0).decode(addresses, lengths, np.full(len(payloads), -1))


@pytest.mark.parametrize("vector", [0, 28])
def test_simulated_transactions_take_the_fast_path(vector):
    options = TransactionSimulation(days=2, customers=200, vector=vector)
    payloads = [one.payload for one in simulate(7, options) if one.malformed is None]
    decoded = decode(payloads)
    assert len(payloads) > 500
    assert decoded.plain == len(payloads)
    assert decoded.columns.vectors.shape == (len(payloads), vector)
    events = [strict.decode(payload) for payload in payloads]
    assert decoded.columns.vectors.tolist() == [list(event.vector or ()) for event in events]
    cards = [hash_text(event.card_token) for event in events]
    assert decoded.columns.keys[:, 1].tolist() == cards


@pytest.mark.parametrize(
    "payload", [p for _, p in TRANSACTION_PLAIN], ids=[n for n, _ in TRANSACTION_PLAIN]
)
def test_plain_transactions_take_the_fast_path(payload):
    assert check([payload], Transaction) == 1
    assert isinstance(strict.decode(payload), Transaction)


@pytest.mark.parametrize(
    "payload", [p for _, p in TRANSACTION_ODD], ids=[n for n, _ in TRANSACTION_ODD]
)
def test_odd_transactions_are_events_all_the_same(payload):
    assert check([payload], Transaction) == 0
    assert isinstance(strict.decode(payload), Transaction)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(p, r) for _, p, r in TRANSACTION_POISON],
    ids=[n for n, *_ in TRANSACTION_POISON],
)
def test_poison_is_rejected_for_its_reason_and_never_read_by_the_fast_path(payload, reason):
    assert not is_plain(payload, Transaction)
    with pytest.raises(RejectedRecord) as caught:
        strict.decode(payload)
    assert caught.value.reason == reason
    assert not any(part in str(caught.value) for part in ("411", "3782", "4711", "9999"))


@pytest.mark.parametrize("field", TEXTS)
def test_the_detail_names_the_field_and_holds_nothing_of_it(field):
    ((row, why),) = decode([transaction(), transaction(**{field: VISA})]).rejected
    assert (row, why.reason, why.detail) == (
        1, "card_number", f"{field}: looks like a card number",
    )  # fmt: skip


@pytest.mark.parametrize("field", TEXTS[:3])
def test_a_number_that_fails_the_test_is_hashed_like_any_text(field):
    for text in (VISA[:-1] + "2", "4111 1111 1111 1112", "411111111111", VISA * 2):
        columns = decode([transaction(**{field: text})]).columns
        assert columns.valid[0]
        assert columns.keys[0, TEXTS.index(field)] == hash_text(text)


def test_what_was_found_valid_is_read_again_as_it_was():
    assert strict.reread(transaction()) == strict.decode(transaction())
    assert strict.decode(transaction()).vector == TRANSACTION["vector"]


def test_fields_of_other_types_refuse_nothing():
    assert is_plain(json.dumps({**TRANSACTION, "note": VISA}).encode(), Transaction)
    assert is_plain(b'{"occurred_at":"2024-03-01T12:34:56Z","x":"%s"}' % VISA.encode(),
                    event_type(x=str))  # fmt: skip


def test_only_the_guarded_fields_are_guarded():
    guarded = {f.name for f in Decoder(Transaction, 0.0).program.fields if f.takes & NO_CARD}
    assert guarded == set(TEXTS)


def test_every_byte_replaced_by_every_other():
    payload = spelled("vector", "[1, -2.5e1 ]").replace(b"terminal-000815", b"411111111111111")
    changed = [
        payload[:k] + bytes([byte]) + payload[k + 1 :]
        for k in range(payload.index(b"card_token"), len(payload))
        for byte in range(256)
    ]
    assert check(changed, Transaction) > 0


def test_every_pair_of_bytes_swapped_every_byte_doubled_and_every_byte_removed():
    payload = spelled("vector", "[1, -2.5e1,0 ]")
    places = range(len(payload))
    swapped = [payload[:k] + payload[k : k + 2][::-1] + payload[k + 2 :] for k in places]
    doubled = [payload[:k] + payload[k : k + 1] + payload[k:] for k in places]
    removed = [payload[:k] + payload[k + 1 :] for k in places]
    assert check(swapped + doubled + removed, Transaction) > 0
    assert check([payload[:k] for k in places], Transaction) == 0
