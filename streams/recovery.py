"""Recoveries: how often in a row the engine may go back to what is committed."""

import structlog

from eddy.schemas.errors import FatalError, Unavailable
from eddy.streams.metrics import Metrics
from eddy.streams.publisher import ProducerLost, TransactionAborted

log = structlog.get_logger()

PASSING = (TransactionAborted, ProducerLost, Unavailable)
"""Errors that a recovery is made for; any other is a defect, and logged as one."""


class Recoveries:
    """Counts recoveries between two commits.

    Parameters
    ----------
    most : int
        In a row, before the process gives up.
    """

    def __init__(self, most: int, metrics: Metrics) -> None:
        self._most, self._metrics = most, metrics
        self._count = self._commits_seen = 0

    @property
    def pause_s(self) -> float:
        """How long to wait before this recovery."""
        return 0.0 if self._count == 1 else 0.1 * 2**self._count

    def count(self, cause: Exception, commits: int) -> None:
        """Count a recovery.

        Parameters
        ----------
        cause : Exception
        commits : int
            Transactions committed so far.

        Raises
        ------
        FatalError
            Where it is one too many.
        """
        if commits != self._commits_seen:
            self._commits_seen, self._count = commits, 0
        self._count += 1
        self._metrics.recoveries.inc()
        log.warning("recovering", why=str(cause), kind=type(cause).__name__, try_=self._count)
        if not isinstance(cause, PASSING):
            log.error("unexpected_error", exc_info=cause)
        if self._count > self._most:
            raise FatalError(
                f"gave up after {self._most} recoveries in a row, nothing was "
                f"committed meanwhile: {type(cause).__name__}: {cause}"
            ) from cause
