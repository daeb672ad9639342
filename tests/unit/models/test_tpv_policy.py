"""The policy's exceptions, who has room, and what is said of the running interval."""

from datetime import UTC, date, datetime, timedelta

import msgspec
import numpy as np
import pytest

from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.models.domains.tpv.domain import DOMAIN
from eddy.models.domains.tpv.policy import FIXED, AlarmRule, Snooze, SpecialDays, TpvPolicy
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.judge import Events, Identity, Reconfigurable
from eddy.schemas.columns import Program
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.schemas.keys import hash_text
from eddy.schemas.payments import Payment
from eddy.training.tpv.warm_start import learn

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
NOW = datetime(2026, 6, 1, tzinfo=UTC)
IDENTITY = Identity("events.tpv", 0, "before")
POLICY = TpvPolicy(
    interval_s=6 * 3600,
    delay_s=0.0,
    lateness_s=3600.0,
    forecast_intervals=0,
    nowcast="none",
    min_relative=0.3,
)
PROGRAM = Program.of(Payment)
SHAPE = (60.0, 140.0, 200.0, 100.0)


def payment(day, hour, merchant, amount, segment="grocery"):
    return Payment(
        event_id=f"{merchant}-{day}-{hour}",
        occurred_at=BEGIN + timedelta(days=day, hours=hour),
        merchant_id=merchant,
        amount=float(amount),
        kind="sale",
        status="approved",
        segment=segment,
    )


def payments(merchants, days, factor=lambda merchant, day: 1.0):
    """Eight payments a day each, two in an interval, of which the second ends it."""
    rng = np.random.default_rng(7)
    made = []
    for day in days:
        for hour in range(0, 24, 3):
            for merchant in merchants:
                amount = SHAPE[hour // 6] * rng.uniform(0.95, 1.05) * factor(merchant, day)
                segment = "fuel" if merchant.startswith("f") else "grocery"
                made.append(payment(day, hour + 1, merchant, amount, segment))
    return made


def events(made, first=0):
    n = len(made)
    return Events(
        offsets=np.arange(first, first + n),
        occurred_at=np.array([round(p.occurred_at.timestamp() * 1e6) for p in made], np.int64),
        values=np.array([[getattr(p, k) for k in PROGRAM.numbers] for p in made], float),
        keys=np.array(
            [[hash_text(getattr(p, k) or "") for k in PROGRAM.keys] for p in made], np.uint64
        ),
        event=lambda i: made[i],
    )


def build(**policy):
    chosen = msgspec.structs.replace(POLICY, **policy)
    return DOMAIN.build_judge(chosen, DOMAIN.default_model(), IDENTITY)


def said(verdicts):
    return verdicts.anomalies(range(len(verdicts.flagged)), NOW)


@pytest.fixture(scope="module")
def trained():
    judge = build()
    assert said(judge.judge(events(payments(("a", "b", "f1"), range(28))))) == []
    return judge.snapshot()


def resumed(trained, **policy):
    judge = build(**policy)
    judge.restore(trained)
    return judge


def tripled(*days):
    return payments(
        ("a", "b", "f1"), range(28, 32), lambda merchant, day: 3.0 if day in days else 1.0
    )


def opened(anomalies):
    return {(a.entity.id, (a.window_start - BEGIN).days) for a in anomalies if a.op == "open"}


EVERYBODY = {("a", 29), ("b", 29), ("f1", 29)}


def test_without_exceptions_everybody_is_told_of(trained):
    verdicts = resumed(trained).judge(events(tripled(29)))
    assert opened(said(verdicts)) == EVERYBODY
    assert dict(verdicts.counts) == {}


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        ([AlarmRule(directions="below")], set()),
        ([AlarmRule(segments=["fuel"], directions="below")], EVERYBODY - {("f1", 29)}),
        ([AlarmRule(merchants=["a"], min_absolute=1e6)], EVERYBODY - {("a", 29)}),
        ([AlarmRule(merchants=["a", "b"], min_relative=9.0)], {("f1", 29)}),
        # the last one that concerns a merchant counts
        ([AlarmRule(min_relative=9.0), AlarmRule(merchants=["b"], min_relative=0.1)], {("b", 29)}),
        ([AlarmRule(merchants=["nobody"], min_relative=9.0)], EVERYBODY),
    ],
)
def test_rules_hold_for_whom_they_name(trained, rules, told):
    assert opened(said(resumed(trained, rules=rules).judge(events(tripled(29))))) == told


