"""The watchdog: what is done about a connector that does not run.

A failed task is started again, each time after a longer wait. One that fails at the same record
again is not: the record is set aside, and the connector goes on behind it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog

from eddy.lake.sink.connect import ConnectClient, ConnectorStatus
from eddy.lake.sink.connectors import Connector
from eddy.lake.sink.failed_record import RecordPosition, cause_in, place_in
from eddy.schemas.errors import EddyError

log = structlog.get_logger()

Outcome = Literal["runs", "waits", "restarted", "resumed", "moved_on", "absent"]


@dataclass(slots=True)
class _Case:
    """What is known of one connector: failures in a row, when next to act, the record blamed."""

    failures: int = 0
    not_before: float = 0.0
    runs_since: float | None = None
    suspect: RecordPosition | None = None


class Watchdog:
    """Looks after connectors, one round at a time.

    It holds nothing that a crash could lose: a new one blames a record after it failed twice
    more. A connector that is found stopped is resumed, because that is how a crash in the middle
    of setting a record aside leaves it; one that is to stand still has to be paused.

    Parameters
    ----------
    client : ConnectClient
        Of the cluster that runs them.
    move_on : callable
        Takes a connector past a record that fails it, told what the task said.
    clock : callable
        Gives seconds that never go back.
    longest_wait_s : float
        Between two attempts; a connector that ran for so long has recovered.
    """

    def __init__(
        self,
        client: ConnectClient,
        connectors: Sequence[Connector],
        move_on: Callable[[Connector, RecordPosition, str], None],
        clock: Callable[[], float] = time.monotonic,
        longest_wait_s: float = 60.0,
    ) -> None:
        self._client = client
        self._connectors = list(connectors)
        self._move_on = move_on
        self._clock = clock
        self._longest_wait_s = longest_wait_s
        self._cases = {connector.name: _Case() for connector in connectors}

    def look(self) -> dict[str, Outcome]:
        """Look at every connector once, and do what is to be done; return what that was.

        Raises
        ------
        Unavailable
            Where no worker answers.
        """
        return {connector.name: self._look_at(connector) for connector in self._connectors}

    def _look_at(self, connector: Connector) -> Outcome:
        case = self._cases[connector.name]
        status = self._client.status(connector.name)
        if status is None:
            return "absent"
        if status.state == "STOPPED":
            log.warning("connector_found_stopped", connector=connector.name)
            self._client.resume(connector.name)
            return "resumed"
        trace = status.failure
        if trace is None:
            return self._without_failure(case, status)
        case.runs_since = None
        if self._clock() < case.not_before:
            return "waits"
        return self._treat(connector, case, connector.without_secrets(trace))

    def _without_failure(self, case: _Case, status: ConnectorStatus) -> Outcome:
        if not status.runs:
            case.runs_since = None
            return "waits"
        if case.runs_since is None:
            case.runs_since = self._clock()
        if self._clock() - case.runs_since > self._longest_wait_s:
            case.failures = 0
        return "runs"

    def _treat(self, connector: Connector, case: _Case, trace: str) -> Outcome:
        place, again = place_in(trace), case.suspect
        case.suspect = place
        case.failures += 1
        wait_s = min(2.0**case.failures, self._longest_wait_s)
        case.not_before = self._clock() + wait_s
        fields = {"connector": connector.name, "cause": cause_in(trace), "wait_s": wait_s}
        if place is None or place != again:
            log.warning("connector_restarted", **fields)
            self._client.restart_failed(connector.name)
            return "restarted"
        try:
            self._move_on(connector, place, cause_in(trace))
        except EddyError as error:
            # the store or the broker is away; so it may have been that failed the task
            log.warning("record_not_set_aside", **fields, why=str(error))
            return "waits"
        case.failures, case.not_before = 0, 0.0
        return "moved_on"
