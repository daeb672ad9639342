from datetime import timedelta

from eddy.app.demo.episodes import EpisodeView, IncidentScore
from eddy.app.demo.payment_watch import PaymentFigures
from eddy.app.demo.payments_view import PaymentSummary, event_time, payment_words
from eddy.schemas.anomalies import Entity
from tests.unit.app.samples import THEN, anomaly

BEGIN = THEN.replace(minute=0, second=0)
BEGIN_US = round(BEGIN.timestamp() * 1e6)
SILENT = anomaly(
    domain="tpv",
    entity=Entity("merchant", "merchant-0000003"),
    actual={"tpv": 41.0, "payments": 2.0},
    expected={"tpv": 300.0},
    lower={"tpv": 120.0},
    upper={"tpv": 480.0},
    reasons=[],
    direction="below",
    window_start=BEGIN,
    window_end=BEGIN + timedelta(hours=2),
)
SCORE = IncidentScore(
    visible=3, found=2, hidden=1, episodes=4, false=1, recall=2 / 3, precision=0.75
)
PAYMENTS = PaymentFigures(
    event_time_us=BEGIN_US + 3 * 3_600_000_000,
    merchants=24,
    sent=12_000,
    judged=11_990,
    lag=10,
    opened=5,
    retracted=1,
    open=9,
    latest=[(EpisodeView(BEGIN_US, BEGIN_US, True, SILENT), "drop_out")] * 9,
    score=SCORE,
)
PAYMENT_SUMMARY = PaymentSummary(
    merchants=24,
    event_time_us=BEGIN_US,
    sent=12_000,
    judged=11_990,
    rejected={"empty": 10},
    unaccounted=0,
    opened=5,
    retracted=1,
    open=2,
    score=SCORE,
    missed={"dip": 1},
    first_episode_s=12.34,
)


def test_one_line_tells_how_payments_stand():
    text = payment_words(PAYMENTS)
    assert "\n" not in text
    for part in ("2026-01-02 06:00", "judged=11,990", "open=9", "found=2/3", "false=1 of 4"):
        assert part in text, part


def test_before_the_first_payment_there_is_no_event_time():
    assert event_time(0) == "–"
    assert "payments to –" in payment_words(PaymentFigures())


def test_the_summary_tells_what_was_missed_and_what_nobody_could_see():
    rows = dict(PAYMENT_SUMMARY.rows())
    assert rows["missed"] == "1 (dip 1)"
    assert rows["incidents"].startswith("3, and 1 too small")
    assert rows["rejected"] == "10 (empty 10)"
    assert rows["first one seen after"] == "12.3 s"
