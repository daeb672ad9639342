"""Rows as text: for terminals, JSON and CSV."""

from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

import msgspec
import pyarrow as pa

encode: Callable[[Any], bytes] = msgspec.json.Encoder(decimal_format="number", enc_hook=str).encode
"""JSON: times as RFC 3339 in UTC, bytes in base 64, what is no number as null."""


def rows_of(batch: pa.RecordBatch | pa.Table) -> Iterator[dict[str, Any]]:
    """Yield rows as dictionaries; maps are dictionaries, too."""
    names = _once(batch.schema.names)
    yield from batch.rename_columns(names).to_pylist(maps_as_pydicts="strict")


def with_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return the rows with nested columns as JSON text, and times and bytes as JSON has them."""
    columns = [column if _is_plain(column.type) else _text(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=_once(batch.schema.names))


def text_of(value: Any) -> str:
    """Return a value for people."""
    match value:
        case None:
            return ""
        case str():
            return value
        case dict() | list() | bytes() | datetime():
            return encode(value).decode().strip('"')
        case date():
            return value.isoformat()
    return str(value)


def _is_plain(kind: pa.DataType) -> bool:
    """Whether CSV writes a type as people and machines expect it."""
    of = pa.types
    tests = (of.is_integer, of.is_floating, of.is_decimal, of.is_boolean, of.is_date, of.is_null)
    return any(test(kind) for test in (*tests, of.is_string, of.is_large_string))


def _text(column: pa.Array) -> pa.Array:
    values = column.to_pylist(maps_as_pydicts="strict")
    is_nested = pa.types.is_nested(column.type)
    texts = [None if value is None else encode(value).decode() for value in values]
    return pa.array(
        texts if is_nested else [value and value.strip('"') for value in texts], pa.large_string()
    )


def _once(names: list[str]) -> list[str]:
    """Return names of which none comes twice."""
    seen: dict[str, int] = {}
    unique = []
    for name in names:
        number = seen[name] = seen.get(name, -1) + 1
        unique.append(f"{name}_{number}" if number else name)
    return unique
