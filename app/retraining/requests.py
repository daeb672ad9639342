"""Requests for a retraining on the control topic: sent, not too often, and read."""

import uuid
from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from eddy.schemas.errors import EddyError
from eddy.schemas.topics import CONTROL
from eddy.streams import control
from eddy.streams.connection import Connection
from eddy.streams.control import Command
from eddy.streams.reading import TopicReader
from eddy.streams.sender import Sender
from eddy.training.online.drift import Drift

log = structlog.get_logger()

_PATIENCE_S = 5.0


class RetrainRequests:
    """Sends ``retrain_requested``, at most once in the cooldown.

    A request is a hint: whoever trains decides, and where it is lost the next drift asks again.

    Parameters
    ----------
    connection : Connection
    name : str
        The model's.
    cooldown_s : float

    Attributes
    ----------
    asked_at : datetime, optional
        When the last one was sent.
    """

    def __init__(self, connection: Connection, name: str, cooldown_s: float) -> None:
        self.asked_at: datetime | None = None
        self._connection, self._name, self._cooldown_s = connection, name, cooldown_s

    def ask(self, drifts: Sequence[Drift], now: datetime) -> bool:
        """Ask for a retraining because of drifts; return whether that was sent."""
        if self.asked_at is not None:
            passed_s = (now - self.asked_at).total_seconds()
            if passed_s < self._cooldown_s:
                return False
        command = Command(
            command_id=str(uuid.uuid4()),
            kind="retrain_requested",
            name=self._name,
            arguments={
                "why": "drift",
                "what": ", ".join(sorted({drift.what for drift in drifts})),
            },
        )
        try:
            sender = Sender(self._connection)
            sender.send(CONTROL, msgspec.json.encode(command), command.command_id.encode())
            sender.flush(_PATIENCE_S)
        except EddyError as error:
            log.warning("retraining_not_asked_for", why=str(error))
            return False
        self.asked_at = now
        return True


class RequestListener:
    """Reads ``retrain_requested`` from the control topic, from now on: requests are hints.

    Parameters
    ----------
    connection : Connection
    name : str
        The model's.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        self._reader = TopicReader(connection)
        self._name = name
        ranges = self._reader.ranges(CONTROL)
        self._positions = {partition: high for partition, (_, high) in ranges.items()}
        self._waiting: str | None = None

    def poll(self) -> str | None:
        """Return the last request since the call before; None where there is none."""
        request, self._waiting = self._waiting, None
        try:
            for record in self._reader.read(CONTROL, self._positions):
                self._positions[record.partition] = record.offset + 1
                command = control.parse(record.value)
                if command and command.kind == "retrain_requested" and command.name == self._name:
                    arguments = command.arguments
                    why = f"{arguments.get('why', '')} {arguments.get('what', '')}".strip()
                    request = f"request {command.command_id}: {why or 'no reason given'}"
        except EddyError as error:
            log.warning("no_requests_heard", why=str(error))
        return request

    def put_back(self, request: str) -> None:
        """Return a request once more from the next poll."""
        self._waiting = request

    def close(self) -> None:
        """End the reader."""
        self._reader.close()
