from datetime import UTC, datetime, timedelta

import pytest

from eddy.app.demo.episodes import Episodes
from eddy.app.demo.payments import PaymentIncident
from eddy.schemas.anomalies import Entity
from tests.unit.app.samples import anomaly

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HOUR_US = 3_600_000_000


def us(hour):
    return round(BEGIN.timestamp() * 1e6) + hour * HOUR_US


def told(op, hour, merchant="a", key="1"):
    start = BEGIN + timedelta(hours=hour)
    return anomaly(
        op=op,
        anomaly_id=key,
        episode_id=key,
        entity=Entity("merchant", merchant),
        window_start=start,
        window_end=start + timedelta(hours=2),
    )


def trouble(first, end, merchant="a", kind="dip", is_visible=True):
    return PaymentIncident(
        merchant=merchant,
        kind=kind,
        start_us=us(first),
        end_us=us(end),
        is_visible=is_visible,
    )


def heard(truth, *records, since=0):
    episodes = Episodes(truth, us(since))
    for record in records:
        episodes.take(record)
    return episodes


def test_nothing_told_is_no_score():
    score = heard([]).score(us(100))
    assert (score.recall, score.precision) == (None, None)


def test_an_incident_is_missed_only_when_its_interval_could_have_been_told():
    episodes = heard([trouble(10, 14)])
    assert episodes.score(us(16)).visible == 0
    assert episodes.missed(us(16)) == {}
    assert episodes.score(us(17)).recall == 0.0
    assert episodes.missed(us(17)) == {"dip": 1}


@pytest.mark.parametrize(
    ("merchant", "first", "found"), [("a", 12, 1), ("a", 8, 0), ("a", 14, 0), ("b", 12, 0)]
)
def test_found_is_an_episode_of_that_merchant_at_that_time(merchant, first, found):
    records = told("open", first, merchant), told("close", first + 2, merchant)
    score = heard([trouble(10, 14)], *records).score(us(100))
    assert (score.found, score.visible, score.false) == (found, 1, 1 - found)
    assert (score.recall, score.precision) == (found, found)


def test_an_episode_reaches_to_the_interval_that_ended_it():
    records = told("open", 4), told("update", 6), told("close", 10)
    assert heard([trouble(9, 12)], *records).score(us(100)).found == 1
    assert heard([trouble(10, 12)], *records).score(us(100)).found == 0


def test_an_open_episode_reaches_to_now():
    episodes = heard([trouble(9, 12)], told("open", 4))
    assert episodes.open == 1
    assert episodes.score(us(8)).false == 1
    assert episodes.score(us(10)).found == 1
    assert episodes.kind(*episodes.latest(1), us(10)) == "dip"


def test_what_was_taken_back_was_never_said():
    episodes = heard([], told("open", 4), told("retract", 4))
    assert (episodes.opened, episodes.retracted, episodes.open) == (1, 1, 0)
    assert episodes.score(us(100)).episodes == 0


def test_what_nobody_can_see_is_neither_missed_nor_false():
    hidden = trouble(10, 14, is_visible=False)
    score = heard([hidden], told("open", 12), told("close", 14)).score(us(100))
    assert (score.visible, score.hidden, score.false, score.recall) == (0, 1, 0, None)


def test_episodes_of_the_history_do_not_count():
    records = told("open", 4), told("close", 6), told("open", 30, key="2")
    score = heard([], *records, since=24).score(us(100))
    assert (score.episodes, score.false) == (1, 1)


def test_the_latest_are_the_open_ones_and_then_those_that_are_over():
    records = [told("open", hour, key=str(hour)) for hour in (2, 4, 6, 8)]
    over = [told("close", hour + 2, key=str(hour)) for hour in (4, 8)]
    latest = heard([], *records, *over).latest(3)
    assert [one.newest.anomaly_id for one in latest] == ["6", "2", "8"]
    assert latest[-1].newest.op == "open"  # what ended it is an ordinary interval