def test_a_snooze_holds_back_for_its_time_and_counts(trained):
    snooze = Snooze(
        merchants=["a"], begin=BEGIN + timedelta(days=29), end=BEGIN + timedelta(days=29, hours=12)
    )
    judge = resumed(trained, snoozes=[snooze])
    verdicts = judge.judge(events(tripled(29)))
    found = said(verdicts)
    begins = {a.entity.id: a.window_start for a in found if a.op == "open"}
    assert begins["b"] == snooze.begin
    assert begins["a"] == snooze.end
    assert verdicts.counts == {("suppressed", "snooze"): 2}


def test_what_is_held_back_can_be_published_marked(trained):
    snooze = Snooze(begin=BEGIN + timedelta(days=29), end=BEGIN + timedelta(days=29, hours=6))
    judge = resumed(trained, snoozes=[snooze], publish_suppressed=True)
    found = said(judge.judge(events(tripled(29))))
    marked = {a.window_start for a in found if a.suppressed_by == ["snooze"]}
    assert marked == {snooze.begin}
    assert opened(found) == EVERYBODY


def test_special_days_are_neither_told_nor_learned(trained):
    day = (BEGIN + timedelta(days=29)).date()
    calendar = SpecialDays(name="sale", segments=["grocery"], days=[day])
    with_sale = resumed(trained, calendars=[calendar])
    verdicts = with_sale.judge(events(tripled(29)))
    assert opened(said(verdicts)) == {("f1", 29)}
    assert verdicts.counts["suppressed", "calendar"] == 8
    ordinary = resumed(trained)
    ordinary.judge(events(tripled()))
    levels = [judge._tracker.forecaster.baseline.level()[:2] for judge in (with_sale, ordinary)]
    assert levels[0] == pytest.approx(levels[1], rel=0.02)


def test_a_policy_changes_while_the_judge_runs(trained):
    judge = resumed(trained)
    assert isinstance(judge, Reconfigurable)
    made = tripled(29, 31)
    middle = sum(p.occurred_at < BEGIN + timedelta(days=30, hours=12) for p in made)
    before = said(judge.judge(events(made[:middle])))
    assert {a.config_hash for a in before} == {"before"}
    policy = msgspec.structs.replace(POLICY, rules=[AlarmRule(merchants=["a"], directions="below")])
    judge.update_policy(policy, Identity("events.tpv", 0, "after"))
    after = said(judge.judge(events(made[middle:], first=middle)))
    assert opened(before) == EVERYBODY
    assert opened(after) == {("b", 31), ("f1", 31)}
    assert {a.config_hash for a in after} == {"after"}
    # the rules hold for who was restored, too
    again = DOMAIN.build_judge(policy, DOMAIN.default_model(), IDENTITY)
    again.restore(trained)
    assert opened(said(again.judge(events(tripled(29))))) == EVERYBODY - {("a", 29)}


def test_fixed_settings_are_settings():
    names = {field.name for field in msgspec.structs.fields(TpvPolicy)}
    assert names > FIXED


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"rules": [{"merchant": "a"}]}, "merchant"),
        ({"snoozes": [{"begin": "2026-01-01T00:00:00", "end": "2026-01-02T00:00:00Z"}]}, "begin"),
        ({"calendars": [{"name": "x", "days": ["2026-13-01"]}]}, "days"),
        ({"rules": [{}] * 65}, "rules, snoozes and calendars: at most 64"),
    ],
)
def test_exceptions_that_cannot_be_are_named(settings, named):
    with pytest.raises(msgspec.ValidationError, match=named):
        msgspec.convert(settings, TpvPolicy)


def test_toml_dates_are_days():
    made = msgspec.convert({"calendars": [{"name": "x", "days": [date(2026, 11, 27)]}]}, TpvPolicy)
    assert made.calendars[0].days == [date(2026, 11, 27)]


# -- room ------------------------------------------------------------------------------------------


