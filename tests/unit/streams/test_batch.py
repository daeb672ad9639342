"""The decoded run: valid rows as events, vectors too, and rejections without card numbers."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.payments import Payment
from eddy.schemas.rejections import Rejection
from eddy.schemas.rides import Ride
from eddy.schemas.spans import Spans
from eddy.schemas.transactions import Transaction
from eddy.streams.batch import DecodedRun
from eddy.streams.records import Records, Run
from tests.support.corpus import POISON, ride
from tests.support.decoding import payment
from tests.support.transaction_records import TEXTS, VISA, transaction, without

MASKED = "************1111"


def run_of(
    payloads: Sequence[bytes | None],
    kind: type[msgspec.Struct] = Transaction,
    keys: Sequence[bytes | None] | None = None,
) -> DecodedRun:
    """Decode records as the reader does; their rows begin at 2 in the batch."""
    n = len(payloads)
    kept, addresses, lengths = buffers(payloads)
    decoder = Decoder(kind, 300.0)
    decoded = decoder.decode(addresses, lengths, np.full(n, -1))
    del kept
    padded, named = [None, None, *payloads], [None, None, *(keys or [b"k"] * n)]

    def spans(_rows: Any) -> Spans:
        raise AssertionError("not asked for here")

    run = Run("events", 1, 2, n + 2)
    records = Records(
        runs=[run], errors=[], offsets=np.arange(n + 2) + 100, timestamps=np.full(n + 2, -1),
        addresses=np.zeros(n + 2, np.int64), lengths=np.zeros(n + 2, np.int64),
        value=padded.__getitem__, key=named.__getitem__, release=lambda: None, keys=spans,
    )  # fmt: skip
    rejected = {row + 2: why for row, why in decoded.rejected}
    return DecodedRun(run, 1, decoded.columns, 2, rejected, records, decoder.reread)


def rejections(payloads: Sequence[bytes | None], **rest: Any) -> list[Rejection]:
    return list(run_of(payloads, **rest).rejections(2, 2 + len(payloads)))


def test_events_hold_the_vectors_of_the_valid_rows():
    run = run_of([transaction(vector=[1, 2]), b"{", without("vector"), transaction(vector=[3])])
    events = run.events(2, 6)
    np.testing.assert_array_equal(
        events.vectors, [[1, 2], [np.nan, np.nan], [3, np.nan]]
    )  # fmt: skip
    assert (len(events), events.event(2).vector) == (3, [3.0])
    np.testing.assert_array_equal(run.events(4, 5).vectors, [[np.nan, np.nan]])
    assert np.shares_memory(run.events(4, 6).vectors, run.columns.vectors)


def test_events_of_types_without_a_vector_have_none():
    assert run_of([ride(), b"{", ride()], kind=Ride).events(2, 5).vectors.shape == (2, 0)


@pytest.mark.parametrize("field", TEXTS)
def test_a_card_number_is_set_aside_and_masked(field):
    (found,) = rejections([transaction(), transaction(**{field: VISA})])
    assert found.reason == "card_number"
    assert found.payload == transaction(**{field: MASKED})
    assert (found.offset, found.trace) == (103, "events-1-103")
    assert VISA not in found.detail


def test_a_card_number_as_the_key_is_masked_there_too():
    (found,) = rejections([transaction(card_token=VISA)], keys=[VISA.encode()])
    assert found.key == MASKED.encode()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (transaction(card_token=VISA)[:-1], "malformed_json"),
        (transaction(card_token=VISA, amount="x"), "schema_violation"),
        (transaction(note="y" * 70_000, card_token=VISA), "too_large"),
        (transaction(card_token=VISA).replace(b'"', b"'"), "malformed_json"),
        (transaction(card_token=VISA).decode().encode("utf-16-le"), "malformed_json"),
        (transaction(card_token=int(VISA)), "schema_violation"),
    ],
)
def test_whatever_the_reason_card_numbers_are_masked(payload, reason):
    (found,) = rejections([payload], keys=[None])
    assert (found.reason, found.key) == (reason, None)
    assert len(found.payload) == len(payload)
    assert MASKED in found.payload.replace(b"\0", b"").decode()
    assert VISA not in found.payload.replace(b"\0", b"").decode()


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        (ride(vendor_id=int(VISA), distance_km="x"), Ride),
        (json.dumps({"merchant_id": VISA}).encode(), Payment),
        (payment(merchant=VISA, amount=-1), Payment),
    ],
)
def test_it_is_the_same_for_every_domain(payload, kind):
    (found,) = rejections([payload], kind=kind, keys=[b"4111-1111-1111-1111"])
    assert found.payload == payload.replace(VISA.encode(), MASKED.encode())
    assert found.key == b"****-****-****-1111"


def test_an_event_from_the_future_is_masked_like_the_others():
    run = run_of([transaction(occurred_at="2024-03-01T12:34:56Z", note=VISA), b"{"])
    run.rejected[2] = run.rejected[3]  # as the clock would have it
    assert all(VISA.encode() not in one.payload for one in run.rejections(2, 4))


def test_other_records_come_back_byte_for_byte():
    payloads = [payload for _, payload, _ in POISON]
    found = rejections([*payloads, None], kind=Ride, keys=[b"\xff"] * (len(payloads) + 1))
    assert [one.payload for one in found] == [*payloads, None]
    assert {one.key for one in found} == {b"\xff"}


def test_only_the_rows_asked_for_are_rejected():
    run = run_of([b"{", b"{", b"{"])
    assert [one.offset for one in run.rejections(3, 4)] == [103]
