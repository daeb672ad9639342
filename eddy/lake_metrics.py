"""The last compaction as metrics, in a file that Prometheus' node exporter reads."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from eddy.lake_compaction import Compacted
from schemas.errors import MissingResource

_BY_TABLE = {
    "eddy_lake_compaction_rows": "Rows of the compacted days, as they were left.",
    "eddy_lake_compaction_files_before": "Files of the compacted days before.",
    "eddy_lake_compaction_files_after": "Files of the compacted days after.",
    "eddy_lake_compaction_bytes_before": "Size of the compacted days' files before.",
    "eddy_lake_compaction_bytes_after": "Size of the compacted days' files after.",
    "eddy_lake_compaction_duplicates": "Rows dropped for a newer one of the same day.",
    "eddy_lake_compaction_folded": "Rows dropped for a newer one of another day.",
    "eddy_lake_compaction_added": "Rows added from JSON Lines.",
    "eddy_lake_compaction_conflicts": "Days not compacted because others rewrote them.",
    "eddy_lake_sweep_files_deleted": "Objects deleted that no snapshot needed.",
    "eddy_lake_sweep_snapshots": "Snapshots left.",
}


def write_metrics(done: Compacted, now: datetime, file: Path) -> None:
    """Write a run's metrics; readers see the file of before or that of after.

    Raises
    ------
    MissingResource
        The file cannot be written.
    """
    registry = CollectorRegistry()
    gauges = {
        name: Gauge(name, text, ["table"], registry=registry) for name, text in _BY_TABLE.items()
    }
    for name, table, value in _values(done):
        gauges[name].labels(table).inc(value)
    seconds = Gauge("eddy_lake_compaction_seconds", "Of the last run.", registry=registry)
    seconds.set(done.seconds)
    end = Gauge(
        "eddy_lake_compaction_last_success_timestamp_seconds",
        "When the last run ended well.",
        registry=registry,
    )
    end.set(now.timestamp())
    try:
        write_to_textfile(str(file), registry)
    except OSError as error:
        raise MissingResource(f"--metrics-file {file}: {error.strerror}") from error


def _values(done: Compacted) -> Iterator[tuple[str, str, float]]:
    """Yield (metric, table, by how much it grows)."""
    for day in done.days:
        yield "eddy_lake_compaction_conflicts", day.table, day.outcome == "conflict"
        if day.outcome != "compacted":
            continue
        yield "eddy_lake_compaction_rows", day.table, day.rows_after
        for name in ("files_before", "files_after", "bytes_before", "bytes_after"):
            yield f"eddy_lake_compaction_{name}", day.table, getattr(day, name)
        for name in ("duplicates", "folded", "added"):
            yield f"eddy_lake_compaction_{name}", day.table, getattr(day, name)
    for table in done.swept:
        yield "eddy_lake_sweep_files_deleted", table.table, table.files_deleted
        yield "eddy_lake_sweep_snapshots", table.table, table.snapshots_after
