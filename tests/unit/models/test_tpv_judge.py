from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from eddy.models.domains.tpv.domain import DOMAIN
from eddy.models.domains.tpv.policy import TpvPolicy
from eddy.models.judge import Events, Forecasting, Identity, TimedJudge
from eddy.schemas.columns import Program
from eddy.schemas.keys import hash_text
from eddy.schemas.payments import Payment

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)  # a Monday
HOURS = 6
NOW = datetime(2026, 6, 1, tzinfo=UTC)
IDENTITY = Identity("events.tpv", 2, "c0ffee")
POLICY = TpvPolicy(
    interval_s=HOURS * 3600, delay_s=60.0, lateness_s=HOURS * 3600, forecast_intervals=0
)
PROGRAM = Program.of(Payment)
DAYS = 35


def payment(day, hour, merchant, amount, **fields):
    at = BEGIN + timedelta(days=day, hours=hour)
    plain = {"kind": "sale", "status": "approved", "segment": "grocery"}
    return Payment(
        event_id=f"{merchant}-{day}-{hour}-{amount}",
        occurred_at=at,
        merchant_id=merchant,
        amount=amount,
        **(plain | fields),
    )


def ordinary(day, merchant, factor=1.0, hours=(1, 4, 7, 10, 13, 16, 19, 22)):
    """Payments of a day: more in the afternoon, some noise, the same for everybody."""
    rng = np.random.default_rng([day, hash_text(merchant) % 1000])
    for hour in hours:
        shape = 100 + 60 * np.sin((hour - 7) / 24 * 2 * np.pi)
        yield payment(day, hour, merchant, round(factor * shape * rng.uniform(0.9, 1.1), 2))


def stream(days=DAYS, merchants=("a", "b", "c"), change=lambda day, merchant, made: made):
    for day in range(days):
        made = [p for m in merchants for p in change(day, m, list(ordinary(day, m)))]
        yield from sorted(made, key=lambda p: p.occurred_at)


def events(payments, first=0):
    payments = list(payments)
    n = len(payments)
    return Events(
        offsets=np.arange(first, first + n),
        occurred_at=np.array([round(p.occurred_at.timestamp() * 1e6) for p in payments], np.int64),
        values=np.array(
            [[getattr(p, k) for k in PROGRAM.numbers] for p in payments], float
        ).reshape(n, len(PROGRAM.numbers)),
        keys=np.array(
            [[hash_text(getattr(p, k) or "") for k in PROGRAM.keys] for p in payments], np.uint64
        ).reshape(n, len(PROGRAM.keys)),
        event=lambda i: payments[i],
    )


def fresh(**policy):
    chosen = msgspec.structs.replace(POLICY, **policy)
    return DOMAIN.build_judge(chosen, DOMAIN.default_model(), IDENTITY)


def said(verdicts):
    return verdicts.anomalies(range(len(verdicts.flagged)), NOW)


def idle(judge, intervals):
    """Let intervals pass without payments."""
    found, end = [], judge.watermark_us + intervals * HOURS * 3_600_000_000
    while judge.due_us <= end:
        found += said(judge.advance(judge.due_us))
    return found


def told(anomalies):
    return [(a.op, a.entity.id, (a.window_start - BEGIN) / timedelta(days=1)) for a in anomalies]


def dip_on(days, merchant="b", factor=0.2):
    def change(day, name, made):
        if day in days and name == merchant:
            return [msgspec.structs.replace(p, amount=p.amount * factor) for p in made]
        return made

    return change


@pytest.fixture(scope="module")
def trained():
    judge = fresh()
    assert said(judge.judge(events(stream(28)))) == []
    return judge.snapshot()


def resumed(trained, **policy):
    judge = fresh(**policy)
    judge.restore(trained)
    return judge


def later(change=lambda day, merchant, made: made, days=range(28, 32)):
    every = list(stream(32, change=change))
    return [p for p in every if (p.occurred_at - BEGIN).days in days]


def test_ordinary_weeks_are_no_news(trained):
    assert said(resumed(trained).judge(events(later()))) == []


def test_a_dip_is_an_episode_that_opens_and_closes(trained):
    found = said(resumed(trained).judge(events(later(dip_on({29})))))
    assert told(found)[0] == ("open", "b", 29.0)
    assert told(found)[-1] == ("close", "b", 30.0)
    assert {op for op, _, _ in told(found)} <= {"open", "update", "close"}
    first = found[0]
    assert first.direction == "below"
    assert first.actual["tpv"] < first.lower["tpv"] <= first.expected["tpv"]
    assert first.window_end - first.window_start == timedelta(hours=HOURS)
    assert len({a.anomaly_id for a in found}) == 1
    assert all(a.episode_id == a.anomaly_id for a in found)


