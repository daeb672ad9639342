"""A table's columns, derived from the typed struct whose records it holds."""

from datetime import datetime
from itertools import count

import msgspec
from msgspec import inspect
from pyiceberg.schema import Schema
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DoubleType,
    IcebergType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

_PLAIN: dict[type[inspect.Type], IcebergType] = {
    inspect.BoolType: BooleanType(),
    inspect.BytesType: BinaryType(),
    inspect.DateTimeType: TimestamptzType(),
    inspect.FloatType: DoubleType(),
    inspect.IntType: LongType(),
    inspect.LiteralType: StringType(),
    inspect.StrType: StringType(),
}

Columns = dict[str, object]
"""Name to annotation: ``{"kafka_offset": int}``."""


def schema_of(columns: Columns) -> Schema:
    r"""Return the Iceberg schema of columns given by their Python types.

    Every column is optional: one that a record does not carry is null, and no record of an older
    or newer version can fail the sink.

    Raises
    ------
    TypeError
        For a type that has no column type here.

    Examples
    --------
    >>> str(schema_of({"score": float | None}))
    'table {\n  1: score: optional double\n}'
    """
    numbers = count(1)
    return Schema(*_fields(columns, numbers))


def columns_of(struct: type[msgspec.Struct], **replaced: object) -> Columns:
    """Return the columns of a struct's fields, some of them of another type."""
    annotations: Columns = {}
    for field in msgspec.structs.fields(struct):
        annotations[field.encode_name] = replaced.get(field.name, field.type)
    return annotations


def _fields(columns: Columns, numbers: "count[int]") -> list[NestedField]:
    # a struct's own columns are numbered before what is inside them, as Iceberg itself does
    column_numbers = [next(numbers) for _ in columns]
    return [
        NestedField(number, name, _type(inspect.type_info(kind), numbers), required=False)
        for number, (name, kind) in zip(column_numbers, columns.items(), strict=True)
    ]


def _type(info: inspect.Type, numbers: "count[int]") -> IcebergType:
    match info:
        case inspect.Metadata(type=inner):
            return _type(inner, numbers)
        case inspect.UnionType(types=types):
            return _union([_bare(part) for part in types], numbers)
        case inspect.ListType(item_type=item):
            return ListType(next(numbers), _type(item, numbers), element_required=False)
        case inspect.DictType(value_type=value):
            key, number = next(numbers), next(numbers)
            return MapType(key, StringType(), number, _type(value, numbers), value_required=False)
        case inspect.StructType(cls=struct):
            return StructType(*_fields(columns_of(struct), numbers))
    try:
        return _PLAIN[type(info)]
    except KeyError:
        raise TypeError(f"no column type for {info}") from None


def _union(types: list[inspect.Type], numbers: "count[int]") -> IcebergType:
    """Return the type that holds all of `types`: text where they differ, as for labels."""
    known = [part for part in types if not isinstance(part, inspect.NoneType)]
    if len(known) == 1:
        return _type(known[0], numbers)
    if all(isinstance(part, inspect.StrType | inspect.IntType) for part in known):
        return StringType()
    raise TypeError(f"no column type for {types}")


def _bare(info: inspect.Type) -> inspect.Type:
    return info.type if isinstance(info, inspect.Metadata) else info


KAFKA: Columns = {
    "kafka_topic": str,
    "kafka_partition": int,
    "kafka_offset": int,
    "kafka_timestamp": datetime,
}
"""Where the record of a row stands: identifies what the sink delivered, and orders it.

Null in rows that no sink wrote."""
