"""Card transactions from files, as records of the topic, with the labels the files hold.

Layouts: the fields of `eddy.schemas.transactions.Transaction` (Parquet, CSV or JSON lines); the
Fraud Detection Handbook's simulated transactions
(https://fraud-detection-handbook.github.io/fraud-detection-handbook/); and the card transactions of
the Université Libre de Bruxelles (ULB: Time, V1 to V28, Amount, Class), which name no card.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.datasets.history import cells
from eddy.datasets.history.files import (
    CHUNK_ROWS,
    RowChunk,
    column_names,
    is_lines,
    read_columns,
    read_lines,
)
from eddy.models.features.names import component
from eddy.schemas.errors import ConfigError
from eddy.schemas.transactions import MOST_COMPONENTS, Transaction

UNSAID = -1
"""What stands in `LabelledRecords` where a file says nothing."""

_LONGEST_STEM = 100  # so that an id made from it stays within 128 characters
_LABELS = ("is_fraud", "labelled_at", "weight")
_COMPONENTS = tuple(component(number) for number in range(1, MOST_COMPONENTS + 1))
_ULB_COMPONENTS = _COMPONENTS[:28]
_ULB_START = datetime(2013, 9, 1, tzinfo=UTC)  # "two days of September 2013" is all that is known
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Columns = dict[str, Any]
Fields = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class LabelledRecords:
    """Consecutive rows of a file.

    Attributes
    ----------
    payloads : list of bytes
        JSON records, malformed or not: the decoder decides.
    event_ids : list of str
        Empty where a record is malformed.
    is_fraud : ndarray of int8, shape (n,)
        0, 1, or `UNSAID`.
    labelled_at : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC; `UNSAID`.
    weights : ndarray of float64, shape (n,)
        How many rows of the world a row stands for.
    """

    payloads: list[bytes]
    event_ids: list[str]
    is_fraud: NDArray[np.int8]
    labelled_at: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.payloads)


class _Record(msgspec.Struct, gc=False):
    """A transaction as a file has it: nothing checked."""

    event_id: Any
    occurred_at: Any
    card_token: Any
    terminal_id: Any
    amount: Any
    merchant_id: Any = msgspec.UNSET
    currency: Any = msgspec.UNSET
    vector: Any = msgspec.UNSET


class _Labels(msgspec.Struct, gc=False):
    """What a JSON line may say beside the transaction."""

    event_id: str = ""
    is_fraud: bool | int | None = None
    labelled_at: datetime | None = None
    weight: float = 1.0


def transaction_records(
    path: Path, *, zone: str = "UTC", chunk_rows: int = CHUNK_ROWS
) -> Iterator[list[bytes]]:
    """Yield a file's transactions as JSON records, one for each row, in order.

    A file without event ids gets ``<file's stem>-<row>``; see `labelled_records`.
    """
    if is_lines(path):
        yield from read_lines(path, chunk_rows)
        return
    for chunk in _column_records(path, zone, chunk_rows):
        yield chunk.payloads


def labelled_records(
    path: Path, *, zone: str = "UTC", chunk_rows: int = CHUNK_ROWS
) -> Iterator[LabelledRecords]:
    """Yield a file's transactions with the labels it holds itself.

    Parameters
    ----------
    path : Path
        ``.parquet``, ``.csv`` or ``.jsonl``.
    zone : str
        The zone of times that carry no offset.
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
        yield from map(_labelled_lines, read_lines(path, chunk_rows))
        return
    yield from _column_records(path, zone, chunk_rows)


_read_labels = msgspec.json.Decoder(_Labels, strict=False).decode


def _labelled_lines(lines: list[bytes]) -> LabelledRecords:
    labels = [_labels_of(line) for line in lines]
    return LabelledRecords(
        lines,
        [label.event_id for label in labels],
        np.array([UNSAID if x.is_fraud is None else int(x.is_fraud) for x in labels], np.int8),
        np.array([_micros(label.labelled_at) for label in labels], np.int64),
        np.array([label.weight for label in labels], np.float64),
    )


