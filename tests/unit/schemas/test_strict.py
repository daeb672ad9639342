"""The strict decoder: the only one that rejects."""

import sys
import time
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import pytest
from msgspec import Meta

from eddy.schemas.decoding import StrictDecoder
from eddy.schemas.errors import RejectedRecord
from eddy.schemas.rejections import REASONS
from eddy.schemas.rides import Ride
from tests.support.corpus import FUTURE, HARMLESS, POISON, RIDE, extended, ride, spelled
from tests.support.transaction_records import TRANSACTION_POISON

Moment = Annotated[datetime, Meta(tz=True)]

rides = StrictDecoder(Ride)


def rejection(decoder: StrictDecoder, payload: bytes | None) -> RejectedRecord:
    with pytest.raises(RejectedRecord) as caught:
        decoder.decode(payload)
    return caught.value


@pytest.mark.parametrize(
    ("payload", "reason"), [(p, r) for _, p, r in POISON], ids=[n for n, *_ in POISON]
)
def test_poison_is_rejected_for_its_reason(payload, reason):
    assert reason in REASONS
    assert rejection(rides, payload).reason == reason


@pytest.mark.parametrize("payload", [p for _, p in HARMLESS], ids=[n for n, _ in HARMLESS])
def test_odd_but_valid_records_are_events(payload):
    assert isinstance(rides.decode(payload), Ride)


def test_all_reasons_but_the_clock_s_are_in_the_corpus():
    entries = [*POISON, FUTURE, *TRANSACTION_POISON]
    assert {reason for *_, reason in entries} == set(REASONS)


def test_a_record_without_value_is_empty():
    assert rejection(rides, None).reason == "empty"


def test_an_ordinary_ride():
    event = rides.decode(ride())
    moment = datetime(2024, 3, 1, 12, 34, 56, tzinfo=UTC)
    assert event == Ride(**{**RIDE, "occurred_at": moment})


@pytest.mark.parametrize(
    ("payload", "detail"),
    [
        (ride(distance_km="5.9"), "distance_km: expected float, got str"),
        (spelled("distance_km", "1e400"), "distance_km: number out of range"),
        (ride(occurred_at="soon"), "occurred_at: invalid RFC3339 encoded datetime"),
        (b'{"event_id":"a"}', "occurred_at: required"),
        (b"[]", "record: expected object, got array"),
        (ride(event_id="x" * 129), "event_id: expected str of length <= 128"),
        (ride()[:-1], "input data was truncated"),
    ],
)
def test_details_name_the_field(payload, detail):
    assert rejection(rides, payload).detail == detail


@pytest.mark.parametrize(
    ("payload", "reason"), [(p, r) for _, p, r in POISON], ids=[n for n, *_ in POISON]
)
def test_details_hold_no_content(payload, reason):
    secret = payload.replace(b"green", b"SECRET").replace(b"ride-0", b"SECRET")
    assert "SECRET" not in str(rejection(rides, secret))


def test_details_do_not_quote_choices():
    made = msgspec.defstruct("Made", [("occurred_at", Moment), ("kind", Literal["sale"])])
    why = rejection(
        StrictDecoder(made),
        b'{"occurred_at":"2024-01-01T00:00:00Z","kind":"4111111111111111 - at `$.x`"}',
    )
    assert why.detail == "kind: not one of the allowed values"


def test_details_name_fields_inside():
    inner = msgspec.defstruct("Inner", [("lat", float)])
    made = msgspec.defstruct("Made", [("occurred_at", Moment), ("at", inner)])
    head = b'{"occurred_at":"2024-01-01T00:00:00Z","at":'
    assert rejection(StrictDecoder(made), head + b'{"lat":"x"}}').detail == (
        "at.lat: expected float, got str"
    )
    assert rejection(StrictDecoder(made), head + b"{}}").detail == "at.lat: required"


def test_a_rule_of_the_struct_words_its_own_detail():
    class Ruled(msgspec.Struct):
        occurred_at: Moment
        card: str

        def __post_init__(self):
            if self.card.isdigit():
                raise ValueError("card: looks like a card number")

    decoder = StrictDecoder(Ruled)
    head = b'{"occurred_at":"2024-01-01T00:00:00Z","card":'
    assert decoder.decode(head + b'"a"}').card == "a"
    why = rejection(decoder, head + b'"4111111111111111"}')
    assert (why.reason, why.detail) == ("schema_violation", "card: looks like a card number")


def test_the_last_of_two_values_counts():
    assert rides.decode(extended(',"distance_km":7.5')).distance_km == 7.5


def test_times_are_kept_in_utc():
    event = rides.decode(ride(occurred_at="2024-03-01T18:04:56+05:30"))
    assert event.occurred_at.tzinfo is UTC
    assert event.occurred_at == datetime(2024, 3, 1, 12, 34, 56, tzinfo=UTC)


def test_a_type_that_allows_naive_times_does_not_get_them():
    made = msgspec.defstruct("Made", [("occurred_at", datetime)])
    decoder = StrictDecoder(made)
    assert decoder.decode(b'{"occurred_at":"2024-01-01T00:00:00Z"}').occurred_at.tzinfo is UTC
    why = rejection(decoder, b'{"occurred_at":"2024-01-01T00:00:00"}')
    assert why.detail == "occurred_at: expected an offset from UTC"


def test_an_int_that_is_no_double_is_refused():
    made = msgspec.defstruct("Made", [("occurred_at", Moment), ("count", int | None)])
    decoder = StrictDecoder(made)
    head = b'{"occurred_at":"2024-01-01T00:00:00Z","count":'
    assert decoder.decode(head + b"9" * 300 + b"}").count == int("9" * 300)
    assert decoder.decode(head + b"null}").count is None
    assert rejection(decoder, head + b"9" * 400 + b"}").detail == "count: number out of range"


def test_the_verdict_does_not_depend_on_the_caller_s_stack():
    nested = extended(',"x":' + "[" * 63 + "]" * 63)

    def deep(levels: int) -> Ride:
        return deep(levels - 1) if levels else rides.decode(nested)

    assert deep(sys.getrecursionlimit() // 2) == rides.decode(ride())


@pytest.mark.parametrize("filler", [b'\\"', b'"', b"[", b"{", b'["', b"\\", b'"\\"', b"[]", b'"['])
def test_hostile_records_take_no_time(filler):
    start = time.process_time()
    for head in (b"", b'"', b'{"x":"', b'{"x":' + b"[" * 65):
        rejection(rides, (head + filler * 65_536)[:65_536])
    assert time.process_time() - start < 2  # a quadratic scan takes minutes
