"""The tracker: windows, forecast and episodes of all entities of one partition.

When a window closes, those before it whose lateness has passed are final: the forecaster learns
from them. Only then is the closed one forecast, judged and kept, until its own lateness has passed;
a late row judges it again, against the same forecast. What is learned therefore never depends on
the order in which rows came within the lateness, and neither does what stays open in the end; but
for an entity's very first windows, which are not judged where it was first met through a late row.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats, Ints
from eddy.models.detectors.forecast_band.episode_changes import (
    Cause,
    EpisodeChange,
    ForecastPublished,
)
from eddy.models.detectors.forecast_band.episodes import (
    NONE,
    Episode,
    EpisodeTransition,
    changes,
    episodes,
)
from eddy.models.detectors.forecast_band.forecast_schedule import ForecastSchedule
from eddy.models.detectors.forecast_band.judged import ClosedInterval, Runs
from eddy.models.detectors.forecast_band.scoring import (
    MUTED,
    SPECIAL,
    AlarmLimits,
    boundaries,
    score,
)
from eddy.models.forecasting.calendar import CalendarFeatures
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.forecasting.seasonal import COLD_START
from eddy.models.forecasting.silence import Silence
from eddy.models.windows.steps import IntervalRows, Step
from eddy.models.windows.windows import IntervalWindows

if TYPE_CHECKING:
    from eddy.models.forecasting.warm_start import WarmStart


DEAD_US = 31 * 86_400_000_000
FORGET_US = 7 * 86_400_000_000
"""Who was silent for as long may have to make room for others."""
_SHARE_EVICTED = 100  # of those there may be, at a time: looking for them takes a while


Admit = Callable[[Ints, Ints], Ints]
"""``admit(rows, slots)``: entities met for the first time; returns the segment of each."""


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
    alarms : AlarmLimits
    start : WarmStart, optional
        What is known of entities before they are met.

    Attributes
    ----------
    outlook : ForecastSchedule
        What is forecast, and when.
    tallies : Counter
        See `eddy.models.judge.Counts`; whoever reads them clears them.
    """

    def __init__(
        self,
        windows: IntervalWindows,
        forecaster: Forecaster,
        *,
        lateness_us: int,
        moments: Callable[[int], CalendarFeatures],
        alarms: AlarmLimits,
        start: "WarmStart | None" = None,
    ) -> None:
        self.windows = windows
        self.forecaster = forecaster
        self.alarms, self.schedule = alarms, ForecastSchedule(windows, forecaster, moments)
        self.tallies: Counter[tuple[str, str]] = Counter()
        self._lateness_us = lateness_us
        self._moments = moments
        self._runs = Runs()
        self._silence = Silence()
        self._judged: list[ClosedInterval] = []
        self._start = start
        # Windows up to this one are neither judged nor learned from.
        self._is_first = True
        self._cut = NONE if start is None else start.head.window
        if start is not None:
            start.prepare(forecaster)

    def take(self, rows: IntervalRows, admit: Admit) -> Iterator[EpisodeChange | ForecastPublished]:
        """Apply rows in order; iterate to the end, for rows count only as far as that goes."""
        yield from self._follow(self.windows.steps(rows), admit, rows.times_us)

    def advance(self, watermark_us: int) -> Iterator[EpisodeChange | ForecastPublished]:
        """Move the watermark without rows."""
        yield from self._follow(self.windows.advance(watermark_us), _nobody, np.empty(0, np.int64))

    @property
    def cold_start(self) -> float:
        """The confidence below which an entity is young."""
        return COLD_START

    def segment(self, slot: int) -> int:
        """Return the segment of an entity."""
        return int(self.forecaster.baseline.segment[slot])

    # -- following the windows -----------------------------------------------------------------

    def _follow(
        self, steps: Iterator[Step], admit: Admit, times_us: Ints
    ) -> Iterator[EpisodeChange | ForecastPublished]:
        for step in steps:
            if len(step.new):
                # a row's own window: what the step did besides depends on how rows were cut
                self._admit(step, admit, self.windows.clock.index_of(times_us[step.new]))
            self._count(step)
            if len(step.revisions):
                yield from self._revise(step)
            if step.closed is not None:
                yield from self._close(step.closed, step.stop)
                yield from self._make_space(step.stop)
            if not self._is_dead(self.windows.open_window):
                yield from self._look_ahead(step, times_us[step.stop : step.stop + 1])

    def _look_ahead(self, step: Step, next_us: Ints) -> Iterator[ForecastPublished]:
        if len(next_us) and self.windows.will_close(int(next_us[0])):
            return  # after a gap: the next row supersedes what would be said
        undecided = [interval.window for interval in self._judged]
        if step.closed is not None:
            yield from self.schedule.after(undecided, step.stop)
        elif step.paused and self.windows.open_window > self._cut:
            yield from self.schedule.within(undecided, step.stop)

    def _count(self, step: Step) -> None:
        pooled = int((step.slots[step.untracked - step.start] >= 0).sum())
        self.tallies["late", "revised"] += len(step.revisions)
        self.tallies["late", "dropped"] += len(step.too_late)
        self.tallies["untracked", "pooled"] += pooled
        self.tallies["untracked", "dropped"] += len(step.untracked) - pooled

    def _admit(self, step: Step, admit: Admit, windows: Ints) -> None:
        slots = step.slots[step.new - step.start].astype(np.int64)
        self._make_room(self.windows.slots)
        segments = admit(step.new, slots)
        self.forecaster.forget(slots, segments)
        self._runs.forget(slots)
        self._silence.forget(slots)
        for interval in self._judged:  # of whoever had the slot before
            interval.clear(slots)
        if self._start is not None:
            rows = self._start.rows_of(self.windows.keys[slots])
            for window in np.unique(windows).tolist():
                there = windows == window
                self._start.give(self.forecaster, self._silence, slots[there], rows[there], window)
        if self._is_first:
            # what came before the first row is not to be had: its window is no whole one
            self._is_first = False
            self._cut = max(self._cut, int(windows[0]))
        self.alarms.meet(slots)

    def set_alarms(self, alarms: AlarmLimits) -> None:
        """Go on with other alarms."""
        alarms.make_room(self.windows.slots)
        alarms.meet(np.flatnonzero(self.windows.live))
        self.alarms = alarms

    def _make_room(self, count: int) -> None:
        self.alarms.make_room(count)
        if count > len(self._runs):
            capacity = max(count, len(self._runs) * 3 // 2, 64)
            self.forecaster.grow(capacity)
            self._runs.grow(capacity)
            self._silence.grow(capacity)

    # -- who must go ---------------------------------------------------------------------------

    def _make_space(self, row: int) -> Iterator[EpisodeChange]:
        """Where there is no room for one more entity, let go who was silent longest."""
        windows = self.windows
        if not windows.is_full:
            return
        forgotten = int(windows.clock.index_of((windows.watermark_us or 0) - FORGET_US))
        silent = windows.silent(min(forgotten, windows.oldest))
        silent = silent[: max(1, windows.entities // _SHARE_EVICTED)]
        if not len(silent):
            return
        # who leaves a pool for the room there is now takes part of its volume along
        pools = np.flatnonzero(windows.is_pool)
        for slot in [*silent.tolist(), *pools.tolist()]:
            yield from self._end_episode(slot, row, "evicted")
        leaving = np.concatenate([silent, pools]).astype(np.int64)
        for interval in self._judged:
            interval.clear(leaving)
        self._runs.forget(leaving)
        self.forecaster.forget(pools)
        self._silence.forget(pools)
        windows.evict(silent)
        self.tallies["evicted", "silent"] += len(silent)

    def _end_episode(self, slot: int, row: int, cause: Cause) -> Iterator[EpisodeChange]:
        listed = self._episodes(slot)
        if listed and listed[-1].is_open:
            change = EpisodeTransition("close", listed[-1]._replace(is_open=False))
            last = self._judged[-1]
            yield EpisodeChange(row, slot, change, _cell(last, slot), last.window, cause)

    # -- closing -------------------------------------------------------------------------------

    def _close(self, window: int, row: int) -> Iterator[EpisodeChange]:
        watermark = self.windows.watermark_us or 0
        while self._judged and self._is_final(self._judged[0].window, watermark):
            yield from self._learn(self._judged[0], row)
            self._judged.pop(0)
        if self._is_dead(window):
            return
        interval = self._judge(window)
        candidates = self._active() | (_padded(interval.cells["side"], len(self._runs)) != 0)
        slots = np.flatnonzero(candidates).tolist()
        before = {slot: self._episodes(slot) for slot in slots}
        self._judged.append(interval)
        for slot in slots:
            for change in changes(before[slot], self._episodes(slot)):
                yield EpisodeChange(row, slot, change, _cell(interval, slot), window)

    def _is_final(self, window: int, watermark_us: int) -> bool:
        return int(self.windows.clock.end_us(window)) + self._lateness_us <= watermark_us

    def _is_dead(self, window: int) -> bool:
        """Whether the partition has brought nothing for so long that no window is judged."""
        if not self.windows.slots:
            return True
        clock, seen = self.windows.clock, int(self.windows.last_seen.max())
        return int(clock.start_us(window)) - int(clock.start_us(min(seen, window))) > DEAD_US

    def _judge(self, window: int) -> ClosedInterval:
        totals, count = self.windows.totals(window), self.windows.slots
        interval = ClosedInterval.blank(window, count)
        cells = interval.cells
        cells["observed"] = totals.net
        cells["payments"] = totals.sales.astype(np.int64) + totals.refunds
        cells["known"] = self.windows.live & (self.windows.first_seen <= window)
        cells["known"] &= window > self._cut
        when = [self._moments(cell.window) for cell in self._judged] + [self._moments(window)]
        slots = np.arange(count)
        band = self.forecaster.ahead(when, slots)[-1]
        cells["below"], cells["above"] = boundaries(band, self.forecaster, self.alarms)
        for name in ("expected", "lower", "upper", "confidence"):
            cells[name] = getattr(band, name)
        cells["awaited"] = self._silence.expected(band.expected)
        muted = self.alarms.muted(int(self.windows.clock.start_us(window)), count)
        cells["muted"] = muted
        suppressed = self._score(cells, self._missed_before(len(self._judged), count), 0)
        for code in muted[suppressed].tolist():
            self.tallies["suppressed", MUTED[code]] += 1
        interval.clear(np.flatnonzero(~self.windows.live))
        return interval

    def _missed_before(self, place: int, count: int) -> Floats:
        """Return the payments missed up to a judged interval, shape (count,)."""
        if place == 0:
            return self._silence.missed(count)
        return _padded(self._judged[place - 1].cells["missed"].astype(np.float64), count)

    def _missed_by(self, place: int, slot: int) -> Floats:
        """Return the same of one slot, shape (1,)."""
        if place == 0:
            return self._silence.missed(slot + 1)[slot:]
        cells = self._judged[place - 1].cells
        return np.array([cells["missed"][slot] if slot < len(cells) else 0.0], np.float64)

    def _score(self, cells: NDArray[np.void], missed: Floats, at: int) -> NDArray[np.bool_]:
        rate = self.forecaster.rule.false_alarm_rate
        return score(cells, missed, at, self.alarms, rate)

    # -- late rows -----------------------------------------------------------------------------

    def _revise(self, step: Step) -> Iterator[EpisodeChange]:
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
            unpaid = int(totals.declined[n]), int(totals.reversed[n])
            for change in self._rejudge(place, slot, float(totals.net[n]), payments):
                cell = interval.cells[slot].copy()
                yield EpisodeChange(row, slot, change, cell, window, "late", unpaid)

    def _rejudge(
        self, place: int, slot: int, observed: float, payments: int
    ) -> Iterator[EpisodeTransition]:
        interval = self._judged[place]
        before = [] if self._is_quiet(slot) else self._episodes(slot)
        cell = interval.cells[slot : slot + 1]
        cell["observed"], cell["payments"], cell["known"] = (
            observed,
            payments,
            interval.window > self._cut,
        )
        for number, later in enumerate(self._judged[place:], place):
            # the silence of later intervals began there, perhaps
            before_it = self._missed_by(number, slot)
            self._score(later.cells[slot : slot + 1], before_it, slot)
        if before or not self._is_quiet(slot):
            yield from changes(before, self._episodes(slot))

    def _is_quiet(self, slot: int) -> bool:
        """Whether there is no episode: mostly so, and the quicker way to know it."""
        if self._runs.of(slot).is_open:
            return False
        return not any(
            interval.cells["side"][slot] for interval in self._judged if slot < len(interval)
        )

    # -- learning ------------------------------------------------------------------------------

    def _learn(self, interval: ClosedInterval, row: int) -> Iterator[EpisodeChange]:
        """Learn from the oldest judged window, which nothing can change any more."""
        if interval.window <= self._cut:
            return
        cells, slots = interval.cells, np.arange(len(interval))
        known = cells["known"] & (cells["muted"] != SPECIAL) & (not _is_outage(cells))
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
        self, interval: ClosedInterval, slot: int, before: list[Episode], row: int
    ) -> Iterator[EpisodeChange]:
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
                change = EpisodeTransition("close", episode._replace(is_open=False))
                cell = _cell(interval, slot)
                yield EpisodeChange(row, slot, change, cell, interval.window, "level_shift")

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
        by_slot = {}
        for slot in np.flatnonzero(self._active()).tolist():
            last = self._episodes(slot)[-1]
            if last.is_open:
                by_slot[slot] = last
        return by_slot

    def snapshot(self) -> dict[str, NDArray[Any]]:
        """Return the state as named arrays, copied."""
        state = {f"windows_{k}": v for k, v in self.windows.snapshot().items()}
        state |= {f"forecast_{k}": v for k, v in self.forecaster.snapshot().items()}
        state |= self._runs.snapshot() | self._silence.snapshot()
        state["cut"] = np.array([self._cut, self._is_first, self.schedule.last_round], np.int64)
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
        self._cut, self._is_first = int(state["cut"][0]), bool(state["cut"][1])
        self.schedule.last_round = int(state["cut"][2])
        self.set_alarms(self.alarms)
        kinds = ClosedInterval.blank(0, 0).cells.dtype
        self._judged = [
            ClosedInterval(window, state[f"judged_{window}"].reshape(-1).view(kinds).copy())
            for window in state["judged"].tolist()
        ]


def _nobody(rows: Ints, slots: Ints) -> Ints:
    raise AssertionError(f"no rows, but new entities: {rows}, {slots}")


def _is_outage(cells: NDArray[np.void]) -> bool:
    """Whether an interval without any payment tells of the feed rather than of the entities.

    All may be closed at night; then little is expected of those who are known well.
    """
    if (cells["payments"] > 0).any():
        return False
    awaited = cells["known"] & (cells["confidence"] >= COLD_START) & (cells["expected"] > 0)
    return bool(np.mean(cells["score"][awaited] > 1.0) > 0.5) if awaited.any() else False


def _padded(column: NDArray[Any], count: int) -> NDArray[Any]:
    """Return the first `count` entries, zeros for those that came later."""
    missing = max(count - len(column), 0)
    return np.concatenate([column[:count], np.zeros(missing, column.dtype)])


def _cell(interval: ClosedInterval, slot: int) -> Any:
    if slot < len(interval):
        return interval.cells[slot].copy()
    return np.zeros(1, interval.cells.dtype)[0]


def _as_bytes(cells: NDArray[np.void]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(cells).view(np.uint8).reshape(len(cells), cells.dtype.itemsize)


def _part(state: dict[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {
        name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)
    }
