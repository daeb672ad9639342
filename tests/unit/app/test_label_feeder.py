import msgspec
import pytest

from eddy.app.simulate.feeder import Feeder
from eddy.app.simulate.label_feeder import LabelFeeder
from eddy.datasets.simulation.transactions.stream import TransactionSimulation, labels, simulate
from eddy.schemas.labels import Label
from tests.unit.app.test_feeder import Sender

FEW = TransactionSimulation(days=12, customers=60, compromised_card_rate=0.01)


@pytest.fixture(scope="module")
def sent():
    """Everything that was sent, in order."""
    sender = Sender()
    known = LabelFeeder(sender, "labels", labels(7, FEW))
    feeder = Feeder(sender, "events", 1e9, known.come_to)
    feeder.run(simulate(7, FEW), lambda: False)
    assert known.sent == len(sender.sent) - feeder.sent
    return sender.sent


def test_labels_stand_between_the_events_at_their_time(sent):
    records, newest, known_us = iter(simulate(7, FEW)), 0, 0
    for topic, value, key in sent:
        if topic == "events":
            record = next(records)
            assert (value, key) == (record.payload, record.key)
            newest = max(newest, record.occurred_at_us)
            assert known_us <= newest  # it was known when this happened
        else:
            label = msgspec.json.decode(value, type=Label)
            assert key.decode() == label.event_id
            known_us = round(label.labelled_at.timestamp() * 1e6)
            assert newest < known_us  # and not yet with the event before
    assert next(records, None) is None


def test_every_label_known_by_the_end_is_sent_and_no_other(sent):
    last_us = max(record.occurred_at_us for record in simulate(7, FEW))
    known = [label for at, label in labels(7, FEW) if at <= last_us]
    published = [
        msgspec.json.decode(value, type=Label) for topic, value, _ in sent if topic == "labels"
    ]
    assert published == known
    assert {label.verdict for label in published} == {"fraud", "genuine"}
    assert len(known) < len(list(labels(7, FEW)))


def test_no_label_comes_before_its_event(sent):
    seen = set()
    events = iter(simulate(7, FEW))
    for topic, value, _ in sent:
        if topic == "events":
            seen.add(next(events).event_id)
        else:
            assert msgspec.json.decode(value, type=Label).event_id in seen


def test_without_labels_nothing_is_sent():
    sender = Sender()
    known = LabelFeeder(sender, "labels", iter(()))
    known.come_to(next(simulate(7, FEW)))
    assert (known.sent, sender.sent) == (0, [])
