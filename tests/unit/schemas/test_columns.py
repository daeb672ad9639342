"""Programs: which fields become columns, derived from the typed struct alone."""

import math
from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
import numpy as np
import pytest
from msgspec import Meta

from eddy.schemas.columns import Columns, Program
from eddy.schemas.fields import (
    CHOICE,
    FLOAT,
    INTEGER,
    KEY,
    NO_CARD,
    NULL,
    TEXT,
    TIME,
    VECTOR,
    Field,
)
from eddy.schemas.keys import NO_KEY, hash_text
from eddy.schemas.rides import Ride

Moment = Annotated[datetime, Meta(tz=True)]


def program_of(**fields: type) -> Program:
    """Make an event type of some fields and return its program."""
    annotated = [("occurred_at", Moment), *fields.items()]
    return Program.of(msgspec.defstruct("Made", annotated, kw_only=True))


def field_of(kind: type) -> Field:
    return program_of(x=kind).fields[1]


def test_ride():
    program = Program.of(Ride)
    assert program.numbers == ("distance_km", "duration_s", "fare", "passengers")
    assert program.keys == ()
    assert program.event_type is Ride
    takes = {field.name: field.takes for field in program.fields}
    assert takes == {
        "event_id": TEXT,
        "occurred_at": TIME,
        "ride_id": TEXT,
        "vendor_id": TEXT | INTEGER | NULL,
        "pickup_zone": TEXT | INTEGER | NULL,
        "dropoff_zone": TEXT | INTEGER | NULL,
        "distance_km": FLOAT | INTEGER,
        "duration_s": FLOAT | INTEGER,
        "fare": FLOAT | INTEGER | NULL,
        "currency": TEXT | NULL,
        "passengers": FLOAT | INTEGER | NULL,
    }


def test_the_program_of_a_type_is_made_once():
    assert Program.of(Ride) is Program.of(Ride)


def test_bounds_become_inclusive():
    closed = field_of(Annotated[float, Meta(ge=-1, le=2.5)])
    assert (closed.low, closed.high) == (-1.0, 2.5)
    opened = field_of(Annotated[float, Meta(gt=0, lt=1)])
    assert (opened.low, opened.high) == (5e-324, math.nextafter(1, 0))
    free = field_of(float)
    assert (free.low, free.high) == (-math.inf, math.inf)


def test_lengths():
    assert field_of(Annotated[str, Meta(min_length=2, max_length=5)]).shortest == 2
    assert field_of(Annotated[str, Meta(min_length=2, max_length=5)]).longest == 5
    assert field_of(str).shortest == 0
    assert field_of(str).longest == 2**63 - 1


Key = Annotated[str, Meta(extra={"column": "key"})]
Guarded = Annotated[str, Meta(extra={"refuse": "card_number"})]
Short = Annotated[list[float], Meta(max_length=3)]


@pytest.mark.parametrize(
    ("kind", "takes"),
    [
        (Key, TEXT | KEY),
        (Key | None, TEXT | KEY | NULL),
        (Annotated[str | None, Meta(extra={"column": "key"})], TEXT | KEY | NULL),
        (Annotated[Literal["a", "b"], Meta(extra={"column": "key"})], CHOICE | KEY),
        (Literal["a", None], CHOICE | NULL),
        (int, INTEGER),
        (int | None, INTEGER | NULL),
        (float | msgspec.UnsetType, FLOAT | INTEGER),
        (Annotated[str, Meta(description="told")], TEXT),
        (Guarded, TEXT | NO_CARD),
        (Guarded | None, TEXT | NULL | NO_CARD),
        (
            Annotated[str, Meta(extra={"column": "key", "refuse": "card_number"})] | None,
            TEXT | NULL | KEY | NO_CARD,
        ),
        (Short, VECTOR),
        (Short | None, VECTOR | NULL),
    ],
)
def test_kinds_the_fast_path_reads(kind, takes):
    assert field_of(kind).takes == takes


@pytest.mark.parametrize(
    "kind",
    [
        bool,
        list[float],
        dict[str, float],
        Moment,
        float | str,
        float | int,
        bytes,
        Literal[1, 2],
        Literal["a", 1],
        Annotated[str, Meta(pattern="^a")],
        Annotated[float, Meta(multiple_of=0.5)],
    ],
)
def test_kinds_left_to_the_strict_decoder(kind):
    assert field_of(kind).takes == 0


