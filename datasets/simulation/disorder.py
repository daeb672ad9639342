"""The order in which records come: by the time they are due, which is not when they happened."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.simulation.record import SimulatedRecord


class Disorder:
    """Holds records back until their time has come.

    Records due at the same microsecond come in the order they were put in.
    """

    def __init__(self) -> None:
        self._due = np.empty(0, np.int64)
        self._records: list[SimulatedRecord] = []

    def put(self, due_us: NDArray[np.int64], records: Iterable[SimulatedRecord]) -> None:
        """Add records and when they are due, in microseconds since 1970."""
        self._records.extend(records)
        self._due = np.concatenate([self._due, due_us])

    def take(self, until_us: int | None = None) -> list[SimulatedRecord]:
        """Return the records due before `until_us`, or all of them, in order."""
        order = np.argsort(self._due, kind="stable")
        count = len(order) if until_us is None else int(np.sum(self._due < until_us))
        taken = [self._records[i] for i in order[:count].tolist()]
        rest = np.sort(order[count:])
        self._records = [self._records[i] for i in rest.tolist()]
        self._due = self._due[rest]
        return taken