def _labels_of(line: bytes) -> _Labels:
    try:
        return _read_labels(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Labels()  # the decoder will say what is wrong with it


def _micros(moment: datetime | None) -> int:
    if moment is None:
        return UNSAID
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class _Layout:
    required: tuple[str, ...]
    optional: tuple[str, ...]
    fields: Callable[[Columns, ZoneInfo], Fields]


def _column_records(path: Path, zone: str, chunk_rows: int) -> Iterator[LabelledRecords]:
    clock, layout = _zone(zone), _layout(path)
    for chunk in read_columns(path, layout.required + layout.optional, chunk_rows):
        yield _records(chunk, layout, clock, path.stem[:_LONGEST_STEM])


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _records(chunk: RowChunk, layout: _Layout, zone: ZoneInfo, stem: str) -> LabelledRecords:
    fields = layout.fields(chunk.columns, zone)
    if "event_id" not in fields:
        rows = range(chunk.first_row, chunk.first_row + chunk.rows)
        fields["event_id"] = [f"{stem}-{row:08d}" for row in rows]
    for name in ("card_token", "terminal_id"):  # unknown: everybody has his own
        fields.setdefault(name, fields["event_id"])
    absent = [msgspec.UNSET] * chunk.rows
    columns = [fields.get(name, absent) for name in _Record.__struct_fields__]
    payloads = list(map(_encode, map(_Record, *columns)))
    for row, text in chunk.broken.items():
        payloads[row] = text
    return LabelledRecords(
        payloads,
        [str(name) for name in fields["event_id"]],
        _label_column(fields.get("is_fraud"), chunk.rows, np.int8, UNSAID),
        _label_column(fields.get("labelled_at"), chunk.rows, np.int64, UNSAID),
        _label_column(fields.get("weight"), chunk.rows, np.float64, 1.0),
    )


def _label_column(column: list[Any] | None, rows: int, kind: Any, nothing: float) -> NDArray[Any]:
    if column is None:
        return np.full(rows, nothing, kind)
    try:
        return np.array([nothing if cell is None else cell for cell in column], kind)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"is_fraud, labelled_at or weight: {error}") from error


def _own_fields(columns: Columns, zone: ZoneInfo) -> Fields:
    fields = {
        name: _READERS.get(name, _ids)(column)
        for name, column in columns.items()
        if name not in _COMPONENTS
    }
    for name in ("occurred_at", "labelled_at"):
        if name in columns:
            read = cells.times(columns[name], zone)
            known = name == "labelled_at"
            fields[name] = list(read.micros.to_pylist()) if known else read.written
    if present := [name for name in _COMPONENTS if name in columns]:
        fields["vector"] = _vectors(columns, present)
    return fields


def _handbook_fields(columns: Columns, zone: ZoneInfo) -> Fields:
    fields = {
        "event_id": _ids(columns["transaction_id"]),
        "occurred_at": cells.times(columns["tx_datetime"], zone).written,
        "card_token": _ids(columns["customer_id"]),
        "terminal_id": _ids(columns["terminal_id"]),
        "amount": cells.numbers(columns["tx_amount"]),
    }
    if "tx_fraud" in columns:
        fields["is_fraud"] = cells.numbers(columns["tx_fraud"])
    return fields


def _ulb_fields(columns: Columns, _: ZoneInfo) -> Fields:
    seconds = cells.numbers(columns["time"])
    return {
        "occurred_at": [_after(cell) for cell in seconds],
        "amount": cells.numbers(columns["amount"]),
        "vector": _vectors(columns, _ULB_COMPONENTS),
        "is_fraud": cells.numbers(columns["class"]),
        **{name: cells.numbers(columns[name]) for name in ("weight",) if name in columns},
    }


def _after(seconds: Any) -> Any:
    if not isinstance(seconds, float):
        return seconds
    return (_ULB_START + timedelta(seconds=seconds)).isoformat()


def _vectors(columns: Columns, names: tuple[str, ...] | list[str]) -> list[Any]:
    parts = [cells.numbers(columns[name]) for name in names]
    return [list(row) for row in zip(*parts, strict=True)]


def _ids(column: Any) -> list[Any]:
    """Return ids as texts, also where a file has them as numbers."""
    return [None if cell is None else str(cell) for cell in cells.labels(column)]


def _optional(column: Any) -> list[Any]:
    return [msgspec.UNSET if cell is None else cell for cell in cells.texts(column)]


_READERS: dict[str, Callable[[Any], list[Any]]] = {
    "amount": cells.numbers,
    "merchant_id": _optional,
    "currency": _optional,
    "vector": _optional,
    "is_fraud": cells.numbers,
    "weight": cells.numbers,
}
_OWN_REQUIRED = ("occurred_at", "card_token", "terminal_id", "amount")
_OWN_OPTIONAL = tuple(name for name in Transaction.__struct_fields__ if name not in _OWN_REQUIRED)
_LAYOUTS = (
    _Layout(_OWN_REQUIRED, (*_OWN_OPTIONAL, *_LABELS, *_COMPONENTS), _own_fields),
    _Layout(
        ("transaction_id", "tx_datetime", "customer_id", "terminal_id", "tx_amount"),
        ("tx_fraud",),
        _handbook_fields,
    ),
    _Layout(("time", *_ULB_COMPONENTS, "amount", "class"), ("weight",), _ulb_fields),
)


def _layout(path: Path) -> _Layout:
    names = column_names(path)
    for layout in _LAYOUTS:
        if set(layout.required) <= set(names):
            return layout
    shown = ("time, v1 to v28, amount, class", *(", ".join(x.required) for x in _LAYOUTS[:2]))
    raise ConfigError(
        f"{path}: columns {', '.join(names) or 'none'}; expected one of {' | '.join(shown)}"
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"time zone {name!r}: not known; for example Europe/Berlin") from error
