"""Rows of the lake's tables for tests: what the sink would have delivered, and how it ends."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from eddy.lake.columns import KAFKA
from eddy.lake.compaction.commits import commit
from eddy.lake.compaction.compactor import Compactor
from eddy.lake.compaction.json_lines import Staged
from eddy.lake.compaction.reading import arrow_schema
from eddy.lake.compaction.writing import DayWriter
from eddy.lake.tables import TableSpec

Row = dict[str, Any]
FIRST_DAY = date(2026, 11, 1)
TODAY = date(2026, 11, 21)
OFFSETS = "kafka.connect.offsets.lake.control.eddy.connect-eddy"
_OPS = ("open", "update", "close", "retract")


def at(day: int, second: float = 0.0) -> datetime:
    """Return an instant of the n-th day, from 0."""
    midnight = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
    return midnight + timedelta(days=day, seconds=second)


def day(number: int) -> date:
    """Return the n-th day, from 0."""
    return FIRST_DAY + timedelta(days=number)


def said(
    name: str, on: int, offset: int | None, op: str = "open", second: float = 0.0, **more: Any
) -> Row:
    """Return a row of what was said of an anomaly, as the sink writes it."""
    delivered: Row = {}
    if offset is not None:
        delivered = {
            "kafka_topic": "anomalies.rides",
            "kafka_partition": 0,
            "kafka_offset": offset,
            "kafka_timestamp": at(on, second),
        }
    return {
        "anomaly_id": name,
        "schema_version": 1,
        "op": op,
        "domain": "rides",
        "entity": {"type": "vendor", "id": name},
        "occurred_at": at(on, second),
        "detected_at": at(on, second + (offset or 0)),
        "score": 1.5 + (offset or 0),
        "actual": [("distance_km", 1.0), ("fare", None)],
        "reasons": [{"feature": "distance_km", "value": 1.0}],
        "labels": [],
        "model": {"name": "rides", "trained_at": at(0)},
        "source": {"topic": "events.rides", "partition": 0, "offset": offset},
        **delivered,
        **more,
    }


def order_of(row: Row) -> tuple[Any, ...]:
    """Return what the newest of one anomaly's rows is the greatest by."""
    offset = row.get("kafka_offset")
    known = (offset is not None, offset or 0)
    return (*known, row["detected_at"], _OPS.index(row["op"]), row["occurred_at"])


def folded(rows: Iterable[Row]) -> dict[str, Row]:
    """Return how every anomaly ended."""
    newest: dict[str, Row] = {}
    for row in rows:
        before = newest.get(row["anomaly_id"])
        if before is None or order_of(row) > order_of(before):
            newest[row["anomaly_id"]] = row
    return newest


@dataclass
class LakeTable:
    """One table, wherever it is."""

    spec: TableSpec
    load: Callable[[], Table]
    scratch: Path
    look_around: int = 7
    today: date = TODAY
    appended: list[Row] = field(default_factory=list)

    def append(self, *rows: Row, **properties: str) -> None:
        """Write rows as the sink does: small files, and how far it is."""
        table = self.load()
        content = pa.Table.from_pylist(list(rows), schema=table.schema().as_arrow())
        table.append(content, snapshot_properties=properties)
        self.appended += rows

    def append_as_they_are(self, on: int, *rows: Row) -> None:
        """Write a file of one day: pyiceberg's append makes an empty list of some null ones."""
        table = self.load()
        writer = DayWriter(table, day(on), f"exact-{len(self.appended)}")
        writer.write(pa.Table.from_pylist(list(rows), schema=arrow_schema(table)))
        commit(self.load, [], writer.close(), {})
        self.appended += rows

    def compactor(self, **options: Any) -> Compactor:
        return Compactor(
            self.load, self.spec, self.scratch, self.today, look_around=self.look_around, **options
        )

    def stage(self, *rows: Row) -> Staged:
        """Return rows as JSON Lines' are before they are in the table."""
        staged, schema = Staged(), arrow_schema(self.load())
        for row in rows:
            staged.rows[row["occurred_at"].date()] += 1
        for on in staged.rows:
            own = [row for row in rows if row["occurred_at"].date() == on]
            path = staged.files[on] = self.scratch / f"staged-{on}.arrow"
            with pa.ipc.new_stream(str(path), schema) as stream:
                stream.write_table(pa.Table.from_pylist(own, schema))
        return staged

    def compact(self, *days: int, reopened: bool = False, **options: Any) -> Mapping[date, Any]:
        """Compact the n-th days; return the results by day."""
        compactor = self.compactor(**options)
        return {one.day: one for one in compactor.run(map(day, days), reopened=reopened)}

    def rows(self) -> list[Row]:
        """Read the files themselves: pyiceberg's scan makes an empty list of some null ones."""
        table, found = self.load(), []
        for task in table.scan().plan_files():
            with table.io.new_input(task.file.file_path).open() as source:
                found += pq.ParquetFile(source).read().to_pylist()
        return found

    def full(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows as they come back out: with all columns."""
        return pa.Table.from_pylist(list(rows), schema=self.load().schema().as_arrow()).to_pylist()

    def snapshots(self) -> int:
        return len(self.load().snapshots())

    def files(self) -> list[str]:
        return [task.file.file_path for task in self.load().scan().plan_files()]


def narrow(spec: TableSpec) -> TableSpec:
    """Return a table of the columns that decide: pyiceberg's time goes by the number of columns."""
    kept = ("anomaly_id", "op", "occurred_at", "detected_at", "score", *KAFKA)
    return replace(spec, columns={name: spec.columns[name] for name in kept})


def key(row: Row) -> str:
    """Sort rows by all they hold."""
    return repr(sorted(row.items()))


def table_in_folder(folder: Path, spec: TableSpec) -> LakeTable:
    """Return a new table in a folder of this machine: many times as quick as on a server."""
    catalog = catalog_in_folder(folder)
    catalog.create_namespace_if_not_exists("eddy")
    name = f"eddy.{spec.name}_{len(catalog.list_tables('eddy'))}"
    catalog.create_table(name, spec.schema, partition_spec=spec.partitioning)
    return LakeTable(spec, lambda: catalog.load_table(name), folder)


def catalog_in_folder(folder: Path) -> SqlCatalog:
    """Return the catalog of `table_in_folder`, as another process opens it."""
    catalog = SqlCatalog("lake", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}")
    catalog.engine.dispose()
    catalog.engine = create_engine(catalog.engine.url, poolclass=NullPool)  # no open connections
    return catalog
