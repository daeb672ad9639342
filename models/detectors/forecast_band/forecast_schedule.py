"""The outlook: what is forecast of windows that have not closed, and when it is told."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np

from eddy.models.arrays import Ints
from eddy.models.detectors.forecast_band.episode_changes import ForecastPublished
from eddy.models.detectors.forecast_band.nowcast import nowcast
from eddy.models.forecasting.calendar import CalendarFeatures
from eddy.models.forecasting.forecaster import Band, Forecaster
from eddy.models.windows.windows import IntervalWindows


class ForecastSchedule:
    """Forecasts the running window and those after it.

    Parameters
    ----------
    windows : IntervalWindows
    forecaster : Forecaster
    moments : callable
        ``moments(window)`` is the window as each segment's calendar sees it.

    Attributes
    ----------
    horizon, every : int
        After every so many windows, so many to come are forecast; a horizon of 0 forecasts none.
    told : int
        The last round in which forecasts were told; part of the state.
    nowcast : {"none", "outside", "all"}
        At each pause within a window: of which entities to tell what it will come to; "outside"
        are those who are known well and will leave their band almost for certain.
    """

    def __init__(
        self,
        windows: IntervalWindows,
        forecaster: Forecaster,
        moments: Callable[[int], CalendarFeatures],
    ) -> None:
        self._windows, self._forecaster, self._moments = windows, forecaster, moments
        self.horizon, self.every = 0, 1
        self.last_round = 0
        self.nowcast: Literal["none", "outside", "all"] = "none"

    def after(self, undecided: Sequence[int], row: int) -> Iterator[ForecastPublished]:
        """Forecast after a window has closed, if it is time.

        Parameters
        ----------
        undecided : sequence of int
            Closed windows from which the forecaster has not learned yet.
        row : int
            The row of the batch that closed it.
        """
        round_ = self._windows.open_window // self.every
        if self.horizon and round_ != self.last_round:
            self.last_round = round_
            slots = np.arange(self._windows.slots)
            slots = slots[self._windows.live & (self._forecaster.baseline.level(slots) > 0)]
            if len(slots):
                yield ForecastPublished(row, slots, self._bands(slots, self.horizon, undecided))

    def within(self, undecided: Sequence[int], row: int) -> Iterator[ForecastPublished]:
        """Tell what the running window will come to; the parameters are those of `after`."""
        if self.nowcast == "none":
            return
        windows, clock = self._windows, self._windows.clock
        [(window, band)] = self._bands(np.arange(windows.slots), 1, undecided)
        begin, end = int(clock.start_us(window)), int(clock.end_us(window))
        now = windows.watermark_us or begin
        passed = min(max((now - begin) / (end - begin), 0.0), 1.0)
        estimate = nowcast(windows.totals(window).net, band, passed, now)
        is_due = windows.live & (band.expected > 0)
        if self.nowcast == "outside":
            leaves = (estimate.upper < band.lower) | (estimate.lower > band.upper)
            is_due &= leaves & ~band.is_cold
        slots = np.flatnonzero(is_due)
        if len(slots):
            bands = self._bands(slots, max(self.horizon, 1), undecided)
            yield ForecastPublished(row, slots, bands, estimate.of(slots))

    def _bands(self, slots: Ints, horizon: int, undecided: Sequence[int]) -> list[tuple[int, Band]]:
        clock, windows = self._windows.clock, [self._windows.open_window]
        while len(windows) < horizon:  # not every number is a window: clocks are set
            windows.append(int(clock.index_of(clock.end_us(windows[-1]))))
        when = [self._moments(window) for window in (*undecided, *windows)]
        bands = self._forecaster.ahead(when, slots)[len(undecided) :]
        return list(zip(windows, bands, strict=True))
