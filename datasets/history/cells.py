"""Columns of a file as JSON values: numbers, labels and times, whatever type they were stored as.

A cell that cannot be read as what it should be keeps its text, so that the decoder rejects the
record and shows it; a null stays a null, and so becomes what JSON has no word for (NaN).
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from eddy.datasets.history.files import arrow

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def numbers(column: Any, scale: float = 1.0) -> list[Any]:
    """Return the cells as floats, times `scale`."""
    pa = arrow()
    try:
        values = _plain(column).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return [_number(cell, scale) for cell in _plain(column).to_pylist()]
    if scale != 1.0:
        values = arrow("compute").multiply(values, scale)
    return list(values.to_pylist())


def labels(column: Any) -> list[Any]:
    """Return the cells as integers where they are whole numbers, however stored, else as text.

    A zone must be the same zone whether it comes as 74, as "74" from a CSV, or as 74.0 from a
    data frame with gaps.
    """
    pa = arrow()
    column = _plain(column)
    if pa.types.is_integer(column.type):
        return list(column.to_pylist())
    coded = column.dictionary_encode()  # there are few labels and many rows
    known = [_label(cell) for cell in coded.dictionary.to_pylist()]
    return [None if i is None else known[i] for i in coded.indices.to_pylist()]


def texts(column: Any) -> list[Any]:
    """Return the cells as they are."""
    return list(_plain(column).to_pylist())


@dataclass(frozen=True, slots=True)
class Times:
    """A column of times.

    Attributes
    ----------
    micros : pyarrow.Int64Array
        Microseconds since 1970, UTC; null where the cell is no time.
    written : list of str or None
        RFC 3339; the cell's own text where it is no time.
    """

    micros: Any
    written: list[Any]


def times(column: Any, zone: ZoneInfo) -> Times:
    """Read times; those without an offset are wall-clock times in `zone`.

    Where a clock is set back the earlier of the two readings counts.
    """
    pa = arrow()
    column = _plain(column)
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column = column.cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            return _times_one_by_one(column.to_pylist(), zone)
    try:
        micros = _utc(column, zone).cast(pa.int64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # numbers, say: not ours to guess at
        return Times(pa.nulls(len(column), pa.int64()), texts(column))
    return Times(micros, _written(micros))


def seconds_between(start: Times, end: Times) -> list[Any]:
    """Return ``end - start`` in seconds; null where either is no time."""
    compute = arrow("compute")
    passed = compute.subtract(end.micros, start.micros).cast(arrow().float64())
    return list(compute.divide(passed, 1e6).to_pylist())


def _plain(column: Any) -> Any:
    if arrow().types.is_dictionary(column.type):
        return column.dictionary_decode()
    return column


def _number(cell: Any, scale: float) -> Any:
    try:
        return float(cell) * scale
    except (TypeError, ValueError):
        return cell


def _label(cell: Any) -> Any:
    if isinstance(cell, str):
        whole = cell.removesuffix(".0")
        same = whole.isdecimal() and whole.isascii() and str(int(whole[:19])) == whole
        return int(whole) if same else cell
    if isinstance(cell, float) and cell.is_integer():
        return int(cell)
    return cell


def _utc(column: Any, zone: ZoneInfo) -> Any:
    pa = arrow()
    stamp = column.cast(pa.timestamp("us", getattr(column.type, "tz", None)), safe=False)
    if stamp.type.tz is None:
        stamp = arrow("compute").assume_timezone(
            stamp, zone.key, ambiguous="earliest", nonexistent="earliest"
        )
    return stamp


def _written(micros: Any) -> list[Any]:
    pa, compute = arrow(), arrow("compute")
    stamp = micros.cast(pa.timestamp("us"))
    with suppress(pa.ArrowInvalid):
        stamp = stamp.cast(pa.timestamp("s"))  # shorter, where nothing is lost by it
    text = compute.replace_substring(stamp.cast(pa.string()), " ", "T")
    return list(compute.binary_join_element_wise(text, "Z", "").to_pylist())


def _times_one_by_one(cells: list[Any], zone: ZoneInfo) -> Times:
    pa = arrow()
    moments = [_moment(cell, zone) for cell in cells]
    micros = pa.array([_micros(moment) for moment in moments], pa.int64())
    written = _written(micros)
    return Times(
        micros, [w if w is not None else cell for w, cell in zip(written, cells, strict=True)]
    )


def _moment(cell: Any, zone: ZoneInfo) -> datetime | None:
    try:
        moment = datetime.fromisoformat(cell)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _micros(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
