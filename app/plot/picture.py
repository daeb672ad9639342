"""A merchant's picture: what came in, what was expected, and what was made of it, as series.

Pure: from records as they stand on the topics to what `eddy tpv plot` draws or prints. Intervals
are those of `eddy.models.windows`, so that a bar is what the judge adds up. It holds all
payments that the topic has, also those that came too late for the judge.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from eddy.app.plot.alarms import Alarm, alarms_of
from eddy.models.windows.clock import WindowClock
from eddy.models.windows.steps import APPROVED, DECLINED, REFUND, REVERSED, SALE, IntervalRows
from eddy.models.windows.windows import IntervalWindows
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.errors import MissingResource
from eddy.schemas.forecasts import Forecast, ForecastPoint, Nowcast
from eddy.schemas.payments import Payment

SPAN = timedelta(days=14)
"""How much is shown where nobody says from when."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KEY = 1  # the only entity there is
_KINDS = {"sale": SALE, "refund": REFUND}
_STATUSES = {"approved": APPROVED, "declined": DECLINED, "reversed": REVERSED}


@dataclass(frozen=True, slots=True)
class View:
    """What of a merchant to show.

    Attributes
    ----------
    interval_s : int
    timezone : str
        IANA name; intervals begin at local midnight.
    coverage : float
        Share of intervals that are to end within the band.
    start, stop : datetime, optional
        Moved outwards to whole intervals; by default `SPAN` up to the last payment of anybody, or
        as much of it as there are payments.
    """

    interval_s: int
    timezone: str
    coverage: float
    start: datetime | None = None
    stop: datetime | None = None


@dataclass(frozen=True, slots=True)
class PlotInterval:
    """One interval, from `start` up to but without `end`.

    Attributes
    ----------
    actual : float, optional
        Approved sales less approved refunds; None before the merchant's first payment shown.
    payments : int
        How many approved payments that are, refunds among them.
    is_complete : bool
        Whether later payments were seen: the interval is over.
    expected, lower, upper : float, optional
        The forecast it was judged by, where an anomaly tells it, else the last one published;
        None where there is neither.
    """

    start: datetime
    end: datetime
    actual: float | None
    payments: int
    is_complete: bool
    expected: float | None = None
    lower: float | None = None
    upper: float | None = None

    @property
    def is_inside(self) -> bool | None:
        """Whether it ended within its band, to the cent; None where that cannot be said."""
        if not self.is_complete or self.actual is None or self.lower is None or self.upper is None:
            return None
        return self.lower <= round(self.actual, 2) <= self.upper


@dataclass(frozen=True, slots=True)
class Picture:
    """All there is to draw.

    Attributes
    ----------
    currency : str
        As the payments have it; several joined by ``+``, empty where they say none.
    coverage : float
        Nominal, of the band.
    inside : float, optional
        The share of complete intervals that did end within it, of those whose forecast was
        published; None where there are none.
    ahead : tuple of ForecastPoint
        The newest forecast of intervals to come.
    nowcast : Nowcast, optional
        What the running interval, the last one, will come to.
    """

    merchant: str
    currency: str
    timezone: str
    interval_s: int
    coverage: float
    inside: float | None
    intervals: tuple[PlotInterval, ...]
    ahead: tuple[ForecastPoint, ...]
    nowcast: Nowcast | None
    alarms: tuple[Alarm, ...]


Band = tuple[float, float, float]
_Span = tuple[datetime, datetime]


def picture(
    merchant: str,
    payments: Sequence[Payment],
    seen_until: datetime,
    forecasts: Sequence[Forecast],
    anomalies: Sequence[Anomaly],
    view: View,
) -> Picture:
    """Put a merchant's records together.

    Parameters
    ----------
    payments : sequence of Payment
        Of this merchant, in any order.
    seen_until : datetime
        The latest event time of anybody's payments beside the merchant's: silence up to there
        is silence.
    forecasts, anomalies : sequence
        Of this merchant, in the order they were published.

    Raises
    ------
    MissingResource
        Where no payment is in the range.
    """
    clock = WindowClock(view.interval_s * 1_000_000, view.timezone)
    begin, end = _whole(clock, view, seen_until)
    shown = [payment for payment in payments if begin <= payment.occurred_at < end]
    if not shown:
        raise MissingResource(_nothing(merchant, payments, begin, end))
    if view.start is None:
        first = min(payment.occurred_at for payment in shown)
        begin = _moment(clock.start_us(clock.index_of(_micros(first))))
    issued = [forecast for forecast in forecasts if forecast.issued_at <= end]
    published = _published(issued)
    bands = published | _judged(anomalies)
    intervals = tuple(_intervals(clock, shown, (begin, end), seen_until, bands))
    newest = max(issued, key=lambda forecast: forecast.issued_at, default=None)
    return Picture(
        merchant=merchant,
        currency=_currency(shown),
        timezone=view.timezone,
        interval_s=view.interval_s,
        coverage=view.coverage,
        inside=_inside(intervals, published),
        intervals=intervals,
        ahead=tuple(point for point in newest.points if point.window_start >= end)
        if newest
        else (),
        nowcast=_nowcast(newest, intervals[-1]),
        alarms=alarms_of(anomalies, [(interval.start, interval.end) for interval in intervals]),
    )


