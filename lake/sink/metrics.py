"""The metrics of ``eddy lake watch``, declared once: Prometheus conventions, closed label sets."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge


class WatchMetrics:
    """The metrics of one watching process, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.connector_up = Gauge(
            "eddy_lake_connector_up",
            "1 while the connector and all its tasks run.",
            ["connector"],
            registry=registry,
        )
        self.task_restarts = Counter(
            "eddy_lake_task_restarts",
            "Failed tasks that were started again.",
            ["connector"],
            registry=registry,
        )
        self.records_set_aside = Counter(
            "eddy_lake_records_set_aside",
            "Records copied to the dead-letter topic because they fail the connector.",
            ["connector"],
            registry=registry,
        )
        self.missing_rows = Gauge(
            "eddy_lake_missing_rows",
            "Records without a row, by the last check; must be 0.",
            ["table"],
            registry=registry,
        )
        self.pending_rows = Gauge(
            "eddy_lake_pending_rows",
            "Records that the connector has not got to, by the last check.",
            ["table"],
            registry=registry,
        )
        self.duplicate_rows = Gauge(
            "eddy_lake_duplicate_rows",
            "Rows that are there twice, by the last check; compaction drops them.",
            ["table"],
            registry=registry,
        )
        self.checked = Gauge(
            "eddy_lake_check_timestamp_seconds",
            "When the last check that came to an end began.",
            registry=registry,
        )
        self.last_look = Gauge(
            "eddy_lake_watch_timestamp_seconds",
            "When the connectors were last looked at.",
            registry=registry,
        )

    def looked(self) -> None:
        """Note that the connectors were looked at."""
        self.last_look.set(time.time())
