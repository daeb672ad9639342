"""The feed of labels: read once, by all judges, also where the topic is not what it was."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace

import msgspec
import pytest

from eddy.models.domains.transactions.domain import DOMAIN
from eddy.models.judge import Identity
from eddy.schemas.errors import MissingResource, Unavailable
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label
from eddy.streams import topics as kafka_topics
from eddy.streams.connection import Connection
from eddy.streams.label_updates import LabelUpdates
from eddy.streams.labels import LabelFeed
from eddy.streams.metrics import Metrics
from eddy.streams.sender import Sender

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class World:
    """A topic of labels of one's own, the feed, and a judge in a partition."""

    def __init__(self, kafka) -> None:
        self.connection = Connection(kafka.bootstrap)
        self.topic, self.metrics = kafka.topic(2, "labels"), Metrics()
        self.feed = LabelFeed(self.connection, self.topic, [DOMAIN.name], self.metrics)
        self.labelling = LabelUpdates(self.feed, self.metrics)

    def say(self, *labels: Label, partition: int = 0) -> None:
        sender = Sender(self.connection)
        for label in labels:
            payload = msgspec.json.encode(label)
            sender.send(self.topic, payload, (label.event_id or "").encode(), partition)
        sender.flush()

    def partition(self):
        """Return as much of a partition as labelling looks at."""
        policy = DOMAIN.policy_type()
        judge = DOMAIN.build_judge(policy, DOMAIN.default_model(), Identity("events", 0, "c0ffee"))
        lane = SimpleNamespace(domain=DOMAIN, policy=policy)
        return SimpleNamespace(judge=judge, lane=lane)

    def read(self, what: str) -> float:
        return self.metrics.feedback.labels(what)._value.get()


@pytest.fixture
def world(kafka):
    made = World(kafka)
    yield made
    made.labelling.close()


def fraud(event: str, **fields) -> Label:
    return Label(**({"event_id": event, "verdict": "fraud", "labelled_at": NOW} | fields))


def test_who_is_taken_over_catches_up_and_the_rest_comes_by_and_by(world) -> None:
    world.say(fraud("a"), fraud("b"))
    world.say(fraud("c"), partition=1)
    assert world.labelling.poll() == [], "nobody has caught up: nothing is to be read yet"
    first = world.partition()
    world.labelling.catch_up([first])
    assert dict(first.judge.label_offsets) == {0: 2, 1: 1}
    world.say(fraud("d"), fraud("e", domain="rides"), fraud("f", verdict="duplicate"))
    world.say(fraud("", event_id=None, anomaly_id="nobody knows"))
    ((domain, records),) = world.labelling.poll()
    assert (domain, records.labels.events.tolist()) == (DOMAIN.name, [hash_text("d")])
    assert world.labelling.poll() == []
    second = world.partition()
    world.labelling.catch_up([second])
    for partition in (first, second):  # the second knows it already: nothing is learned twice
        world.labelling.teach([partition], [(domain, records)])
        assert dict(partition.judge.label_offsets) == {0: 3, 1: 1}
    assert world.read("fraud") == 2
    assert world.read("unresolved") == 1


def test_a_topic_that_was_made_anew_is_read_from_its_beginning(world) -> None:
    world.say(*(fraud(f"old-{k}") for k in range(20)))
    partition = world.partition()
    world.labelling.catch_up([partition])
    assert partition.judge.label_offsets[0] == 20
    kafka_topics.delete(world.connection, [world.topic])
    end = time.monotonic() + 30
    while world.topic in kafka_topics.cluster_topics(world.connection):
        assert time.monotonic() < end
        time.sleep(0.1)
    kafka_topics.create(world.connection, [kafka_topics.TopicSpec(world.topic, 2)], 1)
    world.say(fraud("new"))
    found = []
    while not found:
        assert time.monotonic() < end
        found = world.labelling.poll()
    world.labelling.teach([partition], found)
    assert dict(partition.judge.label_offsets) == {0: 1}


def test_nobody_goes_on_without_the_labels(kafka) -> None:
    metrics = Metrics()
    feed = LabelFeed(Connection(kafka.bootstrap), "no.such.topic", [DOMAIN.name], metrics)
    labelling, world = LabelUpdates(feed, metrics), World(kafka)
    with pytest.raises(MissingResource):
        feed.ends()
    with pytest.raises(Unavailable, match="labels"):
        labelling.catch_up([world.partition()])
    labelling.close()
    world.labelling.close()
