"""Alarms that were raised, remembered until somebody says what they were worth."""

from collections import Counter
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.judge import Labels

Keys = NDArray[np.uint64]

CHAMPION, CHALLENGER = 1, 2
"""Bits: who flagged an event."""

_ROLES = (("champion", CHAMPION), ("challenger", CHALLENGER))


class Alarms:
    """Flagged events by the hash of their id, oldest first.

    Parameters
    ----------
    most : int
        Of more, the oldest are forgotten.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._flagged: dict[int, int] = {}
        self._events: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._flagged)

    def add(self, events: Keys, by: NDArray[np.uint8], anomalies: list[int]) -> None:
        """Remember flagged events.

        Parameters
        ----------
        events : ndarray of uint64, shape (n,)
        by : ndarray of uint8, shape (n,)
            `CHAMPION`, `CHALLENGER` or both.
        anomalies : list of int
            The hash of each event's anomaly id, 0 where none was published.
        """
        for event, flags, anomaly in zip(events.tolist(), by.tolist(), anomalies, strict=True):
            self._flagged[event] = self._flagged.get(event, 0) | flags
            if anomaly:
                self._events[anomaly] = event
        _shorten(self._flagged, self._most)
        _shorten(self._events, self._most)

    def events_of(self, labels: Labels) -> Keys:
        """Return the events that labels are about, also where these name an anomaly."""
        events = labels.events.copy()
        for row in np.flatnonzero((events == 0) & (labels.anomalies != 0)).tolist():
            events[row] = self._events.get(int(labels.anomalies[row]), 0)
        return events

    def outcomes(
        self, events: Keys, is_fraud: NDArray[np.bool_], is_shadowed: bool
    ) -> Counter[tuple[str, str]]:
        """Return how right champion and challenger were about events, now that it is known."""
        counts: Counter[tuple[str, str]] = Counter()
        for event, fraud in zip(events.tolist(), is_fraud.tolist(), strict=True):
            flags = self._flagged.get(event, 0)
            for role, bit in _ROLES[: 2 if is_shadowed else 1]:
                counts[role, _outcome(bool(flags & bit), fraud)] += 1
        return counts

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays."""
        return {
            "alarms.events": np.array(list(self._flagged), np.uint64),
            "alarms.by": np.array(list(self._flagged.values()), np.uint8),
            "alarms.anomalies": np.array(list(self._events), np.uint64),
            "alarms.anomaly_events": np.array(list(self._events.values()), np.uint64),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned; KeyError where it is none."""
        flagged = dict(
            zip(state["alarms.events"].tolist(), state["alarms.by"].tolist(), strict=True)
        )
        events = dict(
            zip(
                state["alarms.anomalies"].tolist(),
                state["alarms.anomaly_events"].tolist(),
                strict=True,
            )
        )
        self._flagged, self._events = flagged, events


def _outcome(flagged: bool, fraud: bool) -> str:
    if fraud:
        return "found" if flagged else "missed"
    return "false_alarm" if flagged else "passed"


def _shorten(held: dict[int, int], most: int) -> None:
    for key in list(islice(held, max(0, len(held) - most))):
        del held[key]
