"""Labels that came before their events: a replay reads labels ahead."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints, Keys
from eddy.models.features.kernel import SIEVE_BITS, EventLabels

_WORD_BITS = 64


class WaitingLabels:
    """Labels by event, in the order they came.

    Parameters
    ----------
    most : int
        Of more, those that would count first are dropped, and counted.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._dropped = 0
        self.labels = _event_labels(
            np.empty(0, np.uint64), np.empty(0, np.uint8), np.empty(0, np.int64)
        )

    def sorted_by_event(
        self, events: Keys, is_fraud: NDArray[np.bool_], since_ms: Ints
    ) -> EventLabels:
        """Return labels as the kernel wants them."""
        order = event_order(events, since_ms)
        return _event_labels(
            np.ascontiguousarray(events[order], np.uint64),
            is_fraud[order].astype(np.uint8),
            np.ascontiguousarray(since_ms[order], np.int64),
        )

    def add(self, labels: EventLabels, selected: NDArray[np.bool_]) -> None:
        """Let some labels wait. "Genuine" says nothing of an event of which nothing was said."""
        events, is_fraud = labels.events[selected], labels.is_fraud[selected]
        since = labels.since[selected]
        known = _among(events, self.labels.events) | _among(events, events[is_fraud == 1])
        keep = (is_fraud == 1) | known
        if not keep.any():
            return
        waiting = self.labels
        self.labels = self.sorted_by_event(
            np.concatenate([waiting.events, events[keep]]),
            np.concatenate([waiting.is_fraud, is_fraud[keep]]) == 1,
            np.concatenate([waiting.since, since[keep]]),
        )
        self._bound()

    def expire(self, before_ms: int) -> None:
        """Forget labels whose events are no longer remembered, once these are many."""
        stays = self.labels.since >= before_ms
        if 4 * stays.sum() < 3 * len(stays):
            self._keep(stays)

    def take_dropped(self) -> int:
        """Return how many had to make room since last asked."""
        count, self._dropped = self._dropped, 0
        return count

    def snapshot(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays."""
        return {
            f"{prefix}.{name}": getattr(self.labels, name).copy()
            for name in ("events", "is_fraud", "since")
        }

    def restore(self, prefix: str, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned; ValueError where it is none."""
        try:
            columns = [state[f"{prefix}.{name}"] for name in ("events", "is_fraud", "since")]
        except KeyError as error:
            raise ValueError(f"labels without {error}") from error
        events, is_fraud, since = columns
        dtypes = [column.dtype for column in columns]
        if dtypes != [np.uint64, np.uint8, np.int64] or len(set(map(len, columns))) != 1:
            raise ValueError("labels of other types, or of different lengths")
        if (np.diff(event_order(events, since)) != 1).any():
            raise ValueError("labels that are not in order")
        self.labels = _event_labels(events, is_fraud, since)

    def _bound(self) -> None:
        excess = len(self.labels.events) - self._most
        if excess > 0:
            first = np.argsort(self.labels.since, kind="stable")[:excess]
            stays = np.ones(len(self.labels.events), np.bool_)
            stays[first] = False
            self._keep(stays)
            self._dropped += excess

    def _keep(self, selected: NDArray[np.bool_]) -> None:
        waiting = self.labels
        self.labels = _event_labels(
            waiting.events[selected], waiting.is_fraud[selected], waiting.since[selected]
        )


def event_order(events: Keys, since_ms: Ints) -> NDArray[np.intp]:
    """Return the order of labels: by event, then by when they count, then as they came."""
    return np.lexsort((since_ms, events))


def _among(events: Keys, known: Keys) -> NDArray[np.bool_]:
    """Whether each event is one of those held."""
    if not len(known):
        return np.zeros(len(events), np.bool_)
    ordered = np.sort(known)
    at = np.minimum(np.searchsorted(ordered, events), len(ordered) - 1)
    is_known: NDArray[np.bool_] = ordered[at] == events
    return is_known


def _event_labels(events: Keys, is_fraud: NDArray[np.uint8], since: Ints) -> EventLabels:
    sieve = np.zeros(SIEVE_BITS // _WORD_BITS, np.uint64)
    low = events & np.uint64(SIEVE_BITS - 1)
    words, bits = low >> np.uint64(6), np.uint64(1) << (low & np.uint64(63))
    np.bitwise_or.at(sieve, words.astype(np.int64), bits)
    return EventLabels(events, is_fraud, since, sieve)
