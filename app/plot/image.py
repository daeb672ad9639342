"""A merchant's picture as a matplotlib figure; needs ``eddy-stream[plot]``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib.dates
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter

from eddy.app.plot.captions import (
    ACTUAL,
    ARROWS,
    FORECAST,
    GRID,
    NOWCAST,
    SEVERITIES,
    Slot,
    amount,
    start_of,
    steps,
    subtitle,
    title,
    unit,
)
from eddy.app.plot.picture import Picture, PlotInterval

_dates: Any = matplotlib.dates  # its functions carry no types
_BAND, _AHEAD, _BARS, _ALARM = 0.25, 0.13, 0.18, 0.22
"""How opaque areas are."""
_MANY = 16
"""More scores than that cannot be read beside one another."""


def figure(picture: Picture) -> Any:
    """Return the picture as a figure of 16 x 7.6 inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.12)
    drawn = Figure(figsize=(16, 7.6), dpi=100, layout=layout)
    axes = drawn.add_subplot()
    _actual(axes, picture.intervals)
    _forecast(axes, picture.intervals, _BAND, "-", f"forecast, {picture.coverage:.0%} band")
    _ahead(axes, picture)
    _alarms(axes, picture)
    _dress(axes, picture)
    axes.set_title(subtitle(picture), loc="left", fontsize=12, color=ACTUAL, pad=26)
    axes.annotate(
        _plain(title(picture)),
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 50),
        textcoords="offset points",
        fontsize=17,
        fontweight="bold",
        color=ACTUAL,
    )
    drawn.legend(loc="outside lower center", ncols=9, frameon=False, fontsize=11)
    return drawn


def _actual(axes: Any, intervals: Sequence[PlotInterval]) -> None:
    over = [slot for slot in intervals if slot.is_complete]
    times, values = steps(over, "actual")
    axes.fill_between(times, values, color=ACTUAL, alpha=_BARS, linewidth=0)
    axes.plot(times, values, color=ACTUAL, linewidth=1.6, label="actual", zorder=4)
    running = [slot for slot in intervals if not slot.is_complete and slot.actual is not None]
    if running:
        axes.fill_between(
            *steps(running, "actual"),
            facecolor="none",
            edgecolor=ACTUAL,
            hatch="////",
            linewidth=0.8,
            label="actual so far",
            zorder=4,
        )


def _forecast(axes: Any, slots: Sequence[Slot], opacity: float, style: Any, label: str) -> None:
    if not any(slot.upper is not None for slot in slots):
        return
    times, lower = steps(slots, "lower")
    _, upper = steps(slots, "upper")
    axes.fill_between(times, lower, upper, color=FORECAST, alpha=opacity, linewidth=0, label=label)
    axes.plot(*steps(slots, "expected"), color=FORECAST, linewidth=1.6, linestyle=style, zorder=3)


def _ahead(axes: Any, picture: Picture) -> None:
    if picture.ahead:
        _forecast(axes, picture.ahead, _AHEAD, (0, (4, 2)), "forecast ahead")
        axes.axvline(start_of(picture.ahead[0]), color=FORECAST, linewidth=1, linestyle=":")
    now = picture.nowcast
    if now is not None:
        axes.errorbar(
            [now.window_start + (now.window_end - now.window_start) / 2],
            [now.expected],
            yerr=[[max(0.0, now.expected - now.lower)], [max(0.0, now.upper - now.expected)]],
            color=NOWCAST,
            marker="D",
            markersize=7,
            capsize=5,
            linewidth=2,
            label="nowcast",
            zorder=6,
        )


def _alarms(axes: Any, picture: Picture) -> None:
    named: set[str] = set()
    for alarm in picture.alarms:
        colour, hollow = SEVERITIES[alarm.severity], alarm.state == "retracted"
        kind = "retracted alarm" if hollow else f"{alarm.severity} alarm"
        axes.axvspan(
            alarm.start,
            alarm.end,
            facecolor="none" if hollow else colour,
            edgecolor=colour,
            alpha=None if hollow else _ALARM,
            linestyle="--" if hollow else "-",
            linewidth=2 if hollow else 0,
            label="" if kind in named else kind,
            zorder=0,
        )
        named.add(kind)
        text = f"{alarm.score:.1f}" if len(picture.alarms) <= _MANY else ""
        axes.annotate(
            f"{ARROWS[alarm.direction]} {text}".strip(),
            (_middle(alarm.start, alarm.end), 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=10,
            color="#8a8f94" if hollow else colour,
            fontweight="bold",
        )


def _middle(start: datetime, end: datetime) -> float:
    return float(_dates.date2num(start + (end - start) / 2))


def _dress(axes: Any, picture: Picture) -> None:
    zone = ZoneInfo(picture.timezone)
    last = picture.ahead[-1].window_end if picture.ahead else picture.intervals[-1].end
    axes.set_xlim(picture.intervals[0].start, last)
    axes.set_ylim(*_heights(picture))
    locator = _dates.AutoDateLocator(tz=zone, minticks=6, maxticks=16)
    formatter = _dates.ConciseDateFormatter(locator, tz=zone)
    formatter.formats[2] = formatter.zero_formats[3] = "%a %d"  # the week's shape is to be seen
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _tick(value)))
    axes.set_ylabel(_plain(unit(picture)), fontsize=11.5, color=ACTUAL)
    axes.set_xlabel(f"{picture.timezone} time", fontsize=10.5, color=ACTUAL)
    axes.tick_params(colors=ACTUAL, labelsize=11)
    axes.grid(axis="y", color=GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _heights(picture: Picture) -> tuple[float, float]:
    """Return the range of amounts, from zero or below to a little above all."""
    slots: list[Slot] = [*picture.intervals, *picture.ahead]
    names = ("actual", "upper", "lower")
    values = [getattr(slot, name, None) for slot in slots for name in names]
    if picture.nowcast is not None:
        values.append(picture.nowcast.upper)
    known = [value for value in values if value is not None]
    low, high = min(0.0, *known), max(0.0, *known)
    room = (high - low or 1.0) * 0.06
    return low - (room if low < 0 else 0.0), high + room


def _tick(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else amount(value)


def _plain(text: str) -> str:
    """Return a text in which nothing is mathematics to matplotlib."""
    return text.replace("\\", "\\\\").replace("$", r"\$")
