"""The batch: records of a moment, decoded, on their way from the reader to the agent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from eddy.models.judge import Events
from eddy.schemas.card_numbers import redacted
from eddy.schemas.columns import Columns
from eddy.schemas.errors import RejectedRecord
from eddy.schemas.rejections import Reason, Rejection
from eddy.streams.records import Records, Run


@dataclass(frozen=True, slots=True)
class DecodedRun:
    """Neighbouring rows of one partition with what decoding made of them.

    Attributes
    ----------
    epoch : int
        The assignment under which the rows were fetched; rows of an older one are stale.
    columns : Columns
        Of the segment the run lies in; row ``i`` of the batch is its row ``i - base``.
    rejected : dict of int to RejectedRecord
        By row of the batch.
    """

    run: Run
    epoch: int
    columns: Columns
    base: int
    rejected: dict[int, RejectedRecord]
    records: Records
    reread: Callable[[bytes], Any]

    def first_at_or_after(self, offset: int) -> int:
        """Return the first row whose offset is at least `offset`."""
        view = self.records.offsets[self.run.start : self.run.stop]
        return self.run.start + int(np.searchsorted(view, offset))

    def events(self, start: int, stop: int) -> Events:
        """Return the valid rows among ``start:stop`` as columns; views where all are valid."""
        low, high = start - self.base, stop - self.base
        valid = self.columns.valid[low:high]
        kept: slice | NDArray[np.bool_] = slice(None) if valid.all() else valid
        rows = np.arange(start, stop)[kept]
        return Events(
            offsets=self.records.offsets[start:stop][kept],
            occurred_at=self.columns.occurred_at[low:high][kept],
            values=self.columns.values[low:high][kept],
            keys=self.columns.keys[low:high][kept],
            vectors=self.columns.vectors[low:high][kept],
            event=lambda i: self.reread(self.records.value(int(rows[i])) or b""),
        )

    def rejections(self, start: int, stop: int) -> Iterator[Rejection]:
        """Yield what is to be published of the rejected rows among ``start:stop``.

        Whatever the reason, and in the key as well, card numbers are masked.
        """
        for row, why in self.rejected.items():
            if start <= row < stop:
                trace = f"{self.run.topic}-{self.run.partition}-{self.records.offsets[row]}"
                yield Rejection(
                    reason=cast("Reason", why.reason),
                    detail=why.detail,
                    topic=self.run.topic,
                    partition=self.run.partition,
                    offset=int(self.records.offsets[row]),
                    key=redacted(self.records.key(row)),
                    payload=redacted(self.records.value(row)),
                    trace=trace,
                )


@dataclass(slots=True)
class Batch:
    """What one fetch brought; `release` gives its memory back, once, whatever happened."""

    records: Records
    runs: list[DecodedRun]
    sequence: int
    released: bool = False

    def release(self) -> None:
        """Free the records; the columns stay valid, the payloads do not."""
        if not self.released:
            self.released = True
            self.records.release()