def crowd(days, factor=lambda merchant, day: 1.0):
    """Two that have room, four that have none: three of one trade, one of another."""
    return payments(("a", "b", "c", "d", "e", "f1"), days, factor)


def test_those_without_room_are_judged_together_by_segment():
    judge = build(most_merchants=2)
    dips = crowd(range(32), lambda m, day: 0.1 if m in "cde" and day == 30 else 1.0)
    verdicts = judge.judge(events(dips))
    found = said(verdicts)
    assert {(a.entity.type, a.entity.id) for a in found if a.op == "open"} == {
        ("segment", "grocery")
    }
    first = found[0]
    assert first.window_start == BEGIN + timedelta(days=30)
    assert first.actual["payments"] == 6.0
    assert verdicts.counts["untracked", "pooled"] == 4 * 8 * 32
    assert judge.entities == 2


def test_a_segment_and_a_merchant_of_one_name_are_two():
    judge = build(most_merchants=1, min_relative=0.0)
    made = payments(("grocery", "x", "y"), range(31), lambda m, day: 0.05 if day == 29 else 1.0)
    found = [a for a in said(judge.judge(events(made))) if a.op == "open"]
    assert {a.entity.type for a in found} == {"merchant", "segment"}
    assert {a.entity.id for a in found} == {"grocery"}
    assert len({a.anomaly_id for a in found}) == 2


def test_who_was_silent_longest_makes_room():
    judge = build(most_merchants=3)
    old = payments(("a", "b", "c"), range(20))
    stays = payments(("a", "b"), range(20, 50))
    new = payments(("d",), range(35, 50))
    together = sorted([*stays, *new], key=lambda p: p.occurred_at)
    verdicts = judge.judge(events([*old, *together]))
    assert verdicts.counts["evicted", "silent"] == 1
    assert judge.entities == 3
    names = {judge.merchants.name(slot) for slot in range(3)}
    assert names == {"a", "b", "d"}
    found = said(verdicts)
    of_c = [a for a in found if a.entity.id == "c"]
    assert of_c[0].op == "open"
    assert of_c[-1].op == "close"
    assert "evicted" in of_c[-1].labels
    assert {a.entity.id for a in found} == {"c"}


def test_batches_and_snapshots_change_nothing_where_room_is_short():
    made = crowd(range(30), lambda m, day: 0.1 if m in "ce" and day in (27, 28) else 1.0)
    made = [p for p in made if not (p.merchant_id == "b" and p.occurred_at.day > 12)]
    late = [p for p in made if p.merchant_id in "df1"]
    made = [p for p in made if p.merchant_id not in "df1"] + late[-40:]
    settings = {"most_merchants": 2, "nowcast": "all", "lateness_s": 21_600.0}
    whole = build(**settings)
    verdicts = whole.judge(events(made))
    expected, forecasts = said(verdicts), list(verdicts.forecasts())
    tallies = dict(verdicts.counts)
    for size in (1, 13, 200):
        judge, found, ahead, counted = build(**settings), [], [], {}
        for start in range(0, len(made), size):
            again = build(**settings)
            again.restore(judge.snapshot())
            judge = again
            said_now = judge.judge(events(made[start : start + size], first=start))
            found += said(said_now)
            ahead += list(said_now.forecasts())
            for key, count in said_now.counts.items():
                counted[key] = counted.get(key, 0) + count
        assert found == expected
        assert ahead == forecasts
        assert counted == tallies
        assert judge.snapshot() == whole.snapshot()


# -- the running interval --------------------------------------------------------------------------


def test_the_running_interval_is_told_of_at_its_pauses(trained):
    judge = resumed(trained, nowcast="all", nowcasts_per_interval=1, forecast_intervals=3)
    made = [p for p in tripled() if p.occurred_at < BEGIN + timedelta(days=28, hours=17)]
    found = [f for f in judge.judge(events(made)).forecasts() if f.nowcast is not None]
    assert {f.merchant_id for f in found} == {"a", "b", "f1"}
    last = found[-1]
    now = last.nowcast
    assert now.window_start == BEGIN + timedelta(days=28, hours=12) == last.points[0].window_start
    assert now.as_of == last.issued_at == BEGIN + timedelta(days=28, hours=15)
    half = last.points[0].expected / 2
    assert now.observed == pytest.approx(200, rel=0.06)
    assert now.expected == pytest.approx(now.observed + half, abs=0.02)
    assert now.observed <= now.lower < now.expected < now.upper
    assert len(last.points) == 3


