"""What a new version of a schema may not do: each kind of break is caught, and nothing else."""

import copy
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from eddy.schemas.json_schema import incompatibilities, published, rendered, write

Moment = Annotated[datetime, Meta(tz=True)]


class Inner(msgspec.Struct):
    name: str
    weight: Annotated[float, Meta(ge=0, le=1)] | None = None


class Old(msgspec.Struct):
    """One field of each kind."""

    id: Annotated[str, Meta(min_length=1, max_length=10)]
    amount: Annotated[float, Meta(ge=0, lt=100)]
    kind: Literal["a", "b"]
    label: str | int | None
    inner: Inner
    at: Moment
    items: Annotated[list[Inner], Meta(max_length=5)] = []
    values: dict[str, float] = {}
    note: str | None = None


OLD = msgspec.json.schema(Old)


def changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return `OLD` after a change to the properties of all its records."""
    new = copy.deepcopy(OLD)
    fields = {
        **new["$defs"]["Old"]["properties"],
        "Inner": new["$defs"]["Inner"],
        "Old": new["$defs"]["Old"],
    }
    change(fields)
    return new


def required(record: str, name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: fields[record]["required"].append(name)


def replaced(name: str, **schema: Any) -> Callable[[dict[str, Any]], Any]:
    def change(fields: dict[str, Any]) -> None:
        fields[name].clear()
        fields[name].update(schema)

    return change


def added(record: str, name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: fields[record]["properties"].update({name: {"type": "string"}})


def dropped(record: str, name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: fields[record]["properties"].pop(name)


def optional(record: str, name: str) -> Callable[[dict[str, Any]], Any]:
    return lambda fields: fields[record]["required"].remove(name)


def number(**limits: float) -> Callable[[dict[str, Any]], Any]:
    return replaced("amount", type="number", **limits)


BREAKS = [
    (required("Old", "note"), "$.note: old records: is required"),
    (required("Old", "brand_new"), "$.brand_new: old records: is required"),
    (required("Inner", "weight"), "$.inner.weight: old records: is required"),
    (
        replaced("amount", type="integer", minimum=0, exclusiveMaximum=100),
        "$.amount: old records: number is not accepted",
    ),
    (replaced("amount", type="string"), "$.amount: old records: number is not accepted"),
    (
        replaced("label", anyOf=[{"type": "string"}, {"type": "integer"}]),
        "$.label: old records: null is not accepted",
    ),
    (
        replaced("label", anyOf=[{"type": "string"}, {"type": "null"}]),
        "$.label: old records: integer is not accepted",
    ),
    (replaced("note", type="string"), "$.note: old records: null is not accepted"),
    (number(minimum=1, exclusiveMaximum=100), "$.amount: old records: lower bound 1 instead of 0"),
    (
        number(exclusiveMinimum=0, exclusiveMaximum=100),
        "$.amount: old records: lower bound 0 instead of 0",
    ),
    (number(minimum=0, maximum=99), "$.amount: old records: upper bound 99 instead of 100"),
    (
        number(minimum=0, exclusiveMaximum=100, multipleOf=5),
        "$.amount: old records: multipleOf 5 instead of None",
    ),
    (
        replaced("id", type="string", minLength=2, maxLength=10),
        "$.id: old records: minLength 2 instead of 1",
    ),
    (
        replaced("id", type="string", minLength=1, maxLength=9),
        "$.id: old records: maxLength 9 instead of 10",
    ),
    (
        replaced("id", type="string", minLength=1, maxLength=10, pattern="^x"),
        "$.id: old records: pattern '^x' instead of None",
    ),
    (replaced("kind", enum=["a"]), "$.kind: old records: 'b' is not accepted"),
    (
        replaced("label", enum=["x", 1, None]),
        "$.label: old records: only ['x', 1, None] are accepted",
    ),
    (
        replaced("at", type="string", format="date"),
        "$.at: old records: format 'date' instead of 'date-time'",
    ),
    (
        replaced("items", type="array", maxItems=4, items={"$ref": "#/$defs/Inner"}),
        "$.items: old records: maxItems 4 instead of 5",
    ),
    (
        replaced("items", type="array", maxItems=5, items={"type": "string"}),
        "$.items[]: old records: object is not accepted",
    ),
    (
        replaced("values", type="object", additionalProperties={"type": "integer"}),
        "$.values.*: old records: number is not accepted",
    ),
    (
        replaced("values", type="object", additionalProperties=False),
        "$.values.*: old records: is not accepted",
    ),
    (
        lambda fields: fields["Inner"]["properties"]["weight"]["anyOf"][0].update(maximum=0.5),
        "$.inner.weight: old records: upper bound 0.5 instead of 1",
    ),
    (
        lambda fields: fields["Old"].update(additionalProperties=False),
        "$.*: old records: is not accepted",
    ),
]


@pytest.mark.parametrize(("change", "message"), BREAKS, ids=[m for _, m in BREAKS])
def test_what_breaks_old_records(change, message):
    new = changed(change)
    assert message in incompatibilities(OLD, new)
    assert message in incompatibilities(OLD, new, is_output=True)


ALLOWED = [
    added("Old", "extra"),
    added("Inner", "extra"),
    optional("Old", "amount"),
    dropped("Old", "note"),
    number(minimum=-1, maximum=100),
    number(),
    replaced("id", type="string"),
    replaced("kind", enum=["a", "b", "c"]),
    replaced("kind", type="string"),
    replaced("note", anyOf=[{"type": "integer"}, {"type": "string"}, {"type": "null"}]),
    replaced("label", anyOf=[{"type": "number"}, {"type": "string"}, {"type": "null"}]),
    replaced("at", type="string"),
    replaced("values", type="object"),
    replaced("amount"),
]


@pytest.mark.parametrize("change", ALLOWED)
def test_what_producers_do_not_notice(change):
    assert incompatibilities(OLD, changed(change)) == []


BREAKS_FOR_READERS = [
    (dropped("Old", "note"), "$.note: is gone"),
    (dropped("Inner", "weight"), "$.inner.weight: is gone"),
    (dropped("Inner", "weight"), "$.items[].weight: is gone"),
    (optional("Old", "amount"), "$.amount: old readers: is required"),
    (number(), "$.amount: old readers: lower bound 0 instead of -inf"),
    (replaced("kind", enum=["a", "b", "c"]), "$.kind: old readers: 'c' is not accepted"),
    (
        replaced("note", anyOf=[{"type": "integer"}, {"type": "string"}, {"type": "null"}]),
        "$.note: old readers: integer is not accepted",
    ),
    (
        replaced("label", anyOf=[{"type": "number"}, {"type": "string"}, {"type": "null"}]),
        "$.label: old readers: number is not accepted",
    ),
]


@pytest.mark.parametrize(
    ("change", "message"), BREAKS_FOR_READERS, ids=[m for _, m in BREAKS_FOR_READERS]
)
def test_what_breaks_readers(change, message):
    assert message in incompatibilities(OLD, changed(change), is_output=True)


@pytest.mark.parametrize("change", [added("Old", "extra"), added("Inner", "extra")])
def test_what_readers_do_not_notice(change):
    assert incompatibilities(OLD, changed(change), is_output=True) == []


def test_a_schema_is_compatible_with_itself():
    for schema in (OLD, *published().values()):
        assert incompatibilities(schema, schema, is_output=True) == []


def test_a_renamed_definition_is_no_break():
    new = msgspec.json.decode(msgspec.json.encode(OLD).replace(b"Inner", b"Renamed"))
    assert incompatibilities(OLD, new, is_output=True) == []


def test_files_are_the_same_bytes_on_every_run(tmp_path):
    first = {path.name: path.read_bytes() for path in write(tmp_path / "a")}
    second = {path.name: path.read_bytes() for path in write(tmp_path / "b")}
    assert first == second
    assert set(first) == {f"{name}.schema.json" for name in published()}
    assert first["ride.schema.json"].decode() == rendered(published()["ride"])