def test_a_merchant_that_stops_is_told_of_when_others_go_on(trained):
    def stops(day, merchant, made):
        return [] if merchant == "b" and day >= 29 else made

    found = said(resumed(trained).judge(events(later(stops))))
    assert told(found)[0] == ("open", "b", 29.0)
    assert "silence" in found[0].labels
    assert found[0].actual == {"tpv": 0.0, "payments": 0.0}


def test_silence_is_noticed_without_any_payment(trained):
    judge = resumed(trained)
    judge.judge(events(later(days={28})))
    assert isinstance(judge, TimedJudge)
    found = idle(judge, 3)
    assert {(op, who) for op, who, _ in told(found)} >= {("open", m) for m in "abc"}
    assert all("silence" in a.labels for a in found)
    assert 0 < judge.due_us - judge.watermark_us <= HOURS * 3_600_000_000 / 2


def test_a_late_payment_takes_an_alarm_back(trained):
    judge = resumed(trained)
    (gone,) = [p for p in later(days={29}) if p.merchant_id == "b" and p.occurred_at.hour == 7]
    kept = [p for p in later() if p.merchant_id != "b" or p.occurred_at < gone.occurred_at]
    also = [p for p in later(days={29}) if p.merchant_id == "b" and p.occurred_at.hour == 10]
    until = gone.occurred_at.replace(hour=12, minute=30)
    on_time = [p for p in kept if p.occurred_at < until] + [payment(29, 12.5, "a", 20.0)]
    (opened,) = said(judge.judge(events(sorted(on_time, key=lambda p: p.occurred_at))))
    assert (opened.op, opened.entity.id) == ("open", "b")
    found = said(judge.judge(events([gone, *also], first=10_000)))
    assert {a.anomaly_id for a in found} == {opened.anomaly_id}
    assert [a.op for a in found][-1] == "retract"
    assert all("late" in a.labels for a in found)


def test_refunds_count_against_and_what_was_declined_does_not(trained):
    def refunds(day, merchant, made):
        if day != 29 or merchant != "b":
            return made
        return [*made, *(msgspec.structs.replace(p, kind="refund") for p in made)]

    def declined(day, merchant, made):
        more = (msgspec.structs.replace(p, status="declined", amount=1e6) for p in made)
        return [*made, *more]

    found = said(resumed(trained).judge(events(later(refunds))))
    assert found[0].actual == {"tpv": pytest.approx(0.0, abs=1e-6), "payments": 4.0}
    assert said(resumed(trained).judge(events(later(declined)))) == []

    def all_declined(day, merchant, made):
        if day != 29 or merchant != "b":
            return made
        return [msgspec.structs.replace(p, status="declined") for p in made]

    (first, *_) = said(resumed(trained).judge(events(later(all_declined))))
    assert first.actual == {"tpv": 0.0, "payments": 0.0, "declined": 2.0}


def test_a_level_that_stays_is_no_alarm_for_ever():
    judge = fresh()
    shifted = stream(60, change=dip_on(range(30, 60), factor=3.0))
    found = said(judge.judge(events(shifted)))
    assert "level_shift" in {label for a in found for label in a.labels}
    last = {a.anomaly_id: a.op for a in found}
    assert set(last.values()) == {"close"}
    assert told(found)[-1][2] < 45


def test_directions_are_policy(trained):
    judge = resumed(trained, directions="above")
    assert said(judge.judge(events(later(dip_on({29}))))) == []
    assert said(judge.judge(events([]))) == []


def test_small_deviations_are_not_told(trained):
    judge = resumed(trained, min_absolute=10_000.0)
    assert said(judge.judge(events(later(dip_on({29}))))) == []


def test_forecasts_are_published_for_whom_something_is_known(trained):
    judge = resumed(trained, forecast_intervals=4, forecast_every=4)
    verdicts = judge.judge(events(later()))
    assert isinstance(verdicts, Forecasting)
    found = list(verdicts.forecasts())
    assert {f.merchant_id for f in found} == {"a", "b", "c"}
    assert all(len(f.points) == 4 for f in found)
    found = [f for f in found if f.nowcast is None]
    point = found[-1].points[0]
    assert 0 <= point.lower < point.expected < point.upper
    assert point.window_end - point.window_start == timedelta(hours=HOURS)
    assert found[-1].issued_at == point.window_start
    assert judge.judge(events([])).anomalies([], NOW) == []


def state_of(anomalies):
    """Fold what was told, the newest of an id replacing the others."""
    folded = {}
    for anomaly in anomalies:
        folded[anomaly.anomaly_id] = (anomaly.op == "retract", anomaly.op == "close")
    return {key: closed for key, (gone, closed) in folded.items() if not gone}


