"""The payments a model learns from, added up to intervals as they are read."""

from collections.abc import Sequence

import numpy as np

from eddy.app.domains import domain_row
from eddy.app.training.training_rows import TrainingRows
from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.models.judge import Events
from eddy.schemas.decoding import buffers
from eddy.training.tpv.totals import PaymentSums


class PaymentRows(TrainingRows):
    """Adds valid payments up by merchant and interval, and counts the other records.

    Parameters
    ----------
    zone : str
        IANA time zone of the intervals.
    interval_s : int
    max_skew_s : float
        As the stream has it.
    """

    def __init__(self, zone: str, interval_s: int, max_skew_s: float) -> None:
        super().__init__(domain_row("tpv"), (), max_skew_s)
        self._sums = PaymentSums(zone, interval_s)
        self.added = 0

    def add(self, payloads: Sequence[bytes | None], times_ms: Sequence[int] | None = None) -> None:
        """Decode records and add the valid ones up; see `TrainingRows.add`."""
        kept, addresses, lengths = buffers(payloads)
        times = np.full(len(payloads), -1) if times_ms is None else np.asarray(times_ms)
        columns = self._decoder.decode(addresses, lengths, times).columns
        del kept  # the addresses point into it
        valid = np.flatnonzero(columns.valid)
        self._sums.add(
            Events(
                valid,
                columns.occurred_at[valid],
                columns.values[valid],
                columns.keys[valid],
                lambda row: self._decoder.reread(payloads[valid[row]] or b""),
            )
        )
        self.added += len(valid)
        self.rejected += len(payloads) - len(valid)

    def totals(self) -> IntervalTotals:
        """Return what was added up; ConfigError where that is nothing."""
        return self._sums.totals()
