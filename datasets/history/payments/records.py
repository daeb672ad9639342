"""Payments from files whose columns are the fields of `eddy.schemas.payments.Payment`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

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
from eddy.schemas.payments import Payment

_REQUIRED = ("occurred_at", "merchant_id", "amount")
_DEFAULTS = {"kind": "sale", "status": "approved"}
_NUMBERS: dict[str, Callable[[Any], list[Any]]] = {"amount": cells.numbers, "count": cells.labels}
_LONGEST_STEM = 100  # so that an id made from it stays within 128 characters
_TEXTS = ("event_id", "merchant_id")


def payment_records(path: Path, *, zone: str = "UTC") -> Iterator[list[bytes]]:
    """Yield a file's payments as JSON records, one for each row, in order.

    A file without ids gets ``<file's stem>-<row>``; without kinds or status, approved sales.

    Parameters
    ----------
    path : Path
        ``.parquet``, ``.csv`` or ``.jsonl``; lines of the latter come through untouched.
    zone : str
        Of times that carry no offset.

    Raises
    ------
    ConfigError
        Columns are missing, the zone is not known, or the file is broken.
    MissingResource
        The file cannot be read.
    """
    if is_lines(path):
        yield from read_lines(path)
        return
    try:
        clock = ZoneInfo(zone)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(f"time zone {zone!r}: not known") from error
    missing = set(_REQUIRED) - set(column_names(path))
    if missing:
        raise ConfigError(f"{path}: no columns {', '.join(sorted(missing))}")
    for chunk in read_columns(path, Payment.__struct_fields__, CHUNK_ROWS):
        yield _records(chunk, clock, path.stem[:_LONGEST_STEM])


def _records(chunk: RowChunk, zone: ZoneInfo, stem: str) -> list[bytes]:
    fields = {name: _NUMBERS.get(name, cells.texts)(c) for name, c in chunk.columns.items()}
    fields["occurred_at"] = cells.times(chunk.columns["occurred_at"], zone).written
    if "event_id" not in fields:
        first = chunk.first_row
        fields["event_id"] = [f"{stem}-{row:08d}" for row in range(first, first + chunk.rows)]
    for name, value in _DEFAULTS.items():
        fields.setdefault(name, [value] * chunk.rows)
    for name in _TEXTS:  # ids are text, also where a file has them as numbers
        fields[name] = [None if cell is None else str(cell) for cell in fields[name]]
    names = list(fields)
    rows = zip(*fields.values(), strict=True)
    # a cell that is empty is a field that is not there
    present = ({n: v for n, v in zip(names, row, strict=True) if v is not None} for row in rows)
    records = [msgspec.json.encode(record, enc_hook=str) for record in present]
    for row, text in chunk.broken.items():
        records[row] = text
    return records
