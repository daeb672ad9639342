"""The check: the rows of a table held against the records of its topic, by where they stand."""

from collections.abc import Iterable, Mapping, Sequence
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple, Self

import duckdb
import msgspec
import pyarrow as pa
from pyiceberg.table import Table

from eddy.lake.sink.rows import Delivered
from eddy.lake.tables import Kind, TableSpec
from eddy.schemas.anomalies import Source

_MEMORY = "768MB"
_EXAMPLES = 5


class OffsetRange(NamedTuple):
    """The records of one partition that are looked at.

    Attributes
    ----------
    begin, end : int
        Offsets; `end` is the first one that is not looked at.
    committed : int
        The connector's own offset: what stands before it should be in the tables, what stands
        behind it is on its way.
    """

    topic: str
    partition: int
    begin: int
    end: int
    committed: int


class TableVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """How one table compares with its topic.

    Attributes
    ----------
    records : int
        Looked at on the topic: those that were committed and are no tombstones.
    rows : int
        In the table, of these records.
    missing : int
        Records (for the table of final states: anomalies) whose row should be there and is not.
    pending : int
        Records without a row that the connector has not got to.
    set_aside : int
        Records without a row that are on the dead-letter topic.
    duplicates : int
        Rows beyond the first of the same record.
    doubled : int
        Rows beyond the first about the same thing: 0 after compaction, in a table of which
        compaction keeps one row each.
    extra : int
        Rows of records that a read_committed consumer does not see.
    examples : list of str
        A few of the missing, pending, duplicate and extra ones.
    """

    table: str
    records: int
    rows: int
    missing: int
    pending: int
    set_aside: int
    duplicates: int
    doubled: int
    extra: int
    examples: list[str]


class _AnomalyHead(msgspec.Struct):
    """What identifies an anomaly; absent, or null, in what is no record of ours."""

    anomaly_id: str | None = None


class _ScoredHead(msgspec.Struct):
    """What identifies an event; absent, or null, in what is no record of ours."""

    source: Source | None = None


_HEADS: dict[Kind, msgspec.json.Decoder[Any]] = {
    "anomalies": msgspec.json.Decoder(_AnomalyHead),
    "history": msgspec.json.Decoder(_ScoredHead),
}

_TABLES = """
create table published (topic varchar, part integer, pos bigint, id varchar);
create table aside (topic varchar, part integer, pos bigint);
create table held (topic varchar, part integer, pos bigint, id varchar);
create table offset_range (topic varchar, part integer, low bigint, high bigint, done bigint);
"""

# Only records within a range count: retention may have taken a beginning away meanwhile.
_VIEWS = """
create view records as select published.* from published join offset_range using (topic, part)
    where pos >= low and pos < high;
create view kept as select held.* from held join offset_range using (topic, part)
    where pos >= low and pos < high;
create view rowless as select * from records anti join held using (topic, part, pos);
-- of an anomaly, or an event, a later row says all
create view newest as select topic, part, id, max(pos) as pos from records
    anti join aside using (topic, part, pos) group by all;
create view unfollowed as select newest.* from newest anti join
    (select topic, part, id, max(pos) as last from held group by all) as latest
    on newest.topic = latest.topic and newest.part = latest.part and newest.id = latest.id
    and latest.last >= newest.pos;
-- of a stranger's record the sink may have read another id than we do: its own row is enough
create view stale as select * from unfollowed anti join held using (topic, part, pos);
"""

_ROWLESS = "(select * from rowless anti join aside using (topic, part, pos))"
_TWICE = "(select topic, part, pos, count(*) as n from kept group by all having n > 1)"
_DUPLICATES = "select count(*) - count(distinct (topic, part, pos)) from kept"
_EXTRA = "from kept anti join published using (topic, part, pos)"
_DOUBLED = "select count(*) - count(distinct id) from kept"
_FOLDED: dict[Kind, bool] = {"anomalies": True, "history": True, "changes": False}


