import json
import random
import re
import sys
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec
import pytest
from matplotlib.image import imread

from eddy.app.commands.tpv_plot import file_name
from eddy.app.plot.alarms import alarms_of
from eddy.app.plot.collecting import MerchantPayments
from eddy.app.plot.drawing import drawer, to_html, to_png
from eddy.app.plot.picture import View, picture
from eddy.schemas.anomalies import Entity, ModelRef, Source, interval_id
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.forecasts import Forecast, Nowcast
from eddy.schemas.payments import Payment
from eddy.streams.reading import TopicRecord
from tests.unit.app.samples import anomaly

DAY = datetime(2026, 1, 5, tzinfo=UTC)
HOURS_2 = timedelta(hours=2)
VIEW = View(interval_s=7200, timezone="UTC", coverage=0.95)


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


def payment(hours, amount=10.0, kind="sale", status="approved", **more):
    return Payment(
        event_id=f"{hours}-{amount}",
        occurred_at=at(hours),
        merchant_id="m-17",
        amount=amount,
        kind=kind,
        status=status,
        currency="EUR",
        **more,
    )


def forecast(issued, bands, nowcast=None):
    expected, lower, upper = (list(column) for column in zip(*bands, strict=True))
    return Forecast(
        merchant_id="m-17",
        issued_at=at(issued),
        source=Source("events.tpv", 0, 1),
        model=ModelRef("tpv", "1", ""),
        config_hash="",
        bounds=[at(issued) + n * HOURS_2 for n in range(len(bands) + 1)],
        expected=expected,
        lower=lower,
        upper=upper,
        nowcast=nowcast,
    )


def record(window, op="open", start=None, score=2.0, actual=3.0, **changes):
    identifier = interval_id("tpv", "forecast_band", "m-17", at(window if start is None else start))
    return anomaly(
        **{
            "anomaly_id": identifier,
            "domain": "tpv",
            "detector": "forecast_band",
            "entity": Entity("merchant", "m-17"),
            "op": op,
            "window_start": at(window),
            "window_end": at(window) + HOURS_2,
            "score": score,
            "severity": "warning",
            "direction": "below",
            "actual": {"tpv": actual, "payments": 1.0},
            "expected": {"tpv": 30.0},
            "lower": {"tpv": 20.0},
            "upper": {"tpv": 40.0},
            "labels": [],
            **changes,
        }
    )


def drawn(payments, until, forecasts=(), anomalies=(), view=VIEW):
    return picture("m-17", payments, at(until), forecasts, anomalies, view)


# -- actual ----------------------------------------------------------------------------------------


def test_bars_are_approved_sales_less_refunds_in_any_order():
    payments = [
        payment(0.5, 100.0),
        payment(1.9, 30.0, kind="refund"),
        payment(1.0, 999.0, status="declined"),
        payment(1.1, 999.0, kind="refund", status="reversed"),
        payment(2.0, 7.0, count=5),
        payment(5.99, 50.0),
    ]
    random.Random(3).shuffle(payments)
    got = drawn(payments, 6.0)
    assert [(interval.start, interval.actual, interval.payments) for interval in got.intervals] == [
        (at(0), 70.0, 2),
        (at(2), 7.0, 5),
        (at(4), 50.0, 1),
        (at(6), 0.0, 0),
    ]
    assert [interval.is_complete for interval in got.intervals] == [True, True, True, False]
    assert got.currency == "EUR"


def test_silence_is_zero_and_what_was_before_the_first_payment_is_not():
    got = drawn([payment(6.5)], 12.0, view=View(7200, "UTC", 0.95, start=at(2), stop=at(12)))
    assert [interval.actual for interval in got.intervals] == [None, None, 10.0, 0.0, 0.0]


def test_a_range_is_widened_to_whole_intervals_and_ends_where_payments_do():
    view = View(7200, "UTC", 0.95, start=at(3.5), stop=at(100))
    got = drawn([payment(1.0), payment(2.5), payment(4.5)], 5.0, view=view)
    assert [(interval.start, interval.actual) for interval in got.intervals] == [
        (at(2), 10.0),
        (at(4), 10.0),
    ]


def test_by_default_two_weeks_are_shown():
    got = drawn([payment(hours) for hours in range(0, 24 * 30)], 24 * 30 - 0.5)
    assert got.intervals[0].start == at(24 * 16 - 2)
    assert len(got.intervals) == 14 * 12 + 1


