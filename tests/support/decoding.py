"""What tests of decoding share: a type with every kind of field, the comparison of both paths."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from eddy.models.judge import Events
from eddy.schemas.columns import Columns, Program
from eddy.schemas.decoding import Decoder, PlainDecoder, StrictDecoder, buffers
from eddy.schemas.errors import RejectedRecord
from eddy.schemas.rides import Ride
from eddy.streams.reading import TopicRecord

Moment = Annotated[datetime, Meta(tz=True)]


class Payment(msgspec.Struct, kw_only=True, rename={"terminal": "terminal-id"}):
    """Every kind of field."""

    occurred_at: Moment
    merchant: Annotated[str, Meta(max_length=128, extra={"column": "key"})]
    kind: Literal["sale", "refund", "straße"]
    status: Annotated[Literal["approved", "declined"], Meta(extra={"column": "key"})] = "approved"
    amount: Annotated[float, Meta(gt=0, lt=100)]
    count: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    terminal: Annotated[str | None, Meta(extra={"column": "key"})] = None
    limit: float = 2.5
    rate: float | msgspec.UnsetType = msgspec.UNSET
    vector: list[float] = []


PAYMENT: dict[str, Any] = {
    "occurred_at": "2024-03-01T12:34:56Z",
    "merchant": "m-1",
    "kind": "sale",
    "amount": 5.5,
}
"""What a payment must have."""


def payment(**fields: Any) -> bytes:
    """Return a payment as JSON."""
    return json.dumps({**PAYMENT, **fields}).encode()


def event_type(**fields: Any) -> type[msgspec.Struct]:
    """Make an event type of ``occurred_at`` and some fields."""
    return msgspec.defstruct("Made", [("occurred_at", Moment), *fields.items()], kw_only=True)


def timed(rest: str) -> bytes:
    """Return a record of ``occurred_at`` and some JSON behind it."""
    return b'{"occurred_at":"2024-03-01T12:34:56Z",%s}' % rest.encode()


def read(payloads: Sequence[bytes], kind: type[msgspec.Struct] = Ride) -> Columns:
    """Decode by the fast path alone."""
    program = Program.of(kind)
    columns = Columns.blank(program, len(payloads))
    _kept, addresses, lengths = buffers(payloads)
    plain = PlainDecoder(program).decode(addresses, lengths, columns)
    assert plain == columns.valid.sum()
    return columns


def is_plain(payload: bytes, kind: type[msgspec.Struct] = Ride) -> bool:
    """Whether a record takes the fast path."""
    return bool(read([payload], kind).valid[0])


def check(payloads: Sequence[bytes], kind: type[msgspec.Struct] = Ride) -> int:
    """Compare the decoder with the strict one row by row; return how many rows were plain.

    Every reason, every validity and every bit of every column must be the same.
    """
    program, strict = Program.of(kind), StrictDecoder(kind)
    _kept, addresses, lengths = buffers(payloads)
    decoded = Decoder(kind, 0.0).decode(addresses, lengths, np.full(len(payloads), -1))
    rows, events, reasons = [], [], {}
    for row, payload in enumerate(payloads):
        try:
            events.append(strict.decode(payload))
            rows.append(row)
        except RejectedRecord as why:
            reasons[row] = str(why)
    expected = Columns.blank(program, len(payloads))
    expected.fill(rows, events, program)
    assert {row: str(why) for row, why in decoded.rejected} == reasons
    assert np.flatnonzero(decoded.columns.valid).tolist() == rows
    for name in ("occurred_at", "values", "keys", "vectors"):
        found, wanted = getattr(decoded.columns, name)[rows], getattr(expected, name)[rows]
        assert found.shape == wanted.shape, name
        assert found.tobytes() == wanted.tobytes(), name
    return decoded.plain


def events_of_records(
    event_type: type[msgspec.Struct], records: Sequence[TopicRecord], max_skew_s: float
) -> tuple[Events, list[int]]:
    """Return the valid events of one partition's records, and the offsets of the others."""
    decoder, payloads = Decoder(event_type, max_skew_s), [r.value for r in records]
    kept, addresses, lengths = buffers(payloads)
    columns = decoder.decode(addresses, lengths, [r.timestamp_ms for r in records]).columns
    del kept
    offsets = np.array([r.offset for r in records], np.int64)
    rows = np.flatnonzero(columns.valid)
    events = Events(
        offsets[rows],
        columns.occurred_at[rows],
        columns.values[rows],
        columns.keys[rows],
        lambda i: decoder.decode_one(payloads[rows[i]]),
        columns.vectors[rows],
    )
    return events, offsets[~columns.valid].tolist()
