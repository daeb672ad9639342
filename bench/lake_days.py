"""A day of the lake as the sink leaves it: many small files, one row in a hundred twice."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table

from eddy.lake.compaction.commits import commit
from eddy.lake.compaction.reading import arrow_schema
from eddy.lake.compaction.writing import DayWriter

DAY = date(2026, 11, 1)
DUPLICATES = 0.01
_DAY_US = 86_400_000_000
_TWO = ["distance_km", "duration_s"]


def fill(load: Callable[[], Table], rows: int, files: int) -> int:
    """Write a day's rows; return how many different ones there are."""
    table, chance = load(), np.random.default_rng(7)
    schema, written, seen = arrow_schema(table), list[DataFile](), 0
    for number, place in enumerate(np.array_split(np.arange(rows), files)):
        twice = chance.random(len(place)) < DUPLICATES
        twice[0] = False
        numbers = np.where(twice, np.maximum(place - 100, place[0]), place)
        seen += len(np.unique(numbers))
        writer = DayWriter(table, DAY, f"sink-{number:05d}")
        writer.write(_rows(schema, numbers, place, rows, chance))
        written += writer.close()
    commit(load, [], written, {})
    return seen


def _rows(
    schema: pa.Schema,
    numbers: NDArray[np.int64],
    offsets: NDArray[np.int64],
    rows: int,
    chance: np.random.Generator,
) -> pa.Table:
    given = dict(_values(numbers, offsets, rows, chance))
    columns = [_column(given.get(field.name), field.type, len(numbers), chance) for field in schema]
    return pa.table(columns, schema=schema)


def _values(
    numbers: NDArray[np.int64], offsets: NDArray[np.int64], rows: int, chance: np.random.Generator
) -> Iterator[tuple[str, Any]]:
    begin = int(datetime.combine(DAY, datetime.min.time(), UTC).timestamp() * 1e6)
    times = pa.array(begin + numbers * (_DAY_US // rows)).cast(pa.timestamp("us", tz="UTC"))
    digits = pc.utf8_lpad(pa.array(numbers).cast(pa.string()), 12, "0")
    names = pc.binary_join_element_wise("6f0f7a52-6d0a-5c58-9c7c", digits, "-")
    partitions = pa.array(numbers % 8)
    yield from dict.fromkeys(("anomaly_id", "event_id"), names).items()
    yield from dict.fromkeys(("occurred_at", "detected_at", "kafka_timestamp"), times).items()
    yield from {"kafka_partition": partitions, "kafka_offset": pa.array(offsets)}.items()
    yield from {"kafka_topic": "scored.rides", "op": "open", "verdict": "normal"}.items()
    yield from {"domain": "rides", "detector": "windowed_dbscan", "severity": "info"}.items()
    yield "score", pa.array(chance.random(len(numbers)))
    yield "entity", {"type": "vendor", "id": digits}
    yield "model", {"name": "rides", "version": "1", "sha256": "f" * 64}
    yield "source", {"topic": "events.rides", "partition": partitions, "offset": pa.array(numbers)}
    zones = pa.array(numbers % 263).cast(pa.string())
    distances = {"distance_km": pa.array(chance.random(len(numbers)) * 10)}
    yield "event", {"event_id": names, "vendor_id": "2", "pickup_zone": zones, **distances}


def _column(value: Any, kind: pa.DataType, count: int, chance: np.random.Generator) -> pa.Array:
    """Return a column of one value, of an array, of a struct's parts, or of two numbers a row."""
    if isinstance(value, dict):
        parts = [_column(value.get(part.name), part.type, count, chance) for part in kind]
        return pa.StructArray.from_arrays(parts, fields=list(kind))
    if isinstance(value, pa.Array):
        return value.cast(kind)
    if value is not None:
        return pa.repeat(pa.scalar(value, kind), count)
    ends = np.arange(count + 1) * 2
    if pa.types.is_map(kind):
        keys = pa.array(_TWO * count, kind.key_type)
        return pa.MapArray.from_arrays(
            pa.array(ends, pa.int32()), keys, pa.array(chance.random(count * 2)), kind
        )
    if pa.types.is_large_list(kind) and pa.types.is_struct(kind.value_type):
        fields = {"feature": pa.array(_TWO * count), "value": pa.array(chance.random(count * 2))}
        inside = _column(fields, kind.value_type, count * 2, chance)
        return pa.LargeListArray.from_arrays(pa.array(ends, pa.int64()), inside).cast(kind)
    return pa.nulls(count, kind)