def test_intervals_are_cut_by_the_local_clock():
    """Berlin sets its clocks forward on 2026-03-29 at 02:00: that interval lasts an hour."""
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 3, 29, tzinfo=zone)
    view = View(7200, "Europe/Berlin", 0.95, start=start, stop=datetime(2026, 3, 30, tzinfo=zone))
    hours = [(start - DAY) / timedelta(hours=1) + n for n in range(24)]
    got = drawn([payment(hour) for hour in hours], hours[-1], view=view)
    lengths = [interval.end - interval.start for interval in got.intervals]
    assert lengths == [HOURS_2, HOURS_2 / 2, *[HOURS_2] * 10]
    assert [interval.payments for interval in got.intervals] == [2, 1, *[2] * 10]


def test_without_a_payment_it_says_when_there_was_one():
    view = View(7200, "UTC", 0.95, start=at(48))
    with pytest.raises(MissingResource, match=r"its last one is of 2026-01-05 03:00 UTC"):
        drawn([payment(1), payment(3)], 60, view=view)


# -- forecast --------------------------------------------------------------------------------------


def test_the_newest_published_band_counts_and_an_anomalys_own_before_it():
    got = drawn(
        [payment(hours, 25.0) for hours in (1, 3, 5, 7)],
        8,
        [
            forecast(0, [(20.0, 10.0, 30.0), (1.0, 0.0, 2.0), (1.0, 0.0, 2.0)]),
            forecast(2, [(22.0, 12.0, 32.0), (23.0, 13.0, 33.0)]),
        ],
        [record(4)],
    )
    bands = [(interval.expected, interval.lower, interval.upper) for interval in got.intervals]
    assert bands[:4] == [
        (20.0, 10.0, 30.0),
        (22.0, 12.0, 32.0),
        (30.0, 20.0, 40.0),
        (None, None, None),
    ]


def test_the_share_within_the_band_is_of_published_forecasts():
    bands = [(20.0, 10.0, 30.0), (20.0, 10.0, 30.0), (20.0, 10.0, 30.0), (20.0, 10.0, 24.0)]
    got = drawn(
        [payment(hours, 25.0) for hours in (1, 3, 5, 7, 9)],
        9.5,
        [forecast(0, bands)],
        [record(8, actual=25.0)],
    )
    assert got.inside == 0.75
    assert drawn([payment(1)], 4).inside is None


def test_what_is_ahead_begins_after_what_is_shown():
    running = Nowcast(at(4), at(6), at(4.5), 10.0, 44.0, 33.0, 55.0)
    points = [(30.0, 20.0, 40.0), (31.0, 21.0, 41.0), (32.0, 22.0, 42.0)]
    got = drawn([payment(1), payment(4.2)], 4.5, [forecast(4, points, running)])
    assert [(interval.window_start, interval.expected) for interval in got.ahead] == [
        (at(6), 31.0),
        (at(8), 32.0),
    ]
    assert got.intervals[-1].expected == 30.0
    assert got.nowcast == running
    assert drawn([payment(1)], 6.5, [forecast(4, points, running)]).nowcast is None


# -- alarms ----------------------------------------------------------------------------------------

SHOWN = [(at(hours), at(hours) + HOURS_2) for hours in range(0, 24, 2)]


def test_an_episode_is_one_alarm_up_to_the_interval_that_closed_it():
    [alarm] = alarms_of(
        [
            record(4, labels=["silence"]),
            record(6, "update", 4, score=5.0, severity="critical", labels=["silence", "late"]),
            record(10, "close", 4, score=0.1, severity="critical"),
        ],
        SHOWN,
    )
    assert (alarm.start, alarm.end, alarm.state) == (at(4), at(10), "closed")
    assert (alarm.score, alarm.severity, alarm.records) == (5.0, "critical", 3)
    assert alarm.labels == ("silence", "late")
    assert alarm.text == "critical 5.00 below silence late [closed]"


