"""Decisions that may still be labelled, with their features as they were."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats, Ints, Keys
from eddy.schemas.decisions import Decisions
from eddy.training.transactions.table import UNKNOWN

_FIRST_ROOM = 4_096
_MIX = np.uint64(0x9E3779B97F4A7C15)

EVICTED_AGE, EVICTED_ROOM = "age", "room"


class DecisionBuffer:
    """The newest decisions, within a time and a number of rows; columns, no object a row.

    A row takes 50 bytes and 8 a feature: half a million rows of fifteen features 85 MB.

    Parameters
    ----------
    features : sequence of str
        Names of the features kept of each row; NaN where a record lacks one.
    keep_us : int
        Rows older than the newest row by more than this are evicted.
    most_rows : int
        The oldest rows beyond this number are evicted.

    Attributes
    ----------
    evicted : Counter
        How many rows were evicted, by reason.
    newest_us : int
        The latest event time so far; microseconds since 1970, UTC.
    """

    def __init__(self, features: Sequence[str], keep_us: int, most_rows: int) -> None:
        self.features = tuple(features)
        self.evicted: Counter[str] = Counter()
        self._keep_us, self._most_rows = keep_us, most_rows
        self.newest_us = np.iinfo(np.int64).min
        self._start = self._stop = 0
        self._index: tuple[Keys, Ints] | None = None
        self._columns: dict[str, NDArray[Any]] = {
            "events": np.empty(0, np.uint64),
            "cards": np.empty(0, np.uint64),
            "occurred_at": np.empty(0, np.int64),
            "features": np.empty((0, len(self.features))),
            "labels": np.empty(0, np.int8),
            "partitions": np.empty(0, np.int32),
            "records": np.empty(0, np.int64),
        }

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def events(self) -> Keys:
        """Hashes of the events' ids, oldest decision first; shape (n,)."""
        return self._column("events")

    @property
    def cards(self) -> Keys:
        """Hashes of the cards, shape (n,)."""
        return self._column("cards")

    @property
    def occurred_at(self) -> Ints:
        """Microseconds since 1970, UTC; shape (n,)."""
        return self._column("occurred_at")

    @property
    def values(self) -> Floats:
        """The features, shape (n, d)."""
        return self._column("features")

    @property
    def labels(self) -> NDArray[np.int8]:
        """The labels learned of the rows, to be written to; shape (n,).

        Of `eddy.training.transactions.table`: `UNKNOWN`, `GENUINE` or `FRAUD`.
        """
        return self._column("labels")

    def add(self, decisions: Decisions, partition: int, record: int) -> None:
        """Keep a record's rows; the record stands in a partition of its topic at an offset."""
        n = len(decisions)
        self._make_room(n)
        here = slice(self._stop, self._stop + n)
        columns = self._columns
        columns["events"][here] = decisions.events
        columns["cards"][here] = decisions.cards
        columns["occurred_at"][here] = decisions.occurred_at
        columns["labels"][here] = UNKNOWN
        columns["partitions"][here] = partition
        columns["records"][here] = record
        for place, name in enumerate(self.features):
            known = name in decisions.names
            values = decisions.features[:, decisions.names.index(name)] if known else np.nan
            columns["features"][here, place] = values
        self._stop += n
        self._index = None
        if n:
            self.newest_us = max(self.newest_us, int(decisions.occurred_at.max()))
        self._evict()

    def find(self, events: Keys) -> Ints:
        """Return where events stand, the newest of equal ones; -1 where they do not; shape (m,)."""
        if self._index is None:
            order = np.argsort(self.events, kind="stable")
            self._index = self.events[order], order
        sorted_events, order = self._index
        if not len(order):
            return np.full(len(events), -1)
        at = np.searchsorted(sorted_events, events, "right") - 1
        return np.where(sorted_events[at] == events, order[at], -1)

    def oldest_records(self) -> dict[int, int]:
        """Return by partition the first record of which rows are kept."""
        partitions, first = np.unique(self._column("partitions"), return_index=True)
        records = self._column("records")[first]
        return dict(zip(partitions.tolist(), records.tolist(), strict=True))

    def _column(self, name: str) -> NDArray[Any]:
        return self._columns[name][self._start : self._stop]

    def _make_room(self, more: int) -> None:
        needed = len(self) + more
        if self._stop + more <= len(self._columns["events"]):
            return
        room = max(_FIRST_ROOM, 2 * needed)
        for name, column in self._columns.items():
            larger = np.empty((room, *column.shape[1:]), column.dtype)
            larger[: len(self)] = self._column(name)
            self._columns[name] = larger
        self._start, self._stop = 0, len(self)

    def _evict(self) -> None:
        over = max(0, len(self) - self._most_rows)
        # decisions come about in the order of their events' time
        is_young = self.occurred_at[over:] >= self.newest_us - self._keep_us
        aged = int(np.argmax(is_young)) if is_young.any() else len(is_young)
        if over or aged:
            self.evicted[EVICTED_ROOM] += over
            self.evicted[EVICTED_AGE] += aged
            self._start += over + aged
            self._index = None


def spread(events: Keys) -> Keys:
    """Return hashes whose low digits are as good as any, to take one of so many events."""
    mixed: Keys = (events * _MIX) >> np.uint64(32)
    return mixed
