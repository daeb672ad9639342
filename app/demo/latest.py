"""The latest anomalies of the demo, each with the kind that was put in."""

from collections import deque
from collections.abc import Sequence

from eddy.schemas.anomalies import Anomaly

KEPT_ANOMALIES = 60


class Latest:
    """Keeps the latest, newest first."""

    def __init__(self) -> None:
        self._kept: deque[tuple[Anomaly, str | None]] = deque(maxlen=KEPT_ANOMALIES)

    def add(self, anomaly: Anomaly, kind: str | None) -> None:
        """Put one at the top."""
        self._kept.appendleft((anomaly, kind))

    def items(self) -> Sequence[tuple[Anomaly, str | None]]:
        """Return them."""
        return tuple(self._kept)
