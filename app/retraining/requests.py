"""Asking for a retraining on the control topic, not too often."""

import uuid
from collections.abc import Sequence
from datetime import datetime

import msgspec
import structlog

from eddy.schemas.errors import EddyError
from eddy.schemas.topics import CONTROL
from eddy.streams.connection import Connection
from eddy.streams.control import Command
from eddy.streams.sender import Sender
from eddy.training.online.drift import Drift

log = structlog.get_logger()

_PATIENCE_S = 5.0


class RetrainRequests:
    """Sends ``retrain_requested``, at most once in a time.

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
