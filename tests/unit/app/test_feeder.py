import time
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from eddy.app.simulate.feeder import Feeder, FeedOptions, Shares, busyness, rides

BUSY = datetime(2026, 1, 5, 17, 20, tzinfo=UTC)  # a Monday
QUIET = datetime(2026, 1, 5, 3, 20, tzinfo=UTC)
NONE = Shares(anomalies=0, late=0, duplicates=0, malformed=0)


class Sender:
    def __init__(self):
        self.sent, self.flushed = [], 0

    def send(self, topic, value, key=None):
        self.sent.append((topic, value, key))

    def poll(self):
        pass

    def flush(self):
        self.flushed += 1


def feed(**changes):
    fields = {"seed": 7, "rate": 1_000.0, "start": BUSY, "rides": 5_000, "shares": NONE}
    return FeedOptions(**{**fields, **changes})


def moment(record):
    return datetime.fromtimestamp(record.occurred_at_us / 1e6, UTC)


@pytest.mark.parametrize("start", [BUSY, QUIET])
def test_event_time_keeps_pace_with_the_clock(start):
    """Whatever the hour: a stream that outran the clock would be rejected as from the future."""
    sent = list(rides(feed(start=start)))
    assert len(sent) == 5_000
    for number, record in islice(enumerate(sent), 0, None, 500):
        assert abs(moment(record) - start - timedelta(seconds=number / 1_000)).total_seconds() < 2


def test_event_time_keeps_pace_beyond_the_hour():
    start = datetime(2026, 1, 5, 3, 59, 58, tzinfo=UTC)
    sent = list(rides(feed(start=start, rides=8_000)))
    assert abs(moment(sent[-1]) - start - timedelta(seconds=8)).total_seconds() < 2
    assert len({record.event_id for record in sent}) == 8_000


def test_same_seed_same_records():
    shares = Shares(anomalies=0.1, late=0.1, duplicates=0.1, malformed=0.1)
    assert list(rides(feed(shares=shares))) == list(rides(feed(shares=shares)))
    assert list(rides(feed(shares=shares))) != list(rides(feed(shares=shares, seed=8)))


def test_without_a_number_it_goes_on():
    assert len(list(islice(rides(feed(rides=None)), 20_000))) == 20_000


def test_a_week_is_neither_busy_nor_quiet_on_average():
    hours = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(hours=h) for h in range(168)]
    assert sum(map(busyness, hours)) / 168 == pytest.approx(1, abs=0.01)


def test_counts_what_it_sends():
    shares = Shares(anomalies=0.1, late=0.1, duplicates=0.1, malformed=0.1)
    records = list(rides(feed(rides=2_000, shares=shares)))
    seen, sender = [], Sender()
    feeder = Feeder(sender, "events.rides", 1e9, seen.append)
    feeder.run(iter(records), lambda: False)
    assert seen == records
    assert feeder.sent == len(sender.sent) == len(records)
    assert sender.sent[0] == ("events.rides", records[0].payload, records[0].key)
    assert feeder.counts["duplicates"] == sum(record.duplicate for record in records)
    assert feeder.counts["malformed"] == sum(record.malformed is not None for record in records)
    assert 100 < feeder.counts["anomalies"] < 300
    assert sender.flushed == 1


def test_keeps_the_rate():
    feeder = Feeder(Sender(), "t", 1_000.0)
    begin = time.monotonic()
    feeder.run(rides(feed(rides=500)), lambda: False)
    assert 0.4 < time.monotonic() - begin < 3


def test_stops_at_once_however_slow_the_rate():
    feeder = Feeder(Sender(), "t", 0.001)
    begin = time.monotonic()
    feeder.run(rides(feed(rides=5)), lambda: time.monotonic() - begin > 0.3)
    assert time.monotonic() - begin < 2
    assert feeder.sent == 1
