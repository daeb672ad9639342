"""Rides from files: this project's own columns, and those of New York's taxi commission (TLC).

https://www.nyc.gov/site/tlc/about/tlc-trip-record-data.page: yellow (``tpep_``) and green
(``lpep_``) taxis. Distances there are miles; times are wall-clock times without an offset.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from eddy.datasets.history import cells
from eddy.datasets.history.files import (
    CHUNK_ROWS,
    RowChunk,
    column_names,
    is_lines,
    read_columns,
    read_lines,
)
from eddy.schemas.errors import ConfigError
from eddy.schemas.rides import Ride

KM_PER_MILE = 1.609344
_ABSENT = msgspec.UNSET
_LONGEST_STEM = 100  # so that an id made from it stays within 128 characters


class RideRecord(msgspec.Struct, gc=False):
    """A ride as a file has it: the fields of `eddy.schemas.rides.Ride`, with nothing checked."""

    event_id: Any
    occurred_at: Any
    ride_id: Any
    vendor_id: Any
    pickup_zone: Any
    dropoff_zone: Any
    distance_km: Any
    duration_s: Any
    fare: Any = _ABSENT
    currency: Any = _ABSENT
    passengers: Any = _ABSENT


Fields = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Layout:
    """One way files of rides are laid out.

    Attributes
    ----------
    required, optional : tuple of str
        Folded column names.
    fields : callable
        ``fields(columns, zone)`` gives lists of values by field name.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    fields: Callable[[dict[str, Any], ZoneInfo], Fields]


def ride_records(
    path: Path, *, zone: str = "UTC", chunk_rows: int = CHUNK_ROWS
) -> Iterator[list[bytes]]:
    """Yield a file's rides as JSON records, one for each row, in order.

    A file without ids gets ``<file's stem>-<row>``: the same each time it is read.

    Parameters
    ----------
    path : Path
        ``.parquet``, ``.csv`` or ``.jsonl``; lines of the latter come through untouched.
    zone : str
        The zone of times that carry no offset, such as "America/New_York".
    chunk_rows : int
        Rows a chunk.

    Raises
    ------
    ConfigError
        The layout or the zone is not known, the file is broken, or pyarrow is not installed.
    MissingResource
        The file cannot be read.
    """
    if is_lines(path):
        yield from read_lines(path, chunk_rows)
        return
    clock = _zone(zone)
    layout = _layout(path)
    wanted = layout.required + layout.optional
    for chunk in read_columns(path, wanted, chunk_rows):
        yield _records(chunk, layout, clock, path.stem[:_LONGEST_STEM])


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _records(chunk: RowChunk, layout: Layout, zone: ZoneInfo, stem: str) -> list[bytes]:
    fields = layout.fields(chunk.columns, zone)
    if "event_id" not in fields:
        rows = range(chunk.first_row, chunk.first_row + chunk.rows)
        fields["event_id"] = [f"{stem}-{row:08d}" for row in rows]
    fields.setdefault("ride_id", fields["event_id"])
    for name in ("vendor_id", "pickup_zone", "dropoff_zone"):
        fields.setdefault(name, [None] * chunk.rows)
    columns = [fields.get(name, [_ABSENT] * chunk.rows) for name in RideRecord.__struct_fields__]
    records = list(map(_encode, map(RideRecord, *columns)))
    for row, text in chunk.broken.items():
        records[row] = text
    return records


def _own_fields(columns: dict[str, Any], zone: ZoneInfo) -> Fields:
    fields = {name: _OWN_CELLS.get(name, cells.texts)(column) for name, column in columns.items()}
    fields["occurred_at"] = cells.times(columns["occurred_at"], zone).written
    return fields


def _tlc_fields(columns: dict[str, Any], zone: ZoneInfo, prefix: str) -> Fields:
    pickup = cells.times(columns[f"{prefix}_pickup_datetime"], zone)
    dropoff = cells.times(columns[f"{prefix}_dropoff_datetime"], zone)
    fields = {
        "occurred_at": pickup.written,
        "distance_km": cells.numbers(columns["trip_distance"], KM_PER_MILE),
        "duration_s": cells.seconds_between(pickup, dropoff),
    }
    for source, (name, read) in _TLC_CELLS.items():
        if source in columns:
            fields[name] = read(columns[source])
    if "fare" in fields:
        fields["currency"] = ["USD"] * len(pickup.written)
    return fields


_OWN_CELLS: dict[str, Callable[[Any], list[Any]]] = {
    "vendor_id": cells.labels,
    "pickup_zone": cells.labels,
    "dropoff_zone": cells.labels,
    "distance_km": cells.numbers,
    "duration_s": cells.numbers,
    "fare": cells.numbers,
    "passengers": cells.numbers,
}
_TLC_CELLS: dict[str, tuple[str, Callable[[Any], list[Any]]]] = {
    "vendorid": ("vendor_id", cells.labels),
    "pulocationid": ("pickup_zone", cells.labels),
    "dolocationid": ("dropoff_zone", cells.labels),
    "fare_amount": ("fare", cells.numbers),
    "passenger_count": ("passengers", cells.numbers),
}


def _own_layout() -> Layout:
    required = ("occurred_at", "distance_km", "duration_s")
    optional = tuple(name for name in Ride.__struct_fields__ if name not in required)
    return Layout(required, optional, _own_fields)


def _tlc_layout(prefix: str) -> Layout:
    required = (f"{prefix}_pickup_datetime", f"{prefix}_dropoff_datetime", "trip_distance")
    return Layout(required, tuple(_TLC_CELLS), partial(_tlc_fields, prefix=prefix))


LAYOUTS = (_own_layout(), _tlc_layout("lpep"), _tlc_layout("tpep"))


def _layout(path: Path) -> Layout:
    names = column_names(path)
    for layout in LAYOUTS:
        if set(layout.required) <= set(names):
            return layout
    expected = " | ".join(", ".join(layout.required) for layout in LAYOUTS)
    raise ConfigError(f"{path}: columns {', '.join(names) or 'none'}; expected one of {expected}")


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"time zone {name!r}: not known; for example America/New_York") from error
