"""Rows of a table from the records of its topic: what the connector does, done here.

For records around one that fails the connector. Null and absent are taken everywhere, other types
than those of the column nowhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, reduce
from operator import or_
from typing import Annotated, Any

import msgspec
import pyarrow as pa
from msgspec import inspect
from pyiceberg.schema import Schema

from eddy.lake import tables
from eddy.lake.columns import KAFKA, columns_of
from eddy.lake.tables import TableSpec
from eddy.schemas.errors import RejectedRecord

_BUILTIN = (datetime, bytes)


@dataclass(frozen=True, slots=True)
class Delivered:
    """One record of a topic; `timestamp_ms` is Kafka's."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    value: bytes | None
    headers: Mapping[str, bytes]


def row_of(spec: TableSpec, record: Delivered) -> dict[str, Any] | None:
    """Return a record as a row of a table; None where it is a tombstone, which becomes none.

    Raises
    ------
    RejectedRecord
        Where it cannot become one.
    """
    content = _rejection(record) if spec.kind == "rejections" else _decoded(spec, record)
    if content is None:
        return None
    return {
        **content,
        "kafka_topic": record.topic,
        "kafka_partition": record.partition,
        "kafka_offset": record.offset,
        "kafka_timestamp": _time(record.timestamp_ms),
    }


def _time(timestamp_ms: int) -> datetime:
    try:
        return datetime.fromtimestamp(timestamp_ms / 1e3, UTC)
    except (OverflowError, ValueError, OSError) as error:  # a producer may say any number
        raise RejectedRecord("schema_violation", "the record's timestamp is no time") from error


def arrow_of(schema: Schema, rows: Sequence[dict[str, Any]]) -> pa.Table:
    """Return rows as an Arrow table of an Iceberg schema."""
    target = schema.as_arrow()
    columns = [
        pa.array([_fitted(row.get(field.name), field.type) for row in rows], field.type)
        for field in target
    ]
    return pa.Table.from_arrays(columns, schema=target)


def _decoded(spec: TableSpec, record: Delivered) -> dict[str, Any] | None:
    if record.value is None:
        return None
    columns = tuple((name, kind) for name, kind in spec.columns.items() if name not in KAFKA)
    try:
        row = _decoder(columns).decode(record.value)
    except msgspec.ValidationError as error:
        raise RejectedRecord("schema_violation", str(error)) from error
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RejectedRecord("malformed_json", str(error)) from error
    values: dict[str, Any] = msgspec.to_builtins(row, builtin_types=_BUILTIN)
    return values


@cache
def _decoder(columns: tuple[tuple[str, Any], ...]) -> "msgspec.json.Decoder[Any]":
    """Return a decoder of what the connector takes, but for what it would have to convert."""
    return msgspec.json.Decoder(_loose_struct("Row", columns))


def _loose_struct(name: str, columns: Iterable[tuple[str, Any]]) -> type[msgspec.Struct]:
    fields = [(field, _loose(inspect.type_info(kind)), None) for field, kind in columns]
    return msgspec.defstruct(name, fields)


def _loose(info: inspect.Type) -> Any:
    """Return a type with a table's limits only; all in it may be absent or null."""
    match info:
        case inspect.Metadata(type=inner):
            return _loose(inner)
        case inspect.UnionType(types=types):
            return _loose_union(types)
        case inspect.ListType(item_type=item):
            return list[_loose(item)] | None  # type: ignore[misc]
        case inspect.DictType(value_type=value):
            return dict[str, _loose(value)] | None  # type: ignore[misc]
        case inspect.StructType(cls=struct):
            return _loose_struct(struct.__name__, columns_of(struct).items()) | None
    return _PLAIN[type(info)]


def _loose_union(types: Iterable[inspect.Type]) -> Any:
    kinds = {type(part.type if isinstance(part, inspect.Metadata) else part) for part in types}
    if kinds >= {inspect.StrType, inspect.IntType}:
        return str | int | None  # a label: text in its table, which holds any integer
    return reduce(or_, map(_loose, types))


_LEAST, _GREATEST = -(2**63), 2**63 - 1
_LONG = Annotated[int, msgspec.Meta(ge=_LEAST, le=_GREATEST)]

_PLAIN: dict[type[inspect.Type], Any] = {
    inspect.BoolType: bool | None,
    inspect.DateTimeType: datetime | None,
    inspect.FloatType: float | None,
    inspect.IntType: _LONG | None,
    inspect.LiteralType: str | None,
    inspect.NoneType: None,
    inspect.StrType: str | None,
}


def _rejection(record: Delivered) -> dict[str, Any]:
    row: dict[str, Any] = {"payload": record.value}
    for name, kind in tables.REJECTION.items():
        header = record.headers.get(name)
        if header is not None:
            text = header.decode("utf-8", errors="replace")
            row[name] = _integer(name, text) if kind is int else text
    return row


def _integer(name: str, text: str) -> int:
    try:
        value = int(text)
    except ValueError as error:
        raise RejectedRecord("schema_violation", f"header {name} is no integer") from error
    if not _LEAST <= value <= _GREATEST:
        raise RejectedRecord("schema_violation", f"header {name} has more than 64 bits")
    return value


def _fitted(value: Any, kind: pa.DataType) -> Any:
    """Return a value as Arrow wants it: labels as text, mappings as pairs."""
    if value is None:
        return None
    if pa.types.is_struct(kind):
        return {field.name: _fitted(value.get(field.name), field.type) for field in kind}
    if pa.types.is_map(kind):
        return [(key, _fitted(item, kind.item_type)) for key, item in value.items()]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [_fitted(item, kind.value_type) for item in value]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return str(value)
    return value
