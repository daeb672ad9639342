"""Joining: decisions as they were made, with the verdicts that came later, into a table."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints
from eddy.models.labels import Labels
from eddy.schemas.decisions import Decisions
from eddy.training.transactions.labels import labels_of_events
from eddy.training.transactions.table import COLUMNS, TrainingTable, empty, in_time_order


class Joining:
    """Collects decision records; each event once, however often its decision was written.

    A decision that is read again after a restart stands at the same topic, partition and offset:
    the first one read holds, because it is the one that was acted upon.
    """

    def __init__(self) -> None:
        self._records: list[Decisions] = []

    def add(self, record: Decisions) -> None:
        """Take in one record of the topic of decisions."""
        if len(record):
            self._records.append(record)

    def table(self, labels: Labels, until_us: int | None = None) -> tuple[TrainingTable, int]:
        """Return the table, and how many decisions had been read before.

        Parameters
        ----------
        labels : Labels
            In the order they were given; of each event the last one holds.
        until_us : int, optional
            Labels that became known later are not looked at: microseconds since 1970.

        Returns
        -------
        TrainingTable
            Rows without a label stay; features a record does not have are NaN.
        int
        """
        records = self._records
        kept = _first_of_each(records)
        table = empty(_names(records), sum(map(len, records)))
        start = 0
        for record in records:
            start = _fill(table, start, record)
        repeated = len(table) - len(kept)
        table = table.rows(kept)
        is_fraud, labelled_at = labels_of_events(labels.last(until_us), table.events)
        table.is_fraud[:], table.labelled_at[:] = is_fraud, labelled_at
        return in_time_order(table), repeated


def join(
    records: Iterable[Decisions], labels: Labels, until_us: int | None = None
) -> tuple[TrainingTable, int]:
    """Return the table of decision records and labels; see `Joining`."""
    joining = Joining()
    for record in records:
        joining.add(record)
    return joining.table(labels, until_us)


def _names(records: Sequence[Decisions]) -> list[str]:
    present = {name for record in records for name in record.names}
    return [name for name in COLUMNS if name in present]


def _first_of_each(records: Sequence[Decisions]) -> Ints:
    """Return the positions of the rows to keep, ascending."""
    places: dict[tuple[str, int], int] = {}
    for record in records:
        places.setdefault((record.topic, record.partition), len(places))
    partitions: NDArray[np.int64] = np.concatenate(
        [np.full(len(record), places[record.topic, record.partition]) for record in records]
        or [np.empty(0, np.int64)]
    )
    offsets = np.concatenate([record.offsets for record in records] or [np.empty(0, np.int64)])
    order = np.lexsort((offsets, partitions))  # stable: of equal ones the first read is first
    same = (np.diff(partitions[order]) == 0) & (np.diff(offsets[order]) == 0)
    return np.sort(order[np.append(True, ~same)[: len(order)]])


def _fill(table: TrainingTable, start: int, record: Decisions) -> int:
    here = slice(start, start + len(record))
    table.events[here], table.cards[here] = record.events, record.cards
    table.occurred_at[here], table.scores[here] = record.occurred_at, record.scores
    for place, name in enumerate(table.names):
        if name in record.names:
            table.features[here, place] = record.features[:, record.names.index(name)]
    return here.stop
