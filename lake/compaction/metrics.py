"""The last compaction as metrics, in a file that Prometheus' node exporter reads."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from eddy.lake.compaction.results import DayResult, Swept
from eddy.schemas.errors import MissingResource

_BY_TABLE = {
    "rows": "Rows of the compacted days, as they were left.",
    "files_before": "Files of the compacted days before.",
    "files_after": "Files of the compacted days after.",
    "bytes_before": "Size of the compacted days' files before.",
    "bytes_after": "Size of the compacted days' files after.",
    "duplicates": "Rows dropped for a newer one of the same day.",
    "folded": "Rows dropped for a newer one of another day.",
    "added": "Rows added from JSON Lines.",
    "conflicts": "Days not compacted because others rewrote them.",
}
_SUMMED = ("files_before", "files_after", "bytes_before", "bytes_after")
_DROPPED = ("duplicates", "folded", "added")


class CompactionMetrics:
    """The metrics of one run, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self._days = {
            name: Gauge(f"eddy_lake_compaction_{name}", text, ["table"], registry=registry)
            for name, text in _BY_TABLE.items()
        }
        self.files_deleted = Gauge(
            "eddy_lake_sweep_files_deleted",
            "Objects deleted that no snapshot needed.",
            ["table"],
            registry=registry,
        )
        self.snapshots = Gauge(
            "eddy_lake_sweep_snapshots", "Snapshots left.", ["table"], registry=registry
        )
        self.seconds = Gauge(
            "eddy_lake_compaction_seconds", "Duration of the last run.", registry=registry
        )
        self.last_success = Gauge(
            "eddy_lake_compaction_last_success_timestamp_seconds",
            "When the last run ended well.",
            registry=registry,
        )

    def tell(
        self, days: Sequence[DayResult], swept: Sequence[Swept], seconds: float, now: datetime
    ) -> None:
        """Take down what a run came to."""
        for day in days:
            self._tell(day)
        for table in swept:
            self.files_deleted.labels(table.table).inc(table.files_deleted)
            self.snapshots.labels(table.table).inc(table.snapshots_after)
        self.seconds.set(seconds)
        self.last_success.set(now.timestamp())

    def write(self, file: Path) -> None:
        """Write them; readers see the file of before or that of after.

        Raises
        ------
        MissingResource
            The file cannot be written.
        """
        try:
            write_to_textfile(str(file), self.registry)
        except OSError as error:
            raise MissingResource(f"--metrics-file {file}: {error.strerror}") from error

    def _tell(self, day: DayResult) -> None:
        self._days["conflicts"].labels(day.table).inc(day.outcome == "conflict")
        if day.outcome != "compacted":
            return
        self._days["rows"].labels(day.table).inc(day.rows_after)
        for name in (*_SUMMED, *_DROPPED):
            self._days[name].labels(day.table).inc(getattr(day, name))
