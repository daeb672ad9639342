"""What a drawing of a merchant's picture says in words and colours, whatever draws it.

Colours are Okabe and Ito's (https://jfly.uni-koeln.de/color/), which colour-blind people tell
apart; what matters is told by shape or hatching too.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise

from eddy.app.plot.alarms import Alarm
from eddy.app.plot.picture import Picture, PlotInterval
from eddy.schemas.forecasts import ForecastPoint

ACTUAL, FORECAST, NOWCAST, GRID = "#3a3f44", "#0072b2", "#009e73", "#e4e7ea"
SEVERITIES = {"info": "#cc79a7", "warning": "#e69f00", "critical": "#d55e00"}
ARROWS = {"above": "▲", "below": "▼", None: "◆"}

Slot = PlotInterval | ForecastPoint
Steps = tuple[list[datetime], list[float]]
"""Times and values, two an interval, so that a line drawn through them goes in steps."""


def title(picture: Picture) -> str:
    """Return whose payments, and how long an interval is."""
    return f"{picture.merchant} · payment volume per {duration(picture.interval_s)}"


def subtitle(picture: Picture) -> str:
    """Return when, how well the band held, and how many alarms there are."""
    parts = [f"{picture.timezone} time", f"{picture.coverage:.0%} band"]
    if picture.inside is not None:
        parts[1] += f" held {picture.inside:.1%} of the intervals"
    states = [alarm.state for alarm in picture.alarms]
    counts = ", ".join(
        f"{states.count(state)} {state}"
        for state in ("open", "closed", "retracted")
        if state in states
    )
    parts.append(f"alarms: {counts}" if counts else "no alarm")
    return "  ·  ".join(parts)


def unit(picture: Picture) -> str:
    """Return what the vertical axis shows."""
    what = "approved sales less refunds"
    return f"{what}, {picture.currency}" if picture.currency else what


def duration(seconds: int) -> str:
    """Return a length of time in the largest unit that gives a whole number.

    Examples
    --------
    >>> duration(7_200), duration(900), duration(86_400), duration(90)
    ('2 h', '15 min', '1 d', '90 s')
    """
    units = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
    return next(f"{seconds // size} {name}" for size, name in units if seconds % size == 0)


def amount(value: float) -> str:
    """Return an amount of money, cents only where they matter.

    Examples
    --------
    >>> amount(12345.678), amount(12.5), amount(-0.001)
    ('12,346', '12.50', '0.00')
    """
    text = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.2f}"
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def end_of(slot: Slot) -> datetime:
    """Return the first instant after an interval."""
    return slot.end if isinstance(slot, PlotInterval) else slot.window_end


def start_of(slot: Slot) -> datetime:
    """Return when an interval begins."""
    return slot.start if isinstance(slot, PlotInterval) else slot.window_start


def steps(slots: Sequence[Slot], name: str) -> Steps:
    """Return a series of intervals as steps; NaN, which is not drawn, where there is nothing."""
    times: list[datetime] = []
    values: list[float] = []
    for before, slot in pairwise([None, *slots]):
        assert slot is not None
        if before is not None and end_of(before) != start_of(slot):
            times, values = [*times, end_of(before)], [*values, float("nan")]
        value = getattr(slot, name)
        times += [start_of(slot), end_of(slot)]
        values += [float("nan") if value is None else value] * 2
    return times, values


def hovers(picture: Picture) -> Iterator[tuple[datetime, float, list[str]]]:
    """Yield for each interval its middle, a height, and lines that tell all about it."""
    slots: list[Slot] = [*picture.intervals, *picture.ahead]
    for slot in slots:
        start, end = start_of(slot), end_of(slot)
        actual = slot.actual if isinstance(slot, PlotInterval) else None
        height = next((value for value in (actual, slot.expected) if value is not None), 0.0)
        lines = [*_facts(slot, picture.currency), *_alarms(picture.alarms, start, end)]
        now = picture.nowcast
        if now is not None and now.window_start == start:
            lines.append(
                f"nowcast {amount(now.expected)} ({amount(now.lower)} – {amount(now.upper)})"
            )
        yield start + (end - start) / 2, height, lines


def _facts(slot: Slot, currency: str) -> Iterator[str]:
    if isinstance(slot, PlotInterval):
        if slot.actual is None:
            yield "nothing known yet"
        else:
            so_far = "" if slot.is_complete else " so far"
            yield f"actual {amount(slot.actual)} {currency}{so_far}, {slot.payments:,} payments"
    if slot.expected is None or slot.lower is None or slot.upper is None:
        yield "no forecast"
        return
    yield f"expected {amount(slot.expected)}"
    yield f"band {amount(slot.lower)} – {amount(slot.upper)}"


def _alarms(alarms: Sequence[Alarm], start: datetime, end: datetime) -> Iterator[str]:
    for alarm in alarms:
        if alarm.start < end and alarm.end > start:
            yield f"{ARROWS[alarm.direction]} {alarm.text}"