def test_bounds_of_vectors():
    field = field_of(
        Annotated[list[Annotated[float, Meta(ge=-1, lt=2)]], Meta(min_length=1, max_length=5)]
    )
    assert (field.low, field.high) == (-1.0, math.nextafter(2, 0))
    assert (field.shortest, field.longest, field.is_vector) == (1, 5, True)
    assert not field.is_number


def test_a_guarded_text_with_a_pattern_is_left_to_the_strict_decoder_and_guarded_still():
    field = field_of(Annotated[str, Meta(pattern="^a", extra={"refuse": "card_number"})])
    assert (field.takes, field.refuses_cards) == (0, True)


def test_a_key_with_a_pattern_keeps_its_column():
    pattern = Annotated[str, Meta(pattern="^a", extra={"column": "key"})]
    program = program_of(a=Key, b=pattern, c=Annotated[int, Meta(multiple_of=5)])
    assert program.keys == ("a", "b")
    assert program.numbers == ("c",)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([("x", float)], "occurred_at"),
        ([("occurred_at", str)], "occurred_at"),
        ([("occurred_at", Moment | None)], "occurred_at"),
        ([("occurred_at", Annotated[datetime, Meta(tz=False)])], "occurred_at"),
        ([("occurred_at", Moment, datetime.now(UTC))], "occurred_at"),
        ([("occurred_at", Moment), ("x", Annotated[float, Meta(extra={"column": "key"})])], "key"),
        ([("occurred_at", Moment), ("x", Annotated[str, Meta(extra={"column": "no"})])], "'no'"),
        (
            [("occurred_at", Moment), ("x", Annotated[str | int, Meta(extra={"column": "key"})])],
            "key",
        ),
        ([("occurred_at", Moment), *((f"x{k}", float) for k in range(62))], "62"),
        ([("occurred_at", Moment), ("x", Annotated[str, Meta(extra={"refuse": "x"})])], "'x'"),
        (
            [("occurred_at", Moment), ("x", Annotated[int, Meta(extra={"refuse": "card_number"})])],
            "only a string",
        ),
        (
            [("occurred_at", Moment), ("x", Guarded | int)],
            "only a string",
        ),
        ([("occurred_at", Moment), ("x", Short), ("y", Short)], "vector"),
    ],
)
def test_types_without_a_program(fields, message):
    made = msgspec.defstruct("Made", fields)
    with pytest.raises(TypeError, match=message):
        Program.of(made)


@pytest.mark.parametrize("name", ["straße", "名前", "a\x7fb"])
def test_names_that_json_must_escape_are_refused(name):
    made = msgspec.defstruct("Made", [("occurred_at", Moment), ("x", float)], rename={"x": name})
    with pytest.raises(TypeError, match="plain"):
        Program.of(made)


@pytest.mark.parametrize("option", ["array_like", "forbid_unknown_fields", "tag"])
def test_struct_options_that_contradict_the_contract_are_refused(option):
    made = msgspec.defstruct("Made", [("occurred_at", Moment)], **{option: True})
    with pytest.raises(TypeError, match=option):
        Program.of(made)


def test_blank_columns_hold_the_defaults():
    made = msgspec.defstruct(
        "Made",
        [
            ("occurred_at", Moment),
            ("a", float | None, None),
            ("b", float, 2.5),
            ("c", int, msgspec.field(default_factory=lambda: 7)),
            ("d", Key | None, None),
            ("e", Key, "green"),
        ],
    )
    columns = Columns.blank(Program.of(made), 3)
    assert len(columns) == 3
    assert not columns.valid.any()
    np.testing.assert_array_equal(columns.values, [[np.nan, 2.5, 7.0]] * 3)
    assert columns.keys.tolist() == [[NO_KEY, hash_text("green")]] * 3


def test_fill_writes_events_into_their_rows():
    program = program_of(a=float | None, b=int, c=Key | None)
    event = program.event_type(
        occurred_at=datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), a=None, b=3, c="x"
    )
    columns = Columns.blank(program, 3)
    columns.fill([2], [event], program)
    assert columns.valid.tolist() == [False, False, True]
    assert columns.occurred_at[2] == -1
    np.testing.assert_array_equal(columns.values[2], [np.nan, 3.0])
    assert columns.keys[2, 0] == hash_text("x")


def test_empty_columns():
    columns = Columns.blank(program_of(), 0)
    assert (columns.values.shape, columns.keys.shape) == ((0, 0), (0, 0))
