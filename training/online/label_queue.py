"""Labels joined to the decisions they are on, in the order they became known.

Not the queue of `eddy.models.features.waiting_labels`, which compiled code searches by event: there
a label counts from a time on and may be taken back, here each is learned once and is gone.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.labels import Labels
from eddy.models.packing import pack, unpack
from eddy.training.online.decision_buffer import DecisionBuffer, spread
from eddy.training.transactions.table import FRAUD, GENUINE, UNKNOWN

_KIND = "waiting_verdicts"  # as snapshots have always called it

LEARNED, CORRECTED, REPEATED, GIVEN_UP = "learned", "corrected", "repeated", "given_up"


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows of kept decisions to be learned, and their labels; arrays of shape (n,).

    Attributes
    ----------
    rows : ndarray of int64
        Positions among the kept decisions.
    is_fraud : ndarray of bool
    labelled_at : ndarray of int64
        Microseconds since 1970, UTC.
    """

    rows: NDArray[np.int64]
    is_fraud: NDArray[np.bool_]
    labelled_at: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)


def in_order(parts: Sequence[LabelledRows]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return rows and whether they are frauds, by when that became known."""
    order = np.argsort(np.concatenate([part.labelled_at for part in parts]), kind="stable")
    rows = np.concatenate([part.rows for part in parts])
    return rows[order], np.concatenate([part.is_fraud for part in parts])[order]


def assume_genuine(decisions: DecisionBuffer, after_us: int, every: int) -> LabelledRows:
    """Return one of `every` rows that had no label for so long, as genuine; it is noted.

    Which ones depends on their events alone.
    """
    is_old = decisions.occurred_at <= decisions.newest_us - after_us
    rows = np.flatnonzero((decisions.labels == UNKNOWN) & is_old)
    rows = rows[spread(decisions.events[rows]) % np.uint64(every) == 0]
    decisions.labels[rows] = GENUINE
    return LabelledRows(rows, np.zeros(len(rows), bool), decisions.occurred_at[rows] + after_us)


class LabelQueue:
    """Labels whose decision is not known (yet): a label may come before its event was judged.

    The last label of an event holds. What was learned cannot be unlearned, so that a label
    against an earlier one is learned as a row of its own; one that only repeats it is not.

    Parameters
    ----------
    keep_us : int
        Labels older than the newest one by more than this are given up.
    most : int
        As are the oldest of more than this.

    Attributes
    ----------
    counts : Counter
        How many labels came to what: learned, corrected, repeated or given up.
    """

    def __init__(self, keep_us: int, most: int) -> None:
        self.counts: Counter[str] = Counter()
        self._keep_us, self._most = keep_us, most
        self._labels = Labels.of([])
        self._newest = np.iinfo(np.int64).min

    def __len__(self) -> int:
        return len(self._labels)

    def add(self, labels: Labels) -> None:
        """Let labels wait, in the order in which they came."""
        self._labels = Labels.joined([self._labels, labels])
        if len(labels):
            self._newest = max(self._newest, int(labels.labelled_at.max()))

    def take(self, decisions: DecisionBuffer) -> LabelledRows:
        """Return what is to be learned now of rows among `decisions`; all others go on waiting.

        The rows' `labels` are noted.
        """
        waiting = self._labels
        rows = decisions.find(waiting.events)
        known = np.flatnonzero(rows >= 0)
        known = known[np.argsort(waiting.labelled_at[known], kind="stable")]
        labels = zip(rows[known].tolist(), waiting.is_fraud[known].tolist(), strict=True)
        is_new = [self._is_new(decisions.labels, row, is_fraud) for row, is_fraud in labels]
        learned = known[np.array(is_new, bool)]
        self._go_on(np.flatnonzero(rows < 0))
        return LabelledRows(rows[learned], waiting.is_fraud[learned], waiting.labelled_at[learned])

    def snapshot(self) -> bytes:
        """Return the labels that wait."""
        labels = self._labels
        arrays: dict[str, NDArray[Any]] = {
            "events": labels.events,
            "is_fraud": labels.is_fraud,
            "known_at": labels.labelled_at,
            "newest": np.array([self._newest]),
        }
        return pack(_KIND, arrays)

    def restore(self, state: bytes) -> None:
        """Go on where `snapshot` was taken; ValueError where it is something else."""
        arrays = unpack(_KIND, state)
        self._labels = Labels(arrays["events"], arrays["is_fraud"], arrays["known_at"])
        self._newest = int(arrays["newest"][0])

    def _is_new(self, codes: NDArray[np.int8], row: int, is_fraud: bool) -> bool:
        before, now = codes[row], FRAUD if is_fraud else GENUINE
        codes[row] = now
        outcome = REPEATED if before == now else CORRECTED
        self.counts[LEARNED if before == UNKNOWN else outcome] += 1
        return bool(before != now)

    def _go_on(self, rows: NDArray[np.int64]) -> None:
        is_young = self._labels.labelled_at[rows] >= self._newest - self._keep_us
        young = rows[is_young][-self._most :]
        self.counts[GIVEN_UP] += len(rows) - len(young)
        self._labels = self._labels[young]
