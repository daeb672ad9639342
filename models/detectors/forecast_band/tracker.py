"""The tracker: windows, forecast and episodes of all entities of one partition.

When a window closes, those before it whose lateness has passed are final: the forecaster learns
from them. Only then is the closed one forecast, judged and kept, until its own lateness has passed;
a late row judges it again, against the same forecast. What is learned therefore never depends on
the order in which rows came within the lateness, and neither does what stays open in the end; but
for an entity's very first windows, which are not judged where it was first met through a late row.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.detectors.forecast_band.episodes import Change, Episode, changes, episodes
from models.detectors.forecast_band.judged import Interval, Runs
from models.detectors.forecast_band.silence import Silence, silence_score
from models.detectors.intervals.steps import Rows, Step
from models.detectors.intervals.windows import IntervalWindows
from models.forecasting.calendar import Moments
from models.forecasting.forecaster import Band, Forecaster
from models.forecasting.seasonal import COLD_START

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DEAD_US = 31 * 86_400_000_000

Admit = Callable[[Ints, Ints], Ints]
"""``admit(rows, slots)``: entities met for the first time; returns the segment of each."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """Which deviations are told; may be replaced at any time.

    Attributes
    ----------
    above, below : bool
        Sides of the forecast.
    cold_score : float
        An entity too young to have a forecast of its own must score this.
    """

    above: bool = True
    below: bool = True
    cold_score: float = 3.0


class Notice(NamedTuple):
    """One change of one entity's episodes.

    Attributes
    ----------
    row : int
        The row of the batch that brought it about; 0 where time alone did.
    slot : int
    change : Change
    cell : structured scalar
        The interval that the change is about, see `judged.Interval`.
    window : int
    is_late, is_shift : bool
        Whether a late row revised a closed window; whether a level shift was confirmed.
    """

    row: int
    slot: int
    change: Change
    cell: Any
    window: int
    is_late: bool = False
    is_shift: bool = False


class Coming(NamedTuple):
    """What is forecast after a window has closed.

    Attributes
    ----------
    row : int
        The row of the batch that closed it; 0 where time alone did.
    bands : list of (int, Band)
        The next windows, each with the forecasts of all slots.
    slots : ndarray of int64
        The entities of which something is known.
    """

    row: int
    bands: list[tuple[int, Band]]
    slots: Ints


class Tracker:
    """Judges closed windows and tells how episodes change.

    Parameters
    ----------
    windows : IntervalWindows
    forecaster : Forecaster
    lateness_us : int
        That of `windows`.
    moments : callable
        ``moments(window)`` is the window as each segment's calendar sees it.
    alarms : Alarms
    horizon, every : int
        After every so many windows, so many to come are forecast; a horizon of 0 forecasts none.
    """

    def __init__(
        self,
        windows: IntervalWindows,
        forecaster: Forecaster,
        *,
        lateness_us: int,
        moments: Callable[[int], Moments],
        alarms: Alarms | None = None,
        horizon: int = 0,
        every: int = 1,
    ) -> None:
        self.windows = windows
        self.forecaster = forecaster
        self.alarms = alarms or Alarms()
        self._lateness_us = lateness_us
        self._moments = moments
        self._horizon, self._every = horizon, every
        self._runs = Runs()
        self._silence = Silence()
        self._judged: list[Interval] = []

    def take(self, rows: Rows, admit: Admit) -> Iterator[Notice | Coming]:
        """Apply rows in order; iterate to the end, for rows count only as far as that goes."""
        yield from self._follow(self.windows.steps(rows), admit)

    def advance(self, watermark_us: int) -> Iterator[Notice | Coming]:
        """Move the watermark without rows."""
        yield from self._follow(self.windows.advance(watermark_us), _nobody)

    @property
    def cold_start(self) -> float:
        """The confidence below which an entity is young."""
        return COLD_START

    def segment(self, slot: int) -> int:
        """Return the segment of an entity."""
        return int(self.forecaster.baseline.segment[slot])

    # -- following the windows -----------------------------------------------------------------

    def _follow(self, steps: Iterator[Step], admit: Admit) -> Iterator[Notice | Coming]:
        for step in steps:
            if len(step.new):
                self._admit(step, admit)
            if len(step.revisions):
                yield from self._revise(step)
            if step.closed is not None:
                yield from self._close(step.closed, step.stop)
                if self._horizon and step.closed % self._every == self._every - 1:
                    yield self._coming(step.stop)

    def _admit(self, step: Step, admit: Admit) -> None:
        slots = step.slots[step.new - step.start].astype(np.int64)
        self._make_room(self.windows.slots)
        segments = admit(step.new, slots)
        self.forecaster.forget(slots, segments)
        self._runs.forget(slots)
        self._silence.forget(slots)

    def _make_room(self, count: int) -> None:
        if count > len(self._runs):
            capacity = max(count, len(self._runs) * 3 // 2, 64)
            self.forecaster.grow(capacity)
            self._runs.grow(capacity)
            self._silence.grow(capacity)

    def _coming(self, row: int) -> Coming:
        clock = self.windows.clock
        windows = [self.windows.open_window]
        while len(windows) < self._horizon:  # not every number is a window: clocks are set
            windows.append(int(clock.index_of(clock.end_us(windows[-1]))))
        kept = [interval.window for interval in self._judged]
        when = [self._moments(window) for window in (*kept, *windows)]
        slots = np.arange(self.windows.slots)
        bands = self.forecaster.ahead(when, slots)[len(kept) :]
        known = np.flatnonzero(self.windows.live & (bands[0].expected > 0))
        return Coming(row, list(zip(windows, bands, strict=True)), known)

    # -- closing -------------------------------------------------------------------------------

    def _close(self, window: int, row: int) -> Iterator[Notice]:
        watermark = self.windows.watermark_us or 0
        while self._judged and self._is_final(self._judged[0].window, watermark):
            yield from self._learn(self._judged[0], row)
            self._judged.pop(0)
        if self._is_dead(window):
            return
        interval = self._judge(window)
        candidates = self._active() | (_padded(interval.cells["side"], len(self._runs)) != 0)
        found = np.flatnonzero(candidates).tolist()
        before = {slot: self._episodes(slot) for slot in found}
        self._judged.append(interval)
        for slot in found:
            for change in changes(before[slot], self._episodes(slot)):
                yield Notice(row, slot, change, _cell(interval, slot), window)

    def _is_final(self, window: int, watermark_us: int) -> bool:
        return int(self.windows.clock.end_us(window)) + self._lateness_us <= watermark_us

    def _is_dead(self, window: int) -> bool:
        """Whether the partition has brought nothing for so long that no window of it is judged.

        One payment with a date long ago would else make each window since then an hour's work.
        """
        if not self.windows.entities:
            return True
        clock, seen = self.windows.clock, int(self.windows.last_seen.max())
        return int(clock.start_us(window)) - int(clock.start_us(min(seen, window))) > DEAD_US

    def _judge(self, window: int) -> Interval:
        totals, count = self.windows.totals(window), self.windows.slots
        interval = Interval.blank(window, count)
        cells = interval.cells
        cells["observed"] = totals.net
        cells["payments"] = totals.sales.astype(np.int64) + totals.refunds
        cells["known"] = self.windows.live & (self.windows.first_seen <= window)
        when = [self._moments(one.window) for one in self._judged] + [self._moments(window)]
        slots = np.arange(count)
        band = self.forecaster.ahead(when, slots)[-1]
        cells["below"], cells["above"] = self._boundaries(band)
        for name in ("expected", "lower", "upper", "confidence"):
            cells[name] = getattr(band, name)
        cells["awaited"] = self._silence.expected(band.expected)
        self._score(cells, self._missed_before(len(self._judged), count))
        return interval

    def _missed_before(self, place: int, count: int) -> Floats:
        """Return the payments missed up to a judged interval, shape (count,)."""
        if place == 0:
            return self._silence.missed(count)
        return _padded(self._judged[place - 1].cells["missed"].astype(np.float64), count)

    def _boundaries(self, band: Band) -> tuple[Floats, Floats]:
        """Return how far below and above the forecast scores 1.0, as `deviation.deviation` does."""
        rule, calibration = self.forecaster.rule, self.forecaster.calibration
        least = np.maximum(rule.min_absolute, rule.min_relative * band.expected)
        rate = rule.false_alarm_rate / 2
        below = calibration.tail("lower", rate)[band.group] * band.scale
        above = calibration.tail("upper", rate)[band.group] * band.scale
        return np.maximum(below, least), np.maximum(above, least)

    def _score(self, cells: NDArray[np.void], missed: Floats) -> None:
        residual = cells["observed"] - cells["expected"].astype(np.float64)
        is_above = residual >= 0
        boundary = np.where(is_above, cells["above"], cells["below"]).astype(np.float64)
        score = np.abs(residual) / np.maximum(boundary, 1e-12)
        is_silent = cells["payments"] == 0
        cells["missed"] = np.where(is_silent, missed + cells["awaited"], 0.0)
        silent = silence_score(
            cells["missed"].astype(np.float64), self.forecaster.rule.false_alarm_rate
        )
        score = np.where(is_silent & ~is_above, np.maximum(score, silent), score)
        is_cold = cells["confidence"] < COLD_START
        alarms = self.alarms
        told = np.where(is_above, alarms.above, alarms.below)
        limit = np.where(is_cold, alarms.cold_score, 1.0)
        # an entity of which nothing at all is known expects nothing: there is nothing to judge by
        flagged = cells["known"] & told & (score > limit) & (cells["expected"] > 0)
        cells["score"] = np.minimum(score, np.finfo(np.float32).max)
        cells["side"] = np.where(flagged, np.where(is_above, 1, -1), 0)

    # -- late rows -----------------------------------------------------------------------------

    def _revise(self, step: Step) -> Iterator[Notice]:
        revisions = step.revisions
        at = {interval.window: interval for interval in self._judged}
        for n, (row, slot, window) in enumerate(
            zip(
                revisions.rows.tolist(),
                revisions.slots.tolist(),
                revisions.windows.tolist(),
                strict=True,
            )
        ):
            interval = at.get(window)
            if interval is None or slot >= len(interval):
                continue  # an entity first met after the window was closed: nothing was judged
            totals = revisions.totals
            payments = int(totals.sales[n]) + int(totals.refunds[n])
            place = self._judged.index(interval)
            yield from self._rejudge(place, slot, float(totals.net[n]), payments, row)

    def _rejudge(
        self, place: int, slot: int, observed: float, payments: int, row: int
    ) -> Iterator[Notice]:
        interval, before = self._judged[place], self._episodes(slot)
        one = interval.cells[slot : slot + 1]
        one["observed"], one["payments"], one["known"] = observed, payments, True
        for number, later in enumerate(self._judged[place:], place):
            # the silence of later intervals began there, perhaps
            before_it = self._missed_before(number, slot + 1)[slot:]
            self._score(later.cells[slot : slot + 1], before_it)
        for change in changes(before, self._episodes(slot)):
            yield Notice(row, slot, change, one[0].copy(), interval.window, is_late=True)

    # -- learning ------------------------------------------------------------------------------

    def _learn(self, interval: Interval, row: int) -> Iterator[Notice]:
        """Learn from the oldest judged window, which nothing can change any more."""
        cells, slots = interval.cells, np.arange(len(interval))
        # a partition that brought nothing at all tells of the feed, not of the merchants
        known = cells["known"] & bool((cells["payments"] > 0).any())
        closed = self.forecaster.close(
            self._moments(interval.window), cells["observed"].copy(), known=known, slots=slots
        )
        self._silence.learn(
            np.maximum(cells["observed"], 0.0),
            cells["payments"].astype(np.int64),
            cells["missed"].astype(np.float64),
            known & (cells["side"] == 0),
        )
        shifted = slots[closed.shifted].tolist()
        before = {slot: self._episodes(slot) for slot in shifted}
        sides = _padded(cells["side"], len(self._runs)) != 0
        for slot in np.flatnonzero(self._runs.running | sides).tolist():
            run = episodes(self._runs.of(slot), [interval.flag(slot)])
            self._runs.keep(slot, run[-1])
        for slot in shifted:
            yield from self._shift(interval, slot, before[slot], row)

    def _shift(
        self, interval: Interval, slot: int, before: list[Episode], row: int
    ) -> Iterator[Notice]:
        """End what is open: the new level is the ordinary one from now on."""
        self._runs.forget(np.array([slot]))
        for later in self._judged[1:]:
            if slot < len(later):
                # their forecasts are of the old level: nothing can be said by them any more
                later.cells["side"][slot] = 0
                for name in ("below", "above"):
                    later.cells[name][slot] = np.inf
                later.cells["awaited"][slot] = 0.0
        for episode in before:
            if episode.is_open:
                change = Change("close", episode._replace(is_open=False))
                cell = _cell(interval, slot)
                yield Notice(row, slot, change, cell, interval.window, is_shift=True)

    # -- what there is -------------------------------------------------------------------------

    def _episodes(self, slot: int) -> list[Episode]:
        flags = [interval.flag(slot) for interval in self._judged]
        return episodes(self._runs.of(slot), flags)

    def _active(self) -> NDArray[np.bool_]:
        active = self._runs.running
        for interval in self._judged:
            active = active | (_padded(interval.cells["side"], len(active)) != 0)
        return active

    def open_episodes(self) -> dict[int, Episode]:
        """Return the open episodes by slot."""
        found = {}
        for slot in np.flatnonzero(self._active()).tolist():
            last = self._episodes(slot)[-1]
            if last.is_open:
                found[slot] = last
        return found

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays, copied."""
        state = {f"windows_{k}": v for k, v in self.windows.snapshot().items()}
        state |= {f"forecast_{k}": v for k, v in self.forecaster.snapshot().items()}
        state |= self._runs.snapshot() | self._silence.snapshot()
        state["judged"] = np.array([interval.window for interval in self._judged], np.int64)
        for interval in self._judged:
            state[f"judged_{interval.window}"] = _as_bytes(interval.cells)
        return state

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Take over a state that `snapshot` returned.

        Raises
        ------
        ValueError, KeyError
            It is of another kind or of other settings.
        """
        self.windows.restore(_part(state, "windows_"))
        self.forecaster.restore(_part(state, "forecast_"))
        self._runs.restore(state)
        self._silence.restore(state)
        kinds = Interval.blank(0, 0).cells.dtype
        self._judged = [
            Interval(window, state[f"judged_{window}"].reshape(-1).view(kinds).copy())
            for window in state["judged"].tolist()
        ]


def _nobody(rows: Ints, slots: Ints) -> Ints:
    raise AssertionError(f"no rows, but new entities: {rows}, {slots}")


def _padded(column: NDArray[Any], count: int) -> NDArray[Any]:
    return np.concatenate([column, np.zeros(count - len(column), column.dtype)])


def _cell(interval: Interval, slot: int) -> Any:
    if slot < len(interval):
        return interval.cells[slot].copy()
    return np.zeros(1, interval.cells.dtype)[0]


def _as_bytes(cells: NDArray[np.void]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(cells).view(np.uint8).reshape(len(cells), cells.dtype.itemsize)


def _part(state: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)
    }
