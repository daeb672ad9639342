"""A merchant's picture as a page to hover over and zoom into; needs ``eddy-stream[plot]``."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from plotly.graph_objects import Figure, Scatter

from eddy.app.plot.captions import (
    ACTUAL,
    ARROWS,
    FORECAST,
    GRID,
    NOWCAST,
    SEVERITIES,
    Slot,
    end_of,
    hovers,
    start_of,
    steps,
    subtitle,
    title,
    unit,
)
from eddy.app.plot.picture import Picture

_BAND, _AHEAD, _BARS = (
    "rgba(0,114,178,0.25)",
    "rgba(0,114,178,0.13)",
    "rgba(58,63,68,0.16)",
)


def page(picture: Picture) -> str:
    """Return the page; what was read is escaped, a merchant's id may hold anything."""
    drawn = Figure()
    local = _Local(picture.timezone)
    coverage = f"{picture.coverage:.0%}"
    _forecast(drawn, local, picture.intervals, _BAND, "solid", f"forecast, {coverage} band")
    _forecast(drawn, local, picture.ahead, _AHEAD, "dash", "forecast ahead")
    _actual(drawn, local, picture)
    _nowcast(drawn, local, picture)
    _hover(drawn, local, picture)
    _alarms(drawn, local, picture)
    _dress(drawn, local, picture)
    text = drawn.to_html(include_plotlyjs=True, full_html=True, div_id="tpv", config=_CONFIG)
    head = f"<head><title>{escape(title(picture))}</title>"
    return str(text).replace("<head>", head, 1)


_CONFIG = {"displaylogo": False, "responsive": True, "scrollZoom": True}


class _Local:
    """Times as the merchant's clock shows them: the library knows no time zones."""

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)

    def __call__(self, moment: datetime) -> str:
        return moment.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")


def _line(drawn: Any, local: _Local, slots: Sequence[Slot], series: str, **options: Any) -> None:
    times, values = steps(slots, series)
    known = [None if value != value else round(value, 2) for value in values]  # noqa: PLR0124 - NaN
    drawn.add_trace(
        Scatter(
            x=[local(time) for time in times],
            y=known,
            mode="lines",
            hoverinfo="skip",
            connectgaps=False,
            **options,
        )
    )


def _forecast(
    drawn: Any, local: _Local, slots: Sequence[Slot], fill: str, dash: str, name: str
) -> None:
    known = [slot for slot in slots if slot.upper is not None]
    if not known:
        return
    area = {"line": {"width": 0}, "legendgroup": name}
    # A fill takes no notice of gaps: what lies on both sides of one is filled by itself.
    for number, run in enumerate(_runs(known)):
        _line(drawn, local, run, "lower", name=f"{name}: lower", showlegend=False, **area)
        fills = {"fill": "tonexty", "fillcolor": fill, "showlegend": number == 0, **area}
        _line(drawn, local, run, "upper", name=name, **fills)
    line = {"color": FORECAST, "width": 1.8, "dash": dash}
    _line(drawn, local, known, "expected", name=f"{name}: expected", line=line, legendgroup=name)


def _runs(slots: Sequence[Slot]) -> Iterator[list[Slot]]:
    """Yield the slots between gaps."""
    run: list[Slot] = []
    for slot in slots:
        if run and end_of(run[-1]) != start_of(slot):
            yield run
            run = []
        run.append(slot)
    yield run


def _actual(drawn: Any, local: _Local, picture: Picture) -> None:
    over = [slot for slot in picture.intervals if slot.is_complete and slot.actual is not None]
    running = [
        slot for slot in picture.intervals if not slot.is_complete and slot.actual is not None
    ]
    area = {"fill": "tozeroy", "fillcolor": _BARS}
    _line(drawn, local, over, "actual", name="actual", line={"color": ACTUAL, "width": 1.8}, **area)
    if running:
        line = {"color": ACTUAL, "width": 1.8, "dash": "dot"}
        _line(drawn, local, running, "actual", name="actual so far", line=line, **area)


def _nowcast(drawn: Any, local: _Local, picture: Picture) -> None:
    now = picture.nowcast
    if now is None:
        return
    drawn.add_trace(
        Scatter(
            x=[local(now.window_start + (now.window_end - now.window_start) / 2)],
            y=[now.expected],
            error_y={
                "array": [max(0.0, now.upper - now.expected)],
                "arrayminus": [max(0.0, now.expected - now.lower)],
            },
            mode="markers",
            name="nowcast",
            marker={"color": NOWCAST, "symbol": "diamond", "size": 11},
            hoverinfo="skip",
        )
    )


def _hover(drawn: Any, local: _Local, picture: Picture) -> None:
    """Add what is shown at the pointer: all about the interval, from one invisible series."""
    points = list(hovers(picture))
    slots: list[Slot] = [*picture.intervals, *picture.ahead]
    starts = [start_of(slot) for slot in slots]
    drawn.add_trace(
        Scatter(
            x=[local(middle) for middle, _, _ in points],
            y=[round(height, 2) for _, height, _ in points],
            customdata=[
                [local(start)[:16], "<br>".join(map(escape, lines))]
                for start, (_, _, lines) in zip(starts, points, strict=True)
            ],
            mode="markers",
            marker={"size": 7, "opacity": 0},
            hovertemplate="<b>from %{customdata[0]}</b><br>%{customdata[1]}<extra></extra>",
            name="intervals",
            showlegend=False,
        )
    )


def _alarms(drawn: Any, local: _Local, picture: Picture) -> None:
    named: set[str] = set()
    for alarm in picture.alarms:
        colour, hollow = SEVERITIES[alarm.severity], alarm.state == "retracted"
        kind = "retracted alarm" if hollow else f"{alarm.severity} alarm"
        drawn.add_shape(
            type="rect",
            x0=local(alarm.start),
            x1=local(alarm.end),
            y0=0,
            y1=1,
            yref="paper",
            layer="below",
            fillcolor="rgba(0,0,0,0)" if hollow else colour,
            opacity=1.0 if hollow else 0.25,
            line={"width": 1.5 if hollow else 0, "dash": "dash", "color": colour},
            name=kind,
            legendgroup=kind,
            showlegend=kind not in named,
        )
        named.add(kind)
        drawn.add_annotation(
            x=local(alarm.start + (alarm.end - alarm.start) / 2),
            y=1,
            yref="paper",
            yanchor="bottom",
            text=f"{ARROWS[alarm.direction]} {alarm.score:.1f}",
            hovertext=escape(alarm.text),
            font={"color": colour, "size": 12},
            showarrow=False,
        )


def _dress(drawn: Any, local: _Local, picture: Picture) -> None:
    heading = f"<b>{escape(title(picture))}</b>"
    drawn.update_layout(
        title={"text": heading, "x": 0.01, "subtitle": {"text": escape(subtitle(picture))}},
        template="plotly_white",
        font={"color": ACTUAL, "size": 13},
        hovermode="x",
        hoverdistance=-1,
        hoverlabel={"bgcolor": "white", "align": "left"},
        legend={"orientation": "h", "y": -0.16},
        margin={"l": 80, "r": 30, "t": 110, "b": 90},
    )
    last = picture.ahead[-1].window_end if picture.ahead else picture.intervals[-1].end
    drawn.update_xaxes(
        title=f"{escape(picture.timezone)} time",
        range=[local(picture.intervals[0].start), local(last)],
        gridcolor=GRID,
    )
    drawn.update_yaxes(
        title=escape(unit(picture)), rangemode="tozero", tickformat=",", gridcolor=GRID
    )
