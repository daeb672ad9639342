"""The demo's card transactions: what is fed, and how the page and the summary tell of them."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from eddy.app.demo.transaction_watch import TransactionFigures, TransactionWatch
from eddy.app.demo.transactions import TransactionFeed
from eddy.app.demo.transactions_view import TransactionSummary, false_alarms, transaction_words
from eddy.app.inspect.scrape import Scrape
from eddy.app.settings import Settings
from eddy.app.simulate.label_feeder import LabelFeeder
from eddy.app.simulate.tally import Score
from eddy.schemas.anomalies import Entity
from eddy.schemas.topics import domain_topics
from tests.unit.app.samples import anomaly
from tests.unit.app.test_feeder import Sender

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
END_US = round(END.timestamp() * 1e6)
DAY_US = 86_400_000_000
FEED = TransactionFeed(seed=7, end=END, history_days=14, days=14, cards=60)

FRAUD = anomaly(
    domain="transactions",
    entity=Entity("card", "card-0000042"),
    event_id="transaction-h-12",
    occurred_at=END,
)
SCORE = Score(injected=20, found=15, flagged=18, precision=15 / 18, recall=0.75)
FIGURES = TransactionFigures(
    event_time_us=END_US,
    cards=300,
    sent=24_000,
    judged=23_900,
    rejected=24,
    lag=76,
    anomalies=30,
    labels=4_321,
    score=SCORE,
    latest=[(FRAUD, "compromised_card"), (FRAUD, None)] * 9,
)
TRANSACTION_SUMMARY = TransactionSummary(
    cards=300,
    event_time_us=END_US,
    sent=24_000,
    judged=23_976,
    rejected={"empty": 24},
    unaccounted=0,
    labels=4_321,
    anomalies=30,
    score=SCORE,
    missed={"compromised_terminal": 5},
    first_anomaly_s=12.34,
)


def test_no_transaction_lies_in_the_future():
    times = [record.occurred_at_us for record in FEED.records()]
    assert END_US - DAY_US < max(times) < END_US
    assert END_US - 28 * DAY_US <= min(times) < END_US - 27 * DAY_US


def test_history_is_due_at_once_and_a_later_day_takes_its_seconds():
    quick_feed = msgspec.structs.replace(FEED, day_s=3.0)
    for record in quick_feed.records():
        late_days = (record.occurred_at_us - END_US) / DAY_US + 14
        assert abs(quick_feed.due_s(record) - max(0.0, 3 * late_days)) < 1e-6


def test_labels_are_those_of_the_transactions():
    events = {record.event_id: record for record in FEED.records()}
    labels = list(FEED.labels())
    assert {label.event_id for _, label in labels} <= events.keys()
    frauds = {name for name, record in events.items() if record.anomaly is not None}
    assert frauds <= {label.event_id for _, label in labels}


@pytest.fixture
def watch():
    """Is not started: it is told by hand."""
    nowhere = Settings(kafka={"bootstrap_servers": "127.0.0.1:1"})
    made = TransactionWatch(nowhere, domain_topics("transactions"), FEED)
    made.labels = LabelFeeder(Sender(), "labels", iter(()))
    return made


def test_only_what_comes_after_the_history_counts(watch):
    records = [record for record in FEED.records() if record.malformed is None]
    frauds = [record for record in records if record.anomaly is not None]
    for record in records:
        watch._on_send(record)
        watch.tally.judge(record.event_id, "normal")
    counted = [
        fraud_record.event_id
        for fraud_record in frauds
        if fraud_record.occurred_at_us >= FEED.history_end_us
    ]
    assert 0 < len(set(counted)) < len({fraud_record.event_id for fraud_record in frauds})
    assert watch.event_time_us == max(record.occurred_at_us for record in records)
    score = watch.figures(Scrape()).score
    assert (score.injected, score.found, score.recall) == (len(set(counted)), 0, 0.0)
    assert sum(watch.tally.missed().values()) == score.injected


def test_precision_and_recall_are_of_published_anomalies(watch):
    fraud = next(
        fraud_record
        for fraud_record in FEED.records()
        if fraud_record.anomaly
        and not fraud_record.malformed
        and fraud_record.occurred_at_us >= FEED.history_end_us
    )
    watch._on_send(fraud)
    watch.tally.judge(fraud.event_id, "anomaly")
    then = datetime.fromtimestamp(fraud.occurred_at_us / 1e6, UTC)
    watch._take(msgspec.structs.replace(FRAUD, event_id=fraud.event_id, occurred_at=then))
    watch._take(msgspec.structs.replace(FRAUD, event_id="genuine", occurred_at=then))
    long_ago = then - timedelta(days=20)
    watch._take(msgspec.structs.replace(FRAUD, event_id="history", occurred_at=long_ago))
    seen = watch.figures(Scrape(judged=3, anomalies=3))
    assert (seen.score.precision, seen.score.recall) == (0.5, 1.0)
    assert [kind for _, kind in seen.latest] == [None, fraud.anomaly]
    assert watch.flagged == 3
    assert watch.first_anomaly is not None


def test_one_line_tells_how_they_stand():
    text = transaction_words(FIGURES)
    assert "\n" not in text
    parts = ("2026-03-01 12:00", "judged=23,900", "labels=4,321", "found=15/20", "false=3",
             "precision=0.833", "recall=0.750")  # fmt: skip
    for part in parts:
        assert part in text, part
    assert "cards to –" in transaction_words(TransactionFigures())


def test_false_alarms_are_what_was_flagged_and_is_no_fraud():
    assert false_alarms(SCORE) == 3
    assert false_alarms(TransactionFigures().score) == 0


def test_the_summary_tells_what_was_missed():
    rows = dict(TRANSACTION_SUMMARY.rows())
    assert rows["missed"] == "5 (compromised_terminal 5)"
    assert rows["rejected"] == "24 (empty 24)"
    assert rows["precision"] == "0.833, 3 false alarms"
    assert rows["first one seen after"] == "12.3 s"
