"""Alarms that were raised, remembered until somebody says what they were worth."""

from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Keys

CHAMPION, CHALLENGER = 1, 2
"""Bits: who flagged an event."""


class FlaggedEvents:
    """Flagged events by the hash of their id, oldest first.

    Parameters
    ----------
    most : int
        Of more, the oldest are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._flagged: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._flagged)

    def add(self, events: Keys, by: NDArray[np.uint8]) -> None:
        """Remember flagged events.

        Parameters
        ----------
        events : ndarray of uint64, shape (n,)
        by : ndarray of uint8, shape (n,)
            `CHAMPION`, `CHALLENGER` or both.
        """
        flagged = self._flagged
        for event, flags in zip(events.tolist(), by.tolist(), strict=True):
            flagged[event] = flagged.get(event, 0) | flags
        for event in list(islice(flagged, max(0, len(flagged) - self._most))):
            del flagged[event]

    def forget_challenger(self) -> None:
        """Forget what a challenger flagged, because it is another one now."""
        self._flagged = {event: CHAMPION for event, by in self._flagged.items() if by & CHAMPION}

    def outcomes(
        self, events: Keys, is_fraud: NDArray[np.bool_], is_shadowed: NDArray[np.bool_]
    ) -> Counter[tuple[str, str]]:
        """Return how right champion and challenger were about events, now that it is known.

        Parameters
        ----------
        events : ndarray of uint64, shape (n,)
        is_fraud : ndarray of bool, shape (n,)
        is_shadowed : ndarray of bool, shape (n,)
            Whether the challenger saw the event, too.
        """
        counts: Counter[tuple[str, str]] = Counter()
        rows = zip(events.tolist(), is_fraud.tolist(), is_shadowed.tolist(), strict=True)
        for event, fraud, shadowed in rows:
            flags = self._flagged.get(event, 0)
            counts["champion", _outcome(bool(flags & CHAMPION), fraud)] += 1
            if shadowed:
                counts["challenger", _outcome(bool(flags & CHALLENGER), fraud)] += 1
        return counts

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays."""
        count = len(self._flagged)
        return {
            "alarms.events": np.fromiter(self._flagged, np.uint64, count),
            "alarms.by": np.fromiter(self._flagged.values(), np.uint8, count),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned; KeyError where it is none."""
        flagged, by = state["alarms.events"].tolist(), state["alarms.by"].tolist()
        self._flagged = dict(zip(flagged, by, strict=True))


def _outcome(flagged: bool, fraud: bool) -> str:
    if fraud:
        return "found" if flagged else "missed"
    return "false_alarm" if flagged else "passed"