@pytest.mark.parametrize(
    ("records", "state", "span"),
    [
        ([record(4)], "open", (4, 24)),
        ([record(4), record(4, "retract")], "retracted", (4, 6)),
        # a late payment splits an episode: what is left begins after the interval it is told of
        ([record(4, start=6)], "open", (6, 24)),
        # opened and closed at once, by a late payment
        ([record(4), record(4, "close")], "closed", (4, 6)),
        # a confirmed level shift closes with an interval that was part of it
        ([record(4), record(8, "close", 4, labels=["level_shift"])], "closed", (4, 10)),
        # begun before what is shown
        ([record(-4), record(2, "close", -4)], "closed", (0, 2)),
    ],
)
def test_how_alarms_end(records, state, span):
    [alarm] = alarms_of(records, SHOWN)
    assert alarm.state == state
    assert (alarm.start, alarm.end) == (at(span[0]), at(span[1]))


def test_alarms_elsewhere_are_not_shown():
    assert alarms_of([record(-8), record(-4, "close", -8), record(24)], SHOWN) == ()


# -- reading ---------------------------------------------------------------------------------------


def kafka_record(value, partition=0, offset=0):
    return TopicRecord(
        "events.tpv", partition, offset, round(at(1000).timestamp() * 1e3), None, value
    )


def test_only_the_merchants_valid_payments_are_kept():
    mine, others = payment(1.0), msgspec.structs.replace(payment(7.0), merchant_id="m-18")
    silent = msgspec.structs.replace(payment(20.0), merchant_id="m-19")
    escaped = msgspec.json.encode(payment(2.0)).replace(b'"m-17"', b'"m-\\u0031\\u0037"')
    collected = MerchantPayments("m-17", max_skew_s=300.0)
    values = [mine, others, payment(1000.1)]  # the last is in the future of its record
    collected.add([*map(kafka_record, map(msgspec.json.encode, values)), kafka_record(escaped)])
    collected.add([kafka_record(b"{"), kafka_record(None)])
    collected.add([kafka_record(msgspec.json.encode(silent), partition=1)])
    assert [interval.occurred_at for interval in collected.payments] == [at(1), at(2)]
    # of the merchant's own partition
    assert collected.seen_until == at(7)


def test_a_merchant_nobody_paid_is_an_error():
    collected = MerchantPayments("m-18", max_skew_s=300.0)
    collected.add([kafka_record(msgspec.json.encode(payment(1.0)))])
    with pytest.raises(MissingResource, match="m-18: no payment"):
        _ = collected.seen_until


# -- drawing ---------------------------------------------------------------------------------------


def full(merchant="m-17"):
    payments = [payment(hours, 30.0 + hours % 7) for hours in range(1, 48)]
    bands = [(60.0, 40.0, 80.0)] * 30
    anomalies = [
        record(12, labels=["silence"]),
        record(16, "close", 12),
        record(24, severity="critical", score=3.21),
        record(28, "close", 24, severity="critical"),
        record(32, severity="info"),
        record(32, "retract", severity="info"),
    ]
    running = Nowcast(at(46), at(48), at(47), 37.0, 66.0, 50.0, 79.0)
    now = forecast(46, bands[:7], running)
    return picture(merchant, payments, at(47), [forecast(0, bands), now], anomalies, VIEW)


def near(image, colour, opacity):
    """Return the share of pixels that have a colour laid over white."""
    want = [1 - opacity * (1 - int(colour[n : n + 2], 16) / 255) for n in (1, 3, 5)]
    return float((abs(image[:, :, :3] - want).max(axis=2) < 0.02).mean())


def test_the_image_shows_the_series_and_the_alarms(tmp_path):
    to_png(full(), tmp_path / "full.png")
    image = imread(tmp_path / "full.png")
    assert image.shape == (760, 1600, 4)
    assert near(image, "#0072b2", 0.25) > 0.01, "the band"
    assert near(image, "#0072b2", 0.13) > 0.01, "the forecast ahead"
    assert near(image, "#e69f00", 0.22) > 0.005, "the warning"
    assert near(image, "#d55e00", 0.22) > 0.005, "the critical alarm"
    assert near(image, "#009e73", 1.0) > 1e-5, "the nowcast"
    assert near(image, "#cc79a7", 0.22) < 1e-4, "the retracted one is hollow"
    assert near(image, "#cc79a7", 1.0) > 1e-5

    to_png(drawn([payment(1)], 4), tmp_path / "bare.png")
    bare = imread(tmp_path / "bare.png")
    assert near(bare, "#0072b2", 0.25) == near(bare, "#e69f00", 0.22) == 0


