"""The tables, declared once: from the typed structs, for the connector, compaction and analysts."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import msgspec
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform

from eddy.lake.columns import KAFKA, Columns, columns_of, schema_of
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.clustered import Clustered
from eddy.schemas.scored import Scored

Kind = Literal["anomalies", "changes", "history", "rejections", "clusters"]

CLUSTERED = ("rides",)
"""Domains whose history a daily job judges again."""

_DELIVERED = ("kafka_topic", "kafka_partition", "kafka_offset")
_JUDGED = ("source.topic", "source.partition", "source.offset")

REJECTION: Columns = {
    "reason": str,
    "detail": str,
    "topic": str,
    "partition": int,
    "offset": int,
    "trace": str,
    "payload": bytes,
}


@dataclass(frozen=True, slots=True)
class TableSpec:
    """One table.

    Attributes
    ----------
    name : str
        In the lake's namespace.
    kind : str
        What its rows are.
    domain : str or None
        Whose; None where it holds all domains'.
    columns : mapping of str to type
        Its columns' Python types.
    day_column : str
        The time by whose UTC day it is partitioned.
    identity : tuple of str
        Columns, dotted where nested, that name what a row is about: compaction keeps one row of
        each.
    order : tuple of str
        Of rows with one identity the one with the greatest `order` is kept.
    sorted_by : tuple of str
        How compaction sorts a day.
    """

    name: str
    kind: Kind
    domain: str | None
    columns: Columns
    day_column: str
    identity: tuple[str, ...]
    order: tuple[str, ...]
    sorted_by: tuple[str, ...]

    @property
    def schema(self) -> Schema:
        """The Iceberg schema; the same numbers every time."""
        return schema_of(self.columns)

    @property
    def partitioning(self) -> PartitionSpec:
        """By day."""
        source = self.schema.find_field(self.day_column).field_id
        name = f"{self.day_column}_day"
        return PartitionSpec(PartitionField(source, 1000, DayTransform(), name))


def anomalies(domain: str) -> TableSpec:
    """Return the table of a domain's anomalies: after compaction one row each, as it ended."""
    return TableSpec(
        name=f"anomalies_{domain}",
        kind="anomalies",
        domain=domain,
        columns=columns_of(Anomaly) | KAFKA,
        day_column="occurred_at",
        identity=("anomaly_id",),
        # all that is said of one anomaly is in one partition, in its order
        order=("kafka_offset",),
        sorted_by=("occurred_at", "anomaly_id"),
    )


def changes(domain: str) -> TableSpec:
    """Return the table of all records of a domain's anomalies: opened, updated, closed."""
    return TableSpec(
        name=f"anomaly_changes_{domain}",
        kind="changes",
        domain=domain,
        columns=columns_of(Anomaly) | KAFKA,
        day_column="occurred_at",
        identity=_DELIVERED,
        order=("kafka_offset",),
        sorted_by=("occurred_at", "anomaly_id", "kafka_offset"),
    )


def history(domain: str, event_type: type[msgspec.Struct]) -> TableSpec:
    """Return the table of a domain's events, with the score and the verdict where judged."""
    return TableSpec(
        name=f"history_{domain}",
        kind="history",
        domain=domain,
        columns=columns_of(Scored, event=_without_time(event_type)) | KAFKA,
        day_column="occurred_at",
        identity=_JUDGED,
        order=("kafka_offset",),
        sorted_by=("occurred_at", "source.topic", "source.partition", "source.offset"),
    )


def _without_time(event_type: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Leave out the time as the event wrote it: there are more spellings than the sink reads."""
    fields = msgspec.structs.fields(event_type)
    columns = [(field.name, field.type) for field in fields if field.name != "occurred_at"]
    return msgspec.defstruct(event_type.__name__, columns)


def rejections() -> TableSpec:
    """Return the table of all records that were set aside."""
    return TableSpec(
        name="rejections",
        kind="rejections",
        domain=None,
        columns=REJECTION | KAFKA,
        day_column="kafka_timestamp",  # what was rejected may have no time of its own
        identity=_DELIVERED,
        order=("kafka_offset",),
        sorted_by=("kafka_timestamp", "topic", "partition", "offset"),
    )


def clusters(domain: str) -> TableSpec:
    """Return the table of what the daily job finds in a domain's history, whole days at a time."""
    return TableSpec(
        name=f"clustered_{domain}",
        kind="clusters",
        domain=domain,
        columns=columns_of(Clustered),
        day_column="occurred_at",
        identity=("anomaly_id",),
        order=("detected_at",),
        sorted_by=("occurred_at", "anomaly_id"),
    )


def all_tables(event_types: Iterable[tuple[str, type[msgspec.Struct]]]) -> list[TableSpec]:
    """Return every table, given each domain's name and event type."""
    specs = []
    for domain, event_type in event_types:
        specs += [anomalies(domain), changes(domain), history(domain, event_type)]
        specs += [clusters(domain)] if domain in CLUSTERED else []
    return [*specs, rejections()]
