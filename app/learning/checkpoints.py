"""How far learning has come, in one piece: what was read and what was learned stay together."""

import hashlib
from datetime import datetime

import msgspec
import structlog

from eddy.app.settings import Settings
from eddy.schemas.errors import Unavailable
from eddy.schemas.topics import LABELS
from eddy.streams.checkpoints import Checkpoints, Refusal, open_store
from eddy.training.online.learner import LearnerSettings

log = structlog.get_logger()

_ANY = 2**62

Positions = dict[str, dict[int, int]]
"""Topic -> partition -> the offset to read next."""


class LearningProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a checkpoint.

    Attributes
    ----------
    positions : dict
        How far was read.
    kept_from : dict of int to int
        By partition of the topic of decisions, the first record of which rows are kept.
    registered_rows : int
        Rows learned when the last version was registered.
    requested_at : datetime, optional
        When a retraining was last asked for.
    """

    positions: Positions
    kept_from: dict[int, int]
    registered_rows: int
    requested_at: datetime | None
    learner: bytes


class LearningCheckpoints:
    """Writes and reads progress, in the store of the stream's checkpoints.

    Parameters
    ----------
    settings : Settings
    topic : str
        Of the decisions.
    learner : LearnerSettings
        Progress made with another way of learning is not taken up.
    """

    def __init__(self, settings: Settings, topic: str, learner: LearnerSettings) -> None:
        store = open_store(settings.storage.checkpoints_url)
        self._checkpoints = Checkpoints(store, f"{settings.engine.group}.learn")
        self._topic, self._sequence = topic, 0
        content = [learner.classifier, learner.drift, topic, LABELS]
        self._state_hash = hashlib.sha256(msgspec.json.encode(content)).hexdigest()[:16]

    def write(self, progress: LearningProgress, now: datetime) -> str:
        """Write progress; return the outcome: an older one still stands where it failed."""
        self._sequence += 1
        try:
            self._checkpoints.write(
                self._topic,
                0,
                self._sequence,
                msgspec.msgpack.encode(progress),
                state_hash=self._state_hash,
                model_version=str(progress.registered_rows),
                now=now,
            )
        except Unavailable as error:
            log.warning("checkpoint_not_written", why=str(error))
            return "failed"
        return "written"

    def newest(self) -> tuple[LearningProgress | None, list[Refusal]]:
        """Return the newest progress that fits, and why others do not.

        Raises
        ------
        Unavailable
            The store does not answer.
        """
        newest, refused = self._checkpoints.newest(self._topic, 0, _ANY, self._state_hash)
        for why in refused:
            log.warning("checkpoint_refused", why=why)
        if newest is None:
            return None, refused
        self._sequence = newest.header.offset
        return msgspec.msgpack.decode(newest.state, type=LearningProgress), refused