def _whole(clock: WindowClock, view: View, seen_until: datetime) -> _Span:
    """Return the range to show, widened to whole intervals."""
    last = seen_until if view.stop is None else view.stop - timedelta(microseconds=1)
    first = last - SPAN if view.start is None else view.start
    start_us = clock.start_us(clock.index_of(_micros(first)))
    end_us = clock.end_us(clock.index_of(_micros(min(last, max(seen_until, first)))))
    return _moment(start_us), _moment(end_us)


def _nothing(merchant: str, payments: Sequence[Payment], begin: datetime, end: datetime) -> str:
    text = f"{merchant}: no payment from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    if not payments:
        return f"{text}, nor at another time; the topic may know it by another id"
    last = max(payment.occurred_at for payment in payments)
    return f"{text}; its last one is of {last:%Y-%m-%d %H:%M} UTC, see --from and --to"


def _intervals(
    clock: WindowClock,
    payments: Sequence[Payment],
    span: _Span,
    seen_until: datetime,
    bands: dict[_Span, Band],
) -> Iterator[PlotInterval]:
    totals = dict(_totals(clock, _rows(payments), _micros(span[1])))
    window = int(clock.index_of(_micros(span[0])))
    start = span[0]
    while start < span[1]:
        end = _moment(clock.end_us(window))
        actual, count = totals.get(window, (None, 0))
        band = bands.get((start, end), (None, None, None))
        yield PlotInterval(start, end, actual, count, end <= seen_until, *band)
        window, start = int(clock.index_of(_micros(end))), end


def _totals(
    clock: WindowClock, rows: IntervalRows, end_us: int
) -> Iterator[tuple[int, tuple[float, int]]]:
    """Yield volume and payments of every window from the first payment's to the end.

    The rows go by ascending time, so none is late.
    """
    windows = IntervalWindows(clock, delay_us=0, lateness_us=0)
    steps = [windows.steps(rows), windows.advance(end_us)]
    for step in (step for some in steps for step in some):
        if step.closed is not None:
            sums = windows.totals(step.closed)
            slot = int(windows.lookup(np.array([_KEY], np.uint64))[0])
            yield step.closed, (float(sums.net[slot]), int(sums.sales[slot] + sums.refunds[slot]))


def _inside(intervals: Sequence[PlotInterval], published: dict[_Span, Band]) -> float | None:
    """Return the share within the band; bands that anomalies alone tell would make it too small."""
    verdicts = [
        interval.is_inside for interval in intervals if (interval.start, interval.end) in published
    ]
    outcomes = [inside for inside in verdicts if inside is not None]
    return sum(outcomes) / len(outcomes) if outcomes else None


def _rows(payments: Sequence[Payment]) -> IntervalRows:
    ordered = sorted(payments, key=lambda payment: payment.occurred_at)
    return IntervalRows.of(
        [_micros(payment.occurred_at) for payment in ordered],
        [_KEY] * len(ordered),
        [payment.amount for payment in ordered],
        [_KINDS[payment.kind] + _STATUSES[payment.status] for payment in ordered],
        [payment.count for payment in ordered],
    )


def _published(forecasts: Sequence[Forecast]) -> dict[_Span, Band]:
    """Return for each interval the band that was issued last.

    One issued within it knows no more of it than one issued when it began: what of it has come is
    in the nowcast only.
    """
    return {
        (point.window_start, point.window_end): (point.expected, point.lower, point.upper)
        for forecast in sorted(forecasts, key=lambda forecast: forecast.issued_at)
        for point in forecast.points
    }


def _judged(anomalies: Sequence[Anomaly]) -> dict[_Span, Band]:
    """Return the bands that anomalies were judged by."""
    bands: dict[_Span, Band] = {}
    for anomaly in anomalies:
        start, end = anomaly.window_start, anomaly.window_end
        known = [bounds.get("tpv") for bounds in (anomaly.expected, anomaly.lower, anomaly.upper)]
        # an upper bound of nothing is that of a merchant of whom nothing was known
        if start and end and None not in known and anomaly.upper["tpv"] > 0:
            bands[start, end] = (anomaly.expected["tpv"], *_bounds(anomaly))
    return bands


def _bounds(anomaly: Anomaly) -> tuple[float, float]:
    return anomaly.lower["tpv"], anomaly.upper["tpv"]


def _nowcast(newest: Forecast | None, last: PlotInterval) -> Nowcast | None:
    """Return the nowcast of the running interval, where the newest forecast carries it."""
    now = None if newest is None else newest.nowcast
    if now is None or last.is_complete or now.window_start != last.start:
        return None
    return now


def _currency(payments: Sequence[Payment]) -> str:
    counts = Counter(payment.currency for payment in payments if payment.currency)
    return "+".join(currency for currency, _ in counts.most_common())


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: Any) -> datetime:
    return _EPOCH + timedelta(microseconds=int(micros))
