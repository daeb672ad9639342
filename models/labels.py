"""Labels as columns: the one form in which the stream, the history and training hold them.

A verdict is what a judge says of an event, a label what a person says of it later.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Flags, Ints, Keys
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Labels:
    """m labels of events, in the order they came.

    Attributes
    ----------
    events : ndarray of uint64, shape (m,)
        `eddy.schemas.keys.hash_text` of the event_id.
    is_fraud : ndarray of bool, shape (m,)
    labelled_at : ndarray of int64, shape (m,)
        When each became known: microseconds since 1970, UTC.
    left_out : int
        Labels beside these that say nothing about an event: duplicates, and those on anomalies.
    """

    events: Keys
    is_fraud: Flags
    labelled_at: Ints
    left_out: int = 0

    @classmethod
    def of(cls, labels: Iterable[Label], domain: str = "transactions") -> "Labels":
        """Return the labels of one domain's events."""
        events, is_fraud, labelled_at, left_out = [], [], [], 0
        for label in labels:
            if label.domain != domain:
                continue
            if label.is_fraud is None or label.event_id is None:
                left_out += 1
                continue
            events.append(hash_text(label.event_id))
            is_fraud.append(label.is_fraud)
            labelled_at.append((label.labelled_at - _EPOCH) // _MICROSECOND)
        return cls(
            np.array(events, np.uint64),
            np.array(is_fraud, np.bool_),
            np.array(labelled_at, np.int64),
            left_out,
        )

    @classmethod
    def joined(cls, parts: Sequence["Labels"]) -> "Labels":
        """Return the labels of all parts, one after the other."""
        return cls(
            np.concatenate([part.events for part in parts]),
            np.concatenate([part.is_fraud for part in parts]),
            np.concatenate([part.labelled_at for part in parts]),
            sum(part.left_out for part in parts),
        )

    def __len__(self) -> int:
        return len(self.events)

    def __getitem__(self, rows: slice | NDArray[Any]) -> "Labels":
        """Return some rows: a slice, a mask, or their numbers."""
        return Labels(self.events[rows], self.is_fraud[rows], self.labelled_at[rows], self.left_out)

    def last(self, until_us: int | None = None) -> "Labels":
        """Return of each event the label given last, of those known by a time; by event.

        Of two that became known at once, the one given later holds.
        """
        rows = np.arange(len(self))
        if until_us is not None:
            rows = rows[self.labelled_at <= until_us]
        order = rows[np.lexsort((rows, self.labelled_at[rows], self.events[rows]))]
        events = self.events[order]
        is_last = np.append(events[1:] != events[:-1], True) if len(events) else events == 0
        return self[order[is_last]]


@dataclass(frozen=True, slots=True)
class LabelRecords:
    """Records of one partition of the topic of labels, in offset order.

    Attributes
    ----------
    partition : int
    offsets : ndarray of int64, shape (m,)
    labels : Labels
        A row each.
    """

    partition: int
    offsets: Ints
    labels: Labels

    def since(self, offset: int) -> "LabelRecords":
        """Return those from an offset on."""
        rows = slice(int(np.searchsorted(self.offsets, offset)), None)
        return LabelRecords(self.partition, self.offsets[rows], self.labels[rows])