def test_only_who_will_leave_the_band_is_told_of(trained):
    judge = resumed(trained, nowcast="outside", nowcasts_per_interval=1)
    made = payments(("a", "b", "f1"), [28], lambda merchant, day: 5.0 if merchant == "b" else 1.0)
    found = list(judge.judge(events(made)).forecasts())
    assert {f.merchant_id for f in found} == {"b"}
    assert all(f.nowcast.lower > f.points[0].upper for f in found)


# -- history ---------------------------------------------------------------------------------------


def taught(folder, days):
    """Write what the first days teach, as `eddy tpv history` does."""
    made = payments(("a", "b", "f1"), range(days))
    names = ["a", "b", "f1"]
    net = np.zeros((days * 4, 3))
    counts = np.zeros((days * 4, 3), np.int64)
    for one in made:
        row = int((one.occurred_at - BEGIN) / timedelta(hours=6))
        net[row, names.index(one.merchant_id)] += one.amount
        counts[row, names.index(one.merchant_id)] += 1
    begin_us = round(BEGIN.timestamp() * 1e6)
    starts = begin_us + np.arange(days * 4) * 6 * 3_600_000_000
    segments = [("grocery", ""), ("grocery", ""), ("fuel", "")]
    totals = IntervalTotals(starts, names, net, counts, segments, "UTC", 6 * 3600)
    path = folder / "start.eddy"
    learn(totals, Forecaster(32, slots_per_day=4)).save(path)
    return str(path)


def test_a_new_deployment_that_was_told_the_history_is_not_cold(tmp_path):
    told, cold = build(start=taught(tmp_path, 28)), build()
    # the stream begins in the middle of an interval, which is therefore no whole one
    made = [p for p in tripled(29) if p.occurred_at > BEGIN + timedelta(days=28, hours=3)]
    found = said(told.judge(events(made)))
    assert opened(found) == EVERYBODY
    assert min(a.confidence for a in found) > 0.5
    assert {label for a in found for label in a.labels} == set()
    assert said(cold.judge(events(made))) == []


def test_what_the_history_holds_already_is_not_judged_again(tmp_path):
    judge = build(start=taught(tmp_path, 28))
    again = payments(("a", "b", "f1"), range(26, 31), lambda m, day: 3.0 if day in (26, 29) else 1)
    assert opened(said(judge.judge(events(again)))) == EVERYBODY


def test_another_history_is_another_configuration(tmp_path):
    for name, days in (("one", 20), ("two", 21)):
        (tmp_path / name).mkdir()
        taught(tmp_path / name, days)
    first, second = (
        msgspec.structs.replace(POLICY, start=str(tmp_path / name / "start.eddy"))
        for name in ("one", "two")
    )
    assert DOMAIN.contents(first) != DOMAIN.contents(second) != DOMAIN.contents(POLICY) == ""


def test_a_history_of_other_intervals_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="run `eddy tpv history` again"):
        build(start=taught(tmp_path, 20), interval_s=7_200)
    with pytest.raises(MissingResource, match="nowhere"):
        build(start=str(tmp_path / "nowhere.eddy"))


def test_late_payments_of_several_open_intervals_are_taken_in():
    """The lateness is longer than an interval: more than one may still change."""
    judge = build(interval_s=3600, lateness_s=3 * 3600.0)
    made = payments(("a", "b"), range(3))
    late = [payment(2, hour, "a", 100) for hour in (18.5, 20.5, 19.5)]
    verdicts = judge.judge(events([*made, *late]))
    assert verdicts.counts["late", "revised"] == 2
    assert verdicts.counts["late", "dropped"] == 1


