"""Learning a start: history goes through the forecaster interval after interval, as a stream would.

So what a judge takes over is what it would have learned, had it run all the time.
"""

from collections.abc import Callable
from typing import Any

import holidays
import numpy as np
from numpy.typing import NDArray

from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.models.arrays import Ints
from eddy.models.forecasting.calendar import SegmentLocation, moments
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.forecasting.silence import Silence
from eddy.models.forecasting.warm_start import Head, WarmStart
from eddy.models.windows.clock import WindowClock
from eddy.schemas.errors import ConfigError
from eddy.schemas.keys import hash_text

_COUNTRIES = frozenset(holidays.list_supported_countries(include_aliases=True))
_OF_ENTITIES = ("entity_", "shift_")


class WarmStartLearner:
    """Learns from totals, piece after piece of time; merchants may be new in any of them.

    Parameters
    ----------
    forecaster : Forecaster
        Fresh; of as many segments as a judge's. Pairs of trade and country beyond them share the
        first, of those with neither.
    zone : str
    interval_s : int
    """

    def __init__(self, forecaster: Forecaster, zone: str, interval_s: int) -> None:
        self.forecaster, self.zone, self.interval_s = forecaster, zone, interval_s
        self._clock = WindowClock(interval_s * 1_000_000, zone)
        self._silence = Silence()
        self._slot_of: dict[str, int] = {}
        self._pairs: list[tuple[str, str]] = [("", "")]
        self._begin_us: int | None = None
        self._window = -1

    def take(
        self, totals: IntervalTotals, on_progress: Callable[[int], None] | None = None
    ) -> None:
        """Learn from the next piece of time; report each interval.

        An interval of which nothing is known of any merchant is skipped: the feed was down.

        Raises
        ------
        ConfigError
            Its intervals are others, or before those learned from.
        """
        if (totals.zone, totals.interval_s) != (self.zone, self.interval_s):
            raise ConfigError(f"history in intervals of {totals.interval_s} s in {totals.zone}")
        if not len(totals):
            return
        windows = self._clock.index_of(totals.window_starts_us)
        if int(windows[0]) <= self._window:
            raise ConfigError("history goes backwards: give its pieces in the order of time")
        slots = self._meet(totals)
        for row, start_us in enumerate(totals.window_starts_us.tolist()):
            self._close(start_us, slots, totals.net[row], totals.payments[row])
            if on_progress is not None:
                on_progress(1)
        if self._begin_us is None:
            self._begin_us = int(totals.window_starts_us[0])
        self._window = int(windows[-1])

    def start(self) -> WarmStart:
        """Return what was learned; ConfigError where there was nothing to learn from."""
        if self._begin_us is None:
            raise ConfigError("history holds no interval to learn from")
        hashes = np.array([hash_text(name) for name in self._slot_of], np.uint64)
        # of two merchants with one hash, one in 10^13, the first is kept
        keys, slots = np.unique(hashes, return_index=True)
        head = Head(
            zone=self.zone,
            interval_s=self.interval_s,
            pairs=list(self._pairs),
            begin_us=self._begin_us,
            end_us=int(self._clock.end_us(self._window)),
            window=self._window,
        )
        entities, shared = self._state()
        return WarmStart(head, keys, _rows(entities, slots), shared)

    def _meet(self, totals: IntervalTotals) -> Ints:
        """Return the slots of merchants; make room for those not met before."""
        new = [n for n, name in enumerate(totals.merchants) if name not in self._slot_of]
        self._slot_of |= {totals.merchants[n]: len(self._slot_of) + k for k, n in enumerate(new)}
        self.forecaster.grow(len(self._slot_of))
        self._silence.grow(len(self._slot_of))
        slots = np.array([self._slot_of[name] for name in totals.merchants], np.int64)
        number_of = {pair: self._number(*pair) for pair in dict.fromkeys(totals.segments)}
        numbers = np.array([number_of[pair] for pair in totals.segments], np.int32)
        segment = self.forecaster.baseline.segment
        segment[slots] = np.where(segment[slots] > 0, segment[slots], numbers)
        return slots

    def _number(self, trade: str, country: str) -> int:
        pair = (trade, country.upper() if country.upper() in _COUNTRIES else "")
        if pair in self._pairs:
            return self._pairs.index(pair)
        if len(self._pairs) == len(self.forecaster.baseline.segments):
            return 0
        self._pairs.append(pair)
        return len(self._pairs) - 1

    def _close(self, start_us: int, slots: Ints, net: NDArray[np.float64], payments: Ints) -> None:
        count = len(self._slot_of)
        y, number = np.full(count, np.nan), np.zeros(count, np.int64)
        y[slots], number[slots] = net, payments
        known = ~np.isnan(y)
        if not known.any():
            return
        segments = len(self.forecaster.baseline.segments)
        pairs = self._pairs + [("", "")] * (segments - len(self._pairs))
        places = [SegmentLocation(self.zone, country or None) for _, country in pairs]
        y = np.where(known, y, 0.0)
        when = moments(start_us, places, 86_400 // self.interval_s)
        closed = self.forecaster.close(when, y, known=known)
        ordinary = known & ~closed.flagged
        self._silence.learn(np.maximum(y, 0.0), number, np.zeros(count), ordinary)

    def _state(self) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]:
        state = self.forecaster.snapshot()
        entities = {name: state[name] for name in state if name.startswith(_OF_ENTITIES)}
        silence = self._silence.snapshot()
        entities |= {name: silence[name] for name in ("silence_volume", "silence_payments")}
        baseline, calibration = self.forecaster.baseline, self.forecaster.calibration
        return entities, baseline.segments.snapshot() | calibration.snapshot()


def learn(totals: IntervalTotals, forecaster: Forecaster) -> WarmStart:
    """Return what a fresh forecaster learns from totals; see `WarmStartLearner`."""
    learner = WarmStartLearner(forecaster, totals.zone, totals.interval_s)
    learner.take(totals)
    return learner.start()


def _rows(columns: dict[str, NDArray[Any]], slots: Ints) -> NDArray[np.void]:
    """Return the columns as one record a merchant, so that one page holds all of it."""
    kinds = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
    rows = np.empty(len(slots), np.dtype(kinds))
    for name, column in columns.items():
        rows[name] = column[slots]
    return rows
