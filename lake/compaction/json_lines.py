r"""JSON Lines on S3, as other sink connectors leave them: a line for each record of a topic.

Read are objects whose names say where their first record stands, in folders of any depth::

    [year=2026/month=11/day=20/][dt=2026-11-20/]TOPIC+PARTITION+OFFSET.json[.gz]
    [...]TOPIC-PARTITION-OFFSET[.jsonl][.gz]

A line is the record's value, best with the fields ``kafka_topic``, ``kafka_partition``,
``kafka_offset`` and ``kafka_timestamp`` (milliseconds); or ``{"value": ..., "offset": ...}``. Where
a line does not say its offset, the object's name stands in for the topic and the line's number is
added to the first offset: that still names the line, but no longer compares with what another
connector delivered.
"""

import io
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow.fs import FileSelector, FileSystem, FileType

from eddy.lake.compaction.results import Show
from eddy.lake.outages import named_outages
from eddy.lake.tables import TableSpec

_NAME = re.compile(r"(?P<topic>.+)[+-](?P<partition>\d+)[+-](?P<offset>\d+)(\.jsonl?)?(\.gz)?")
_DATES = (
    re.compile(r"/dt=(\d{4})-(\d\d)-(\d\d)/"),
    re.compile(r"/year=(\d{4})/month=(\d\d?)/day=(\d\d?)/"),
)
_FLUSH_ROWS = 4096
# a clock that is ahead may put a record into the folder of the day before
_EARLIER = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LinesFile:
    """An object of lines: where it is and what its name says."""

    path: str
    topic: str
    partition: int
    offset: int

    @property
    def day(self) -> date | None:
        """The day its folder is named for."""
        for form in _DATES:
            if match := form.search(self.path):
                return date(*map(int, match.groups()))
        return None


@dataclass(slots=True)
class Staged:
    """Rows read from JSON Lines, waiting on disk for compaction.

    Attributes
    ----------
    files : dict of date to Path
        One a day.
    rows, bad_lines : int
        Read, and left out because they are no record of the table.
    first_bad : str
        Where the first of these is.
    """

    files: dict[date, Path] = field(default_factory=dict)
    rows: dict[date, int] = field(default_factory=lambda: defaultdict(int))
    bad_lines: int = 0
    first_bad: str = ""

    def read(self, day: date) -> Iterator[pa.RecordBatch]:
        """Yield a day's rows."""
        if path := self.files.get(day):
            with pa.OSFile(str(path)) as file:
                yield from pa.ipc.open_stream(file)


def lines_files(store: FileSystem, folder: str, topic: str, first: date) -> list[LinesFile]:
    """Return the objects that may hold records of a topic of the first day or a later one.

    Raises
    ------
    Unavailable
        Where the store does not answer.
    """
    with named_outages(f"s3://{folder}"):
        listed = store.get_file_info(FileSelector(folder, allow_not_found=True, recursive=True))
    files = []
    for info in listed:
        name = _NAME.fullmatch(info.base_name) if info.type == FileType.File else None
        if name and name["topic"] == topic:
            file = LinesFile(info.path, topic, int(name["partition"]), int(name["offset"]))
            if file.day is None or file.day >= first - _EARLIER:
                files.append(file)
    return sorted(files, key=lambda file: file.path)


def stage(
    store: FileSystem,
    files: Collection[LinesFile],
    spec: TableSpec,
    schema: pa.Schema,
    days: Collection[date],
    folder: Path,
    show: Show = lambda *_: None,
) -> Staged:
    """Read the rows of some days and keep them on disk.

    Parameters
    ----------
    files : collection of LinesFile
    schema : Schema
        Of the table, as Arrow's.
    days : collection of date
        UTC days of the table's day column; other rows are left out.
    folder : Path
        Of one's own.
    show : callable
        Told what is done, how many objects are, and how many there are.

    Raises
    ------
    Unavailable
        Where the store does not answer.
    """
    staged = Staged()
    writing = _Writing(staged, schema, folder)
    decode = msgspec.json.Decoder(_row_type(spec)).decode
    for done, file in enumerate(files, 1):
        with named_outages(f"s3://{file.path}"):
            for number, line in enumerate(_lines(store, file)):
                row = _row(decode, spec, file, number, line)
                if row is None:
                    staged.bad_lines += 1
                    staged.first_bad = staged.first_bad or f"s3://{file.path}, line {number + 1}"
                elif (day := _day(row[spec.day_column])) in days:
                    writing.add(day, row)
        show(f"{spec.name}: JSON Lines", done, len(files))
    writing.close()
    return staged