def test_who_is_closed_at_night_is_no_news_and_forecast_so():
    judge = build(forecast_intervals=4, forecast_every=4)
    made = [p for p in payments(("a", "b"), range(21)) if 6 < p.occurred_at.hour < 18]
    verdicts = judge.judge(events(made))
    assert said(verdicts) == []
    found = list(verdicts.forecasts())
    assert len(found) >= 2 * 19
    # nobody pays at midnight: what would be told then is told with the first payment of the day
    assert {f.issued_at.hour for f in found} == {6}
    assert all(f.points[0].expected > 3 * f.points[3].expected for f in found[-2:])


# -- what a review found ---------------------------------------------------------------------------


def weeks_without_c(days=40, **policy):
    """Three have room; c stops, and is evicted when nobody takes the slot."""
    judge = build(most_merchants=3, **policy)
    made = payments(("a", "b", "c"), [0]) + payments(("a", "b"), range(1, days))
    judge.judge(events(made))
    assert judge.entities == 2
    return judge


@pytest.mark.parametrize("how", ["restored", "governed"])
def test_the_last_slot_may_be_free(how):
    judge = weeks_without_c()
    if how == "restored":
        again = build(most_merchants=3)
        again.restore(judge.snapshot())
        judge = again
    else:
        judge.update_policy(msgspec.structs.replace(POLICY, most_merchants=3), IDENTITY)
    found = said(judge.judge(events(payments(("a", "b"), [40, 41], lambda m, day: 3.0))))
    assert {a.entity.id for a in found if a.op == "open"} == {"a", "b"}


def test_who_takes_over_a_slot_is_not_judged_by_who_had_it():
    judge = weeks_without_c(lateness_s=6 * 3600.0)
    late = [payment(39, 14, "new", 3_000.0), payment(40, 1, "new", 3_000.0)]
    before = payments(("a", "b"), [40])[:2]
    found = said(judge.judge(events([*before, *late])))
    assert [a for a in found if a.entity.id == "new"] == []


@pytest.mark.parametrize("cut", [1, 2])
def test_where_a_stream_begins_does_not_depend_on_batches(cut):
    rows = [payment(0, 4.2, "a", 5.0), payment(0, -0.5, "a", 5.0)]
    rows += [payment(0, 4.3 + hour, "a", 5.0) for hour in range(20)]
    whole, parts = build(lateness_s=21_600.0), build(lateness_s=21_600.0)
    whole.judge(events(rows))
    parts.judge(events(rows[:cut]))
    parts.judge(events(rows[cut:], first=cut))
    assert parts.snapshot() == whole.snapshot()


def test_a_start_does_not_depend_on_batches(tmp_path):
    start = taught(tmp_path, 28)
    rows = [
        p for p in payments(("a", "b"), [28, 29]) if p.merchant_id == "a" or p.occurred_at.day > 2
    ]
    whole, parts = build(start=start), build(start=start)
    whole.judge(events(rows))
    for row in range(len(rows)):
        parts.judge(events(rows[row : row + 1], first=row))
    assert parts.snapshot() == whole.snapshot()


def test_late_rows_count_what_was_unpaid_up_to_them(trained):
    declined = [
        msgspec.structs.replace(payment(29, 14.5, "b", 5.0), status="declined", event_id=str(n))
        for n in range(4)
    ]
    made = [p for p in tripled() if p.occurred_at < BEGIN + timedelta(days=29, hours=18)]
    late = [payment(29, 15, "b", 4_000.0), *declined]
    end = payment(29, 18.1, "a", 100.0)
    whole, parts = (resumed(trained, lateness_s=7_200.0) for _ in range(2))
    rows = [*made, end, *late]
    expected = said(whole.judge(events(rows)))
    found = []
    for row in range(len(rows)):
        found += said(parts.judge(events(rows[row : row + 1], first=row)))
    assert found == expected
    assert next(a for a in expected if a.op == "open").actual["payments"] == 3.0
    assert "declined" not in expected[0].actual


def test_a_gap_tells_what_holds_after_it_once(trained):
    judge = resumed(trained, nowcast="all", forecast_intervals=4, forecast_every=1)
    verdicts = judge.judge(events([payment(33, 13, "a", 10.0)]))
    found = list(verdicts.forecasts())
    assert {f.issued_at for f in found} == {BEGIN + timedelta(days=33, hours=12)}
    assert len(found) == 3