class TableComparison:
    """Compares the tables of one connector with its topics; a context manager.

    DuckDB holds everything, which goes to the disk where memory is not enough.
    """

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="eddy-lake-check-")
        config: dict[str, Any] = {
            "memory_limit": _MEMORY,
            "temp_directory": self._folder.name,
            "threads": 2,
        }
        self._db = duckdb.connect(":memory:", config=config)
        self._db.execute(_TABLES + _VIEWS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._folder.cleanup()

    def add_records(self, records: Sequence[Delivered], kind: Kind) -> None:
        """Take up records of a topic, as a read_committed consumer sees them."""
        identified = [r for r in records if r.value is not None or kind == "rejections"]
        columns = {**_places(identified), "id": [_identity(record, kind) for record in identified]}
        self._insert("published", pa.table(columns, schema=_PUBLISHED))

    def add_aside(self, places: Sequence[tuple[str, int, int]]) -> None:
        """Take up records that the dead-letter topic holds: topic, partition, offset."""
        if places:
            topics, partitions, offsets = zip(*places, strict=True)
            self._insert("aside", pa.table([topics, partitions, offsets], schema=_PLACE))

    def set_ranges(self, ranges: Iterable[OffsetRange]) -> None:
        """Set the ranges whose records count."""
        self._db.execute("delete from offset_range")
        for offset_range in ranges:
            self._db.execute("insert into offset_range values (?, ?, ?, ?, ?)", list(offset_range))

    def compare(self, spec: TableSpec, table: Table) -> TableVerdict:
        """Hold one table, as it is now, against the records."""
        self._hold(spec, table)
        is_folded = _FOLDED.get(spec.kind, False)
        source = "stale" if is_folded else _ROWLESS
        lost = f"from {source} as lost join offset_range using (topic, part)"
        missing, pending = f"{lost} where pos < done", f"{lost} where pos >= done"
        return TableVerdict(
            table=spec.name,
            records=self._count("from records"),
            rows=self._count("from kept"),
            missing=self._count(missing),
            pending=self._count(pending),
            set_aside=self._count("from rowless semi join aside using (topic, part, pos)"),
            duplicates=self._scalar(_DUPLICATES),
            doubled=self._scalar(_DOUBLED) if is_folded else 0,
            extra=self._count(_EXTRA),
            examples=[
                *self._examples("missing", missing),
                *self._examples("pending", pending),
                *self._examples("twice", f"from {_TWICE}"),
                *self._examples("extra", _EXTRA),
            ],
        )

    def _hold(self, spec: TableSpec, table: Table) -> None:
        """Read the identity columns of a table's rows, batch by batch."""
        self._db.execute("delete from held")
        wanted = self._wanted()
        if not wanted:
            return
        fields = ("kafka_topic", "kafka_partition", "kafka_offset", *_IDENTITY.get(spec.kind, ()))
        for batch in table.scan(row_filter=wanted, selected_fields=fields).to_arrow_batch_reader():
            columns = [batch.column(name) for name in fields[:3]]
            ids = _ids(batch, spec.kind)
            self._insert("held", pa.table([*columns, ids], names=_PUBLISHED.names))

    def _wanted(self) -> str:
        """Return which rows may be within the ranges: files of older ones are not opened."""
        lows = self._db.execute(
            "select topic, min(low) from offset_range group by topic"
        ).fetchall()
        each = [f"(kafka_topic = '{topic}' and kafka_offset >= {low})" for topic, low in lows]
        return " or ".join(each)

    def _insert(self, name: str, batch: pa.Table) -> None:
        self._db.register("batch", batch)
        self._db.execute(f"insert into {name} select * from batch")  # noqa: S608 - names of ours
        self._db.unregister("batch")

    def _count(self, what: str) -> int:
        return self._scalar(f"select count(*) {what}")

    def _scalar(self, query: str) -> int:
        row = self._db.execute(query).fetchone()
        return int(row[0]) if row else 0

    def _examples(self, word: str, what: str) -> list[str]:
        query = f"select topic, part, pos {what} order by all limit {_EXAMPLES}"
        places = self._db.execute(query).fetchall()
        return [f"{word}: {topic}[{part}]@{pos}" for topic, part, pos in places]


_PLACE = pa.schema([("topic", pa.string()), ("part", pa.int32()), ("pos", pa.int64())])
_PUBLISHED = _PLACE.append(pa.field("id", pa.string()))
_IDENTITY: dict[Kind, tuple[str, ...]] = {
    "anomalies": ("anomaly_id",),
    "history": ("source.topic", "source.partition", "source.offset"),
}


def _places(records: Sequence[Delivered]) -> dict[str, list[Any]]:
    return {
        "topic": [record.topic for record in records],
        "part": [record.partition for record in records],
        "pos": [record.offset for record in records],
    }


def _identity(record: Delivered, kind: Kind) -> str:
    """Return what a record is about; nothing where it is known by where it stands only."""
    if kind not in _HEADS:
        return ""
    try:
        head = _HEADS[kind].decode(record.value or b"")
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return ""  # no record of ours: a row, on the dead-letter topic, or missing
    if kind == "anomalies":
        return head.anomaly_id or ""
    return "" if head.source is None else _event(msgspec.structs.asdict(head.source))


def _event(source: Mapping[str, Any] | None) -> str:
    if source is None:
        return ""
    return f"{source['topic']}/{source['partition']}/{source['offset']}"


def _ids(batch: pa.RecordBatch, kind: Kind) -> pa.Array:
    if kind == "anomalies":
        return batch.column("anomaly_id").fill_null("")
    if kind == "history":
        return pa.array(map(_event, batch.column("source").to_pylist()), pa.string())
    return pa.array([""] * len(batch))