@pytest.mark.parametrize("seed", range(4))
def test_late_payments_change_nothing_in_the_end(trained, seed):
    rng = np.random.default_rng(seed)
    made = later(dip_on({29, 30}, factor=0.3))
    in_order = said(resumed(trained).judge(events(made)))
    late = [p.occurred_at + timedelta(hours=float(rng.uniform(0, 5.8))) for p in made]
    shuffled = [p for _, p in sorted(zip(late, made, strict=True), key=lambda pair: pair[0])]
    # time passes for both, so that every interval is closed
    out_of_order = resumed(trained)
    found = said(out_of_order.judge(events(shuffled)))
    straight = resumed(trained)
    whole = said(straight.judge(events(made)))
    assert whole == in_order
    for judge, heard in ((out_of_order, found), (straight, whole)):
        heard.extend(idle(judge, 3))
    assert state_of(found) == state_of(whole)
    assert out_of_order._tracker.open_episodes() == straight._tracker.open_episodes()


def test_batches_and_snapshots_change_nothing(trained):
    made = later(dip_on({29}))
    whole = said(resumed(trained).judge(events(made)))
    for size in (1, 7, 50):
        judge, found = resumed(trained), []
        for start in range(0, len(made), size):
            again = resumed(judge.snapshot())
            found += said(again.judge(events(made[start : start + size], first=start)))
            judge = again
        assert found == whole


def test_a_merchant_of_whom_little_is_known_must_be_far_off():
    judge = fresh(cold_start_score=1.0)
    found = said(judge.judge(events(stream(9, change=dip_on({8}, factor=30.0)))))
    assert found
    assert all("cold_start" in a.labels for a in found if a.entity.id == "b")


@pytest.mark.parametrize(
    ("key", "value"), [("interval_s", 7_000), ("timezone", "Mars/Base"), ("critical_score", 1.2)]
)
def test_settings_that_cannot_be_are_named(key, value):
    with pytest.raises(msgspec.ValidationError, match=key):
        msgspec.convert({key: value}, TpvPolicy)


def test_dates_that_nobody_means_do_no_harm(trained):
    odd = [msgspec.structs.replace(payment(0, 0, "a", 5.0), occurred_at=at) for at in ODD]
    judge = resumed(trained)
    assert said(judge.judge(events(odd))) == []
    made = later(dip_on({29}))
    assert said(judge.judge(events(made))) == said(resumed(trained).judge(events(made)))


ODD = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
]


def test_a_first_payment_long_ago_is_soon_over(monkeypatch):
    judge = fresh()
    judged = []
    monkeypatch.setattr(
        judge._tracker,
        "_judge",
        lambda window, do=judge._tracker._judge: judged.append(window) or do(window),
    )
    long_ago = msgspec.structs.replace(
        payment(0, 0, "a", 5.0), occurred_at=datetime(2001, 1, 1, tzinfo=UTC)
    )
    found = said(judge.judge(events([long_ago, *stream(3)])))
    assert judge.entities == 3
    assert len(judged) < (31 + 3 + 2) * 24 // HOURS  # a month of nothing, not the 25 years
    assert found == []


def test_very_many_payments_in_one_event_overflow_nothing(trained):
    judge = resumed(trained)
    many = [payment(28, 1, "a", 1.0, count=10**9) for _ in range(3)]
    refund = payment(28, 2, "a", 1.0, kind="refund")
    late = payment(28, 3, "a", 1.0, count=10**9)
    said(judge.judge(events([*many, refund, payment(28, 7, "b", 100.0), late])))
    found = said(judge.judge(events(later(days={29}), first=100)))
    assert all(a.actual["payments"] >= 0 for a in found)


def test_at_a_gap_of_the_clock_no_interval_is_forecast_that_does_not_exist():
    policy = msgspec.structs.replace(
        POLICY, interval_s=3600, timezone="Europe/Berlin", forecast_intervals=30, forecast_every=4
    )
    judge = DOMAIN.build_judge(policy, DOMAIN.default_model(), IDENTITY)
    start, gap = datetime(2025, 3, 26, tzinfo=UTC), datetime(2025, 3, 30, 1, tzinfo=UTC)
    made = [
        msgspec.structs.replace(p, occurred_at=start + (p.occurred_at - BEGIN)) for p in stream(5)
    ]
    verdicts = judge.judge(events(made))
    across = 0
    for forecast in verdicts.forecasts():
        spans = [(p.window_start, p.window_end) for p in forecast.points]
        across += spans[0][0] < gap < spans[-1][0]
        assert len(spans) == 30
        assert all(begin < end for begin, end in spans)
        assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert across > 10