def figure_of(page):
    data = re.search(
        r'Plotly\.newPlot\(\s*"tpv",\s*(\[.*\]),\s*(\{"template".*?\}),\s*\{', page, re.S
    )
    assert data is not None
    return json.loads(data[1])


def test_the_page_holds_every_series_and_tells_all_at_the_pointer(tmp_path):
    shown = full()
    to_html(shown, tmp_path / "full.html")
    text = (tmp_path / "full.html").read_text()
    assert "plotly.js v" in text  # needs nothing from elsewhere
    traces = {trace.get("name"): trace for trace in figure_of(text)}
    over = [interval.actual for interval in shown.intervals if interval.is_complete]
    assert traces["actual"]["y"][::2] == over
    assert traces["forecast, 95% band"]["y"][::2] == [
        interval.upper for interval in shown.intervals
    ]
    assert traces["forecast ahead: expected"]["y"][::2] == [60.0] * len(shown.ahead)
    hovers = dict(traces["intervals"]["customdata"])
    alarmed = hovers["2026-01-05 12:00"]
    for part in ("actual 71.00 EUR, 2 payments", "expected 30.00", "band 20.00 – 40.00"):
        assert part in alarmed
    assert "▼ warning 2.00 below silence [closed]" in alarmed
    assert "[closed]" not in hovers["2026-01-05 16:00"]
    assert "so far" in hovers["2026-01-06 22:00"]
    assert "nowcast 66.00 (50.00 – 79.00)" in hovers["2026-01-06 22:00"]


def test_the_band_of_the_page_is_not_filled_over_gaps(tmp_path):
    bands = [(30.0, 20.0, 40.0)] * 3
    payments = [payment(hours) for hours in range(0, 48, 2)]
    shown = drawn(payments, 48, [forecast(0, bands), forecast(24, bands)])
    to_html(shown, tmp_path / "gap.html")
    traces = [t for t in figure_of((tmp_path / "gap.html").read_text()) if "band" in t["name"]]
    lower, upper = traces[::2], [t for t in traces if t.get("fill") == "tonexty"]
    filled = [(t["x"][0][:13], t["x"][-1][:13]) for t in upper]
    assert filled == [("2026-01-05 00", "2026-01-05 06"), ("2026-01-06 00", "2026-01-06 06")]
    assert all(None not in t["y"] for t in upper)
    for below, above in zip(lower, upper, strict=False):
        assert below["x"] == above["x"]
    assert [t["showlegend"] for t in upper] == [True, False]


def test_what_a_merchant_is_called_is_no_markup(tmp_path):
    evil = "<script>alert(1)</script> $x_1$ \\"
    shown = full(evil)
    to_html(shown, tmp_path / "evil.html")
    assert "<script>alert" not in (tmp_path / "evil.html").read_text()
    to_png(shown, tmp_path / "evil.png")
    assert imread(tmp_path / "evil.png").shape == (760, 1600, 4)


def test_only_two_kinds_of_file_are_drawn(tmp_path):
    assert (drawer(tmp_path / "x.PNG"), drawer(tmp_path / "x.html")) == (to_png, to_html)
    with pytest.raises(ConfigError, match=r"x.pdf: the name must end in .png or .html"):
        drawer(tmp_path / "x.pdf")


@pytest.mark.parametrize(("name", "library"), [("x.png", "matplotlib"), ("x.html", "plotly")])
def test_without_the_extra_it_is_named(monkeypatch, tmp_path, name, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(ConfigError, match=rf"{library} is not installed.*eddy-stream\[plot\]"):
        drawer(tmp_path / name)


@pytest.mark.parametrize("name", ["x.png", "x.html"])
def test_a_folder_that_is_not_there_is_an_error(tmp_path, name):
    path = tmp_path / "none" / name
    with pytest.raises(MissingResource, match="No such file"):
        drawer(path)(full(), path)


@pytest.mark.parametrize(
    ("merchant", "name"),
    [("m-17", "m-17.png"), ("../../etc/x", "etc-x.png"), ("Café 1", "Caf-1.png"), ("..", None)],
)
def test_a_file_is_named_after_the_merchant_but_stays_here(merchant, name):
    assert file_name(merchant) == (name or "merchant.png")
