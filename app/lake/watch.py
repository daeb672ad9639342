"""Watching the sink: failed tasks are started again, bad records set aside, rows counted."""

import threading
import time

import structlog

from eddy.app.lake.check import LakeVerdict, check
from eddy.app.lake.connectors import connectors
from eddy.app.lake.dead_letters import DeadLetterHandler
from eddy.app.settings import Settings
from eddy.lake.sink.connect import ConnectClient
from eddy.lake.sink.connectors import Connector
from eddy.lake.sink.failed_record import RecordPosition
from eddy.lake.sink.metrics import WatchMetrics
from eddy.lake.sink.watchdog import Watchdog
from eddy.schemas.errors import EddyError
from eddy.streams.health import HealthServer, ProbeResult

log = structlog.get_logger()

LOOK_EVERY_S = 2.0
_ALIVE_WITHIN_S = 120.0


class ConnectorWatch:
    """Looks after the connectors until stopped, and checks the tables now and then.

    It keeps no state of its own: killed anywhere and started again it goes on. What a record
    means that fails a connector, and what a crash leaves, is told in `eddy.app.lake.dead_letters`.

    Parameters
    ----------
    check_every_s : float
        Between two checks; 0: none.
    since_s : float
        A check looks at the records of so many seconds.
    grace_s : float
        Records younger than that are not looked at.
    """

    def __init__(
        self, settings: Settings, *, check_every_s: float, since_s: float, grace_s: float
    ) -> None:
        self.metrics = WatchMetrics()
        self._settings = settings
        self._check_every_s = check_every_s
        self._since_s = since_s
        self._grace_s = grace_s
        self._stopped = threading.Event()
        self._looked_at = time.monotonic()
        self._connectors = connectors(settings)
        client = ConnectClient(settings.lake.connect_url, patience_s=10.0)
        self._aside = DeadLetterHandler(settings, client)
        self._watchdog = Watchdog(client, self._connectors, self._move_on)

    def stop(self) -> None:
        """Let `run` return soon."""
        self._stopped.set()

    def run(self) -> None:
        """Watch until `stop`; what does not answer is asked again."""
        health = self._settings.health
        server = HealthServer(
            self.metrics.registry,
            self._live,
            lambda: ProbeResult(True, ""),
            health.host,
            health.port,
        )
        log.info("watching", port=server.port, connectors=[c.name for c in self._connectors])
        checking = threading.Thread(target=self._check_again_and_again, daemon=True)
        checking.start()
        try:
            while not self._stopped.is_set():
                self._look()
                self._stopped.wait(LOOK_EVERY_S)
        finally:
            server.close()
        # a check only reads: one that is under way ends with the process
        checking.join(timeout=5.0)

    def _look(self) -> None:
        try:
            outcomes = self._watchdog.look()
        except EddyError as error:
            log.warning("connectors_not_seen", why=str(error))
            outcomes = {connector.name: "absent" for connector in self._connectors}
        for name, outcome in outcomes.items():
            self.metrics.connector_up.labels(name).set(outcome == "runs")
            if outcome == "restarted":
                self.metrics.task_restarts.labels(name).inc()
        self._looked_at = time.monotonic()
        self.metrics.looked()

    def _move_on(self, connector: Connector, place: RecordPosition, cause: str) -> None:
        copied = self._aside.move_on(connector, place, cause)
        self.metrics.records_set_aside.labels(connector.name).inc(copied)

    def _live(self) -> ProbeResult:
        quiet_s = time.monotonic() - self._looked_at
        return ProbeResult(quiet_s < _ALIVE_WITHIN_S, f"looked {quiet_s:.0f} s ago")

    def _check_again_and_again(self) -> None:
        while self._check_every_s and not self._stopped.wait(self._check_every_s):
            began = time.time()
            try:
                self._tell(check(self._settings, grace_s=self._grace_s, since_s=self._since_s))
            except EddyError as error:
                log.warning("not_checked", why=str(error))
            except Exception:  # the watchdog goes on, and the age of the last check tells
                log.exception("not_checked")
            else:
                self.metrics.checked.set(began)

    def _tell(self, verdict: LakeVerdict) -> None:
        for table in verdict.tables:
            self.metrics.missing_rows.labels(table.table).set(table.missing)
            self.metrics.pending_rows.labels(table.table).set(table.pending)
            self.metrics.duplicate_rows.labels(table.table).set(table.duplicates)
        for problem in verdict.differences():
            log.error("lake_differs", what=problem)
