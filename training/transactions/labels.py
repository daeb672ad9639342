"""Verdicts as columns: of each event the last one that was known at a cut-off."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.datasets.history.files import read_lines
from eddy.models.arrays import Flags, Ints
from eddy.models.features.transaction_history import LabelRows
from eddy.schemas.errors import ConfigError
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label
from eddy.training.transactions.table import FRAUD, GENUINE, NO_TIME, UNKNOWN

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Labels:
    """m verdicts on events, in the order they were given.

    Attributes
    ----------
    events : ndarray of uint64, shape (m,)
        `eddy.schemas.keys.hash_text` of the event_id.
    is_fraud : ndarray of bool, shape (m,)
    known_at : ndarray of int64, shape (m,)
        Microseconds since 1970, UTC.
    left_out : int
        Labels that say nothing about an event: duplicates, and those on anomalies only.
    """

    events: NDArray[np.uint64]
    is_fraud: Flags
    known_at: Ints
    left_out: int = 0

    @classmethod
    def of(cls, labels: Iterable[Label], domain: str = "transactions") -> "Labels":
        """Collect the labels of one domain."""
        events, is_fraud, known_at, left_out = [], [], [], 0
        for label in labels:
            if label.domain != domain:
                continue
            if label.is_fraud is None or label.event_id is None:
                left_out += 1
                continue
            events.append(hash_text(label.event_id))
            is_fraud.append(label.is_fraud)
            known_at.append((label.labelled_at - _EPOCH) // timedelta(microseconds=1))
        return cls(
            np.array(events, np.uint64),
            np.array(is_fraud, bool),
            np.array(known_at, np.int64),
            left_out,
        )

    def __len__(self) -> int:
        return len(self.events)

    @property
    def rows(self) -> LabelRows:
        """The same, as a history learns them."""
        return LabelRows(self.events, self.is_fraud, self.known_at)

    def last(self, until_us: int | None = None) -> "Labels":
        """Return of each event the verdict given last, of those known by a time; by event.

        Of two that became known at once, the one given later holds.
        """
        chosen = np.arange(len(self))
        if until_us is not None:
            chosen = chosen[self.known_at <= until_us]
        order = chosen[np.lexsort((chosen, self.known_at[chosen], self.events[chosen]))]
        events = self.events[order]
        is_last = np.append(events[1:] != events[:-1], True) if len(events) else events == 0
        kept = order[is_last]
        return Labels(self.events[kept], self.is_fraud[kept], self.known_at[kept], self.left_out)

    def of_events(self, events: NDArray[np.uint64]) -> tuple[NDArray[np.int8], Ints]:
        """Return `is_fraud` and `labelled_at` of a table's rows; call it on what `last` returned.

        Parameters
        ----------
        events : ndarray of uint64, shape (n,)
        """
        if not len(self):
            return np.full(len(events), UNKNOWN, np.int8), np.full(len(events), NO_TIME)
        at = np.minimum(np.searchsorted(self.events, events), len(self) - 1)
        found = self.events[at] == events
        verdicts = np.where(self.is_fraud[at], FRAUD, GENUINE)
        return (
            np.where(found, verdicts, UNKNOWN).astype(np.int8),
            np.where(found, self.known_at[at], NO_TIME),
        )


def label_lines(path: Path) -> Iterator[Label]:
    """Yield the labels of a file of JSON lines.

    Raises
    ------
    ConfigError
        A line is no label; the message names file and line.
    MissingResource
        The file cannot be read.
    """
    decode = msgspec.json.Decoder(Label).decode
    number = 0
    for lines in read_lines(path):
        for line in lines:
            number += 1
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                # the message of a decoder may quote the record
                what = type(error).__name__
                raise ConfigError(f"{path}, line {number}: no label: {what}") from None
