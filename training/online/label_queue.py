"""Lessons: verdicts joined to the decisions they are on, in the order they became known."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.packing import pack, unpack
from eddy.training.online.decision_buffer import DecisionBuffer, spread
from eddy.training.transactions.labels import Labels
from eddy.training.transactions.table import FRAUD, GENUINE, UNKNOWN

_KIND = "waiting_verdicts"

LEARNED, CORRECTED, REPEATED, GIVEN_UP = "learned", "corrected", "repeated", "given_up"
OUTCOMES = (LEARNED, CORRECTED, REPEATED, GIVEN_UP)


@dataclass(frozen=True, slots=True)
class LabelQueue:
    """Rows of kept decisions to be learned, and what is known of them; arrays of shape (n,).

    Attributes
    ----------
    rows : ndarray of int64
        Positions among the kept decisions.
    is_fraud : ndarray of bool
    known_at : ndarray of int64
        Microseconds since 1970, UTC.
    """

    rows: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    known_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def in_order(lessons: Sequence[LabelQueue]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return rows and whether they are frauds, by when that became known."""
    order = np.argsort(np.concatenate([one.known_at for one in lessons]), kind="stable")
    rows = np.concatenate([one.rows for one in lessons])
    return rows[order], np.concatenate([one.is_fraud for one in lessons])[order]


def silence(kept: DecisionBuffer, after_us: int, every: int) -> LabelQueue:
    """Return one of `every` rows that nobody spoke of for so long, as genuine; it is noted.

    Which ones depends on their events alone.
    """
    silent = (kept.verdicts == UNKNOWN) & (kept.occurred_at <= kept.newest_us - after_us)
    rows = np.flatnonzero(silent)
    rows = rows[spread(kept.events[rows]) % np.uint64(every) == 0]
    kept.verdicts[rows] = GENUINE
    return LabelQueue(rows, np.zeros(len(rows), bool), kept.occurred_at[rows] + after_us)


class WaitingVerdicts:
    """Verdicts whose decision is not known (yet): a label may come before its event was judged.

    The last verdict on an event holds. What was learned cannot be unlearned, so that a verdict
    against an earlier one is learned as a row of its own; one that only repeats it is not.

    Parameters
    ----------
    keep_us : int
        Verdicts older than the newest one by more than this are given up.
    most : int
        As are the oldest of more than this.

    Attributes
    ----------
    tallies : Counter
        How many verdicts came to what: `OUTCOMES`.
    """

    def __init__(self, keep_us: int, most: int) -> None:
        self.tallies: Counter[str] = Counter()
        self._keep_us, self._most = keep_us, most
        self._labels = Labels.of([])
        self._newest = np.iinfo(np.int64).min

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, labels: Labels) -> None:
        """Let verdicts wait, in the order in which they came."""
        both = (self._labels, labels)
        self._labels = Labels(
            np.concatenate([one.events for one in both]),
            np.concatenate([one.is_fraud for one in both]),
            np.concatenate([one.known_at for one in both]),
        )
        if len(labels):
            self._newest = max(self._newest, int(labels.known_at.max()))

    def take(self, kept: DecisionBuffer) -> "LabelQueue":
        """Return what is to be learned now of rows among `kept`; all others go on waiting.

        The rows' `verdicts` are noted.
        """
        waiting = self._labels
        rows = kept.find(waiting.events)
        found = np.flatnonzero(rows >= 0)
        found = found[np.argsort(waiting.known_at[found], kind="stable")]
        said = zip(rows[found].tolist(), waiting.is_fraud[found].tolist(), strict=True)
        is_new = [self._is_new(kept.verdicts, row, is_fraud) for row, is_fraud in said]
        learned = found[np.array(is_new, bool)]
        self._go_on(np.flatnonzero(rows < 0))
        return LabelQueue(rows[learned], waiting.is_fraud[learned], waiting.known_at[learned])

    def snapshot(self) -> bytes:
        """Return the verdicts that wait."""
        held = self._labels
        arrays: dict[str, NDArray[Any]] = {
            "events": held.events,
            "is_fraud": held.is_fraud,
            "known_at": held.known_at,
            "newest": np.array([self._newest]),
        }
        return pack(_KIND, arrays)

    def restore(self, state: bytes) -> None:
        """Go on where `snapshot` was taken; ValueError where it is something else."""
        arrays = unpack(_KIND, state)
        self._labels = Labels(arrays["events"], arrays["is_fraud"], arrays["known_at"])
        self._newest = int(arrays["newest"][0])

    def _is_new(self, verdicts: NDArray[np.int8], row: int, is_fraud: bool) -> bool:
        before, now = verdicts[row], FRAUD if is_fraud else GENUINE
        verdicts[row] = now
        outcome = REPEATED if before == now else CORRECTED
        self.tallies[LEARNED if before == UNKNOWN else outcome] += 1
        return bool(before != now)

    def _go_on(self, left: NDArray[np.int64]) -> None:
        held = self._labels
        young = left[held.known_at[left] >= self._newest - self._keep_us][-self._most :]
        self.tallies[GIVEN_UP] += len(left) - len(young)
        self._labels = Labels(held.events[young], held.is_fraud[young], held.known_at[young])
