"""Interval totals out of the cache: sparse rows of months as one table of merchants and intervals.

Only payments leave rows. An interval without one is zero from a merchant's first payment on, and
missing before; one in which nobody had a payment is missing for all: the feed was down.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.history.files import arrow
from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.datasets.history.payments.cache import PaymentCache, Piece
from eddy.models.arrays import Ints
from eddy.models.windows.clock import WindowClock


class _Known:
    """Merchants met so far, in the order of their first payment, and what they are."""

    def __init__(self) -> None:
        self.place_of: dict[str, int] = {}
        self.segments: list[tuple[str, str]] = []

    def meet(self, table: Any) -> tuple[Ints, int]:
        """Take in a month's merchants; return the place of each row's, and how many were known."""
        before = len(self.place_of)
        coded = _coded(table["merchant_id"])
        for name in coded.dictionary.to_pylist():  # in the order of rows: of windows, then names
            self.place_of.setdefault(name, len(self.place_of))
        self.segments += [("", "")] * (len(self.place_of) - before)
        local = [self.place_of[name] for name in coded.dictionary.to_pylist()]
        places = np.array(local, np.int64)[coded.indices.to_numpy()]
        self._learn_segments(places, table)
        return places, before

    def _learn_segments(self, places: Ints, table: Any) -> None:
        """Keep the last that is known of each merchant's trade and country."""
        for part, name in enumerate(("segment", "country")):
            coded = _coded(table[name])
            texts = coded.dictionary.to_pylist()
            codes = coded.indices.fill_null(-1).to_numpy()
            rows = np.flatnonzero(codes >= 0)
            # the last row of a place is the first of the rows turned round
            distinct, at = np.unique(places[rows][::-1], return_index=True)
            for place, code in zip(distinct.tolist(), codes[rows][::-1][at].tolist(), strict=True):
                pair = list(self.segments[place])
                pair[part] = texts[code]
                self.segments[place] = (pair[0], pair[1])


def monthly_totals(folder: Path) -> Iterator[IntervalTotals]:
    """Yield the months of a folder; each with all merchants known until its end.

    Raises
    ------
    MissingResource, ConfigError
        See `PaymentCache.pieces`.
    """
    cache, known = PaymentCache(folder), _Known()
    for piece in cache.pieces():
        yield _dense(piece, cache.read(piece), known)


def load_totals(folder: Path) -> IntervalTotals:
    """Return all that a folder holds, in 16 bytes for each merchant and interval.

    Raises
    ------
    MissingResource, ConfigError
        See `PaymentCache.pieces`.
    """
    return _joined(list(monthly_totals(folder)))


def _dense(piece: Piece, table: Any, known: _Known) -> IntervalTotals:
    clock = WindowClock(piece.interval_s * 1_000_000, piece.zone)
    starts = _starts(clock, piece.begin_us, piece.end_us)
    places, before = known.meet(table)
    rows = np.searchsorted(starts, table["window_start"].cast("int64").to_numpy())
    shape = (len(starts), len(known.place_of))
    net, payments = np.zeros(shape), np.zeros(shape, np.int64)
    net[rows, places] = table["net"].to_numpy()
    payments[rows, places] = table["payments"].to_numpy()
    first = np.zeros(shape[1], np.int64)
    first[before:] = len(starts)
    np.minimum.at(first, places, rows)
    net[np.arange(len(starts))[:, None] < first] = np.nan
    net[payments.sum(axis=1) == 0] = np.nan
    return IntervalTotals(
        starts,
        list(known.place_of),
        net,
        payments,
        list(known.segments),
        piece.zone,
        piece.interval_s,
    )


def _coded(column: Any) -> Any:
    """Return a column of texts as one `pyarrow.DictionaryArray`."""
    pa = arrow()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        return whole.chunk(0) if whole.num_chunks else pa.array([], whole.type)
    return whole


def _starts(clock: WindowClock, begin_us: int, end_us: int) -> Ints:
    first, last = clock.index_of([begin_us, end_us])
    windows = np.arange(first, last)
    return clock.start_us(windows[clock.exists(windows)])


def _joined(parts: Iterable[IntervalTotals]) -> IntervalTotals:
    months = list(parts)
    last, count = months[-1], len(months[-1].merchants)

    def wide(column: NDArray[Any], fill: float) -> NDArray[Any]:
        missing = ((0, 0), (0, count - column.shape[1]))
        return np.pad(column, missing, constant_values=fill)

    return IntervalTotals(
        np.concatenate([month.window_starts_us for month in months]),
        last.merchants,
        np.concatenate([wide(month.net, np.nan) for month in months]),
        np.concatenate([wide(month.payments, 0) for month in months]),
        last.segments,
        last.zone,
        last.interval_s,
    )