def _lines(store: FileSystem, file: LinesFile) -> Iterator[bytes]:
    compression = "gzip" if file.path.endswith(".gz") else None
    with store.open_input_stream(file.path, compression=compression) as stream:
        yield from io.BufferedReader(stream)


def _row_type(spec: TableSpec) -> type[msgspec.Struct]:
    """Return a struct of the table's columns: none is required, as in the table."""
    columns = spec.columns | {"kafka_timestamp": int | datetime}
    fields = [(name, kind | None, None) for name, kind in columns.items()]  # type: ignore[operator]
    return msgspec.defstruct("Row", fields)


class _Envelope(msgspec.Struct):
    """A record beside its offset."""

    value: msgspec.Raw
    offset: int | None = None


def _row(
    decode: Any, spec: TableSpec, file: LinesFile, number: int, line: bytes
) -> dict[str, Any] | None:
    """Return a line's row; None where it is none."""
    beside = _Envelope(msgspec.Raw(line))
    try:
        with suppress(msgspec.ValidationError):  # then it is the value itself
            beside = msgspec.json.decode(line, type=_Envelope)
        row: dict[str, Any] = msgspec.to_builtins(
            decode(beside.value), builtin_types=(datetime, bytes)
        )
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    _stand(row, beside, file, number)
    is_whole = row[spec.day_column] is not None and all(_at(row, path) for path in spec.identity)
    return row if is_whole else None


def _stand(row: dict[str, Any], beside: _Envelope, file: LinesFile, number: int) -> None:
    """Say where the record stands, as well as line and name know."""
    if row["kafka_offset"] is None and beside.offset is not None:
        row |= {"kafka_topic": file.topic, "kafka_offset": beside.offset}
    if row["kafka_offset"] is None:
        row |= {"kafka_topic": file.path, "kafka_offset": file.offset + number}
    row["kafka_topic"] = row["kafka_topic"] or file.topic
    if row["kafka_partition"] is None:
        row["kafka_partition"] = file.partition
    if isinstance(row["kafka_timestamp"], int):
        row["kafka_timestamp"] = datetime.fromtimestamp(row["kafka_timestamp"] / 1e3, UTC)


def _at(row: dict[str, Any], path: str) -> bool:
    """Whether a dotted column has a value."""
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value is not None


def _day(when: datetime) -> date:
    return when.astimezone(UTC).date() if when.tzinfo else when.date()


class _Writing:
    """Writes rows into one file a day."""

    def __init__(self, staged: Staged, schema: pa.Schema, folder: Path) -> None:
        self._staged = staged
        self._schema = schema
        self._folder = folder
        self._maps = [column.name for column in schema if pa.types.is_map(column.type)]
        self._waiting: dict[date, list[dict[str, Any]]] = defaultdict(list)
        self._writers: dict[date, pa.RecordBatchStreamWriter] = {}

    def add(self, day: date, row: dict[str, Any]) -> None:
        for name in self._maps:
            if row[name] is not None:
                row[name] = list(row[name].items())
        self._staged.rows[day] += 1
        self._waiting[day].append(row)
        if len(self._waiting[day]) >= _FLUSH_ROWS:
            self._flush(day)

    def close(self) -> None:
        for day in list(self._waiting):
            self._flush(day)
        for writer in self._writers.values():
            writer.close()

    def _flush(self, day: date) -> None:
        rows = self._waiting.pop(day)
        if day not in self._writers:
            path = self._folder / f"{day}.arrow"
            self._staged.files[day] = path
            self._writers[day] = pa.ipc.new_stream(str(path), self._schema)
        self._writers[day].write_batch(pa.RecordBatch.from_pylist(rows, self._schema))
