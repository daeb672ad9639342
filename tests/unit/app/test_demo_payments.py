from datetime import UTC, datetime
from itertools import islice

from eddy.app.demo.payments import PaymentFeed
from eddy.app.simulate.feeder import Feeder
from tests.unit.app.test_feeder import Sender

END = datetime(2026, 3, 1, 12, tzinfo=UTC)
END_US = round(END.timestamp() * 1e6)
DAY_US = 86_400_000_000


def feed(**changes):
    fields = {"seed": 7, "end": END, "history_days": 14, "days": 14, "merchants": 8}
    return PaymentFeed(**{"payments_per_day": 40.0, **fields, **changes})


def test_no_payment_lies_in_the_future():
    times = [record.occurred_at_us for record in feed().records()]
    assert END_US - DAY_US < max(times) < END_US
    assert END_US - 28 * DAY_US <= min(times) < END_US - 27 * DAY_US


def test_history_is_due_at_once_and_a_later_day_takes_its_seconds():
    quick_feed = feed(day_s=3.0)
    for record in quick_feed.records():
        late_days = (record.occurred_at_us - END_US) / DAY_US + 14
        assert abs(quick_feed.due_s(record) - max(0.0, 3 * late_days)) < 1e-6


def test_nothing_goes_wrong_in_the_history():
    truth = feed(merchants=200).truth()
    assert min(incident.start_us for incident in truth) >= END_US - 14 * DAY_US
    assert {incident.kind for incident in truth} == {"drop_out", "spike", "dip", "level_shift"}
    shifts = [incident for incident in truth if incident.kind == "level_shift"]
    assert all(incident.end_us - incident.start_us <= 2 * DAY_US for incident in shifts)


def test_the_small_cannot_be_seen():
    for merchants_are, share in ((0.5, 0.0), (5_000.0, 1.0)):
        truth = feed(merchants=50, payments_per_day=merchants_are).truth()
        assert sum(incident.is_visible for incident in truth) / len(truth) >= share - 0.1
        assert sum(incident.is_visible for incident in truth) / len(truth) <= share + 0.1


def test_the_feeder_sends_when_payments_say():
    records, sender = list(islice(feed().records(), 200)), Sender()
    asked = []
    feeder = Feeder(sender, "t", 1e-9, due_s=lambda record: asked.append(record) or 0.0)
    feeder.run(iter(records), lambda: False)
    assert feeder.sent == len(sender.sent) == 200  # whatever the rate
    assert asked == records
