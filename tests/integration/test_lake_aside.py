"""Past poison: on a real broker and real tables, with a Connect cluster that only takes notes."""

import json
import uuid
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from eddy.app.lake import dead_letters as aside
from eddy.lake import catalog, tables
from eddy.lake.compaction.commits import OFFSETS, sink_properties
from eddy.lake.single_attempt import once
from eddy.lake.sink import repair
from eddy.lake.sink.connectors import SinkFeed, connectors
from eddy.lake.sink.failed_record import RecordPosition
from eddy.schemas.rides import Ride
from eddy.schemas.topics import domain_topics
from eddy.streams import topics as kafka_topics
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader
from eddy.streams.sender import Sender
from eddy.streams.topics import TopicSpec
from tests.support.lake_sink import anomaly, encode

CHANGES = tables.changes("rides")


@dataclass
class Notes:
    """What a Connect cluster was told."""

    moved: list[tuple[str, int, int]] = field(default_factory=list)

    def stop(self, name):
        pass

    def offsets(self, name):
        return {(topic, partition): offset for topic, partition, offset in self.moved}

    def alter_offset(self, name, *place):
        self.moved.append(place)

    def resume(self, name):
        pass


class World:
    """A topic of two partitions, its connector and its tables."""

    def __init__(self, bootstrap, config):
        names = domain_topics("rides", f"aside-{uuid.uuid4().hex[:8]}")
        self.connector = connectors(config, {"rides": SinkFeed(names, Ride)})[0]
        self.settings = SimpleNamespace(kafka=Connection(bootstrap), lake=config)
        self.topic = names.anomalies
        # as of a cluster that lets large records in
        wanted = [TopicSpec(self.topic, 2, {"max.message.bytes": "2100000"})]
        wanted += kafka_topics.sink_specs([], [self.connector.dead_letters])
        kafka_topics.create(self.settings.kafka, wanted)
        catalog.create(config, self.connector.tables)

    def send(self, partition, *values):
        sender = Sender(self.settings.kafka, message_max_bytes=2_100_000)
        for value in values:
            sender.send(self.topic, value, partition=partition)
        sender.flush()

    def copies(self):
        reader = TopicReader(self.settings.kafka)
        try:
            return list(reader.read(self.connector.dead_letters))
        finally:
            reader.close()

    def table(self):
        config = self.settings.lake
        return catalog.load(catalog.open_catalog(config), config, CHANGES)

    def offsets(self):
        """Return where the rows stand: partition and offset."""
        rows = self.table().scan().to_arrow().to_pylist()
        return sorted((row["kafka_partition"], row["kafka_offset"]) for row in rows)


@pytest.fixture
def world(kafka, lake_config):
    return World(kafka.bootstrap, lake_config)


def good(number, **fields):
    return encode(anomaly("rides", number, **fields))


def bad(filler=""):
    return json.dumps({**json.loads(good(99)), "score": "abc", "filler": filler}).encode()


def test_a_partition_that_grows_meanwhile_is_left_alone(world, monkeypatch):
    """Offset 2 of the other partition is good: it is not what is copied."""
    world.send(0, good(0), good(1), bad(), good(3))
    world.send(1, good(10))

    class Growing(TopicReader):
        def ranges(self, topic):
            found = super().ranges(topic)
            world.send(1, *map(good, range(11, 16)))
            return found

    monkeypatch.setattr(aside, "TopicReader", Growing)
    notes = Notes()
    moving = aside.DeadLetterHandler(world.settings, notes)
    assert moving.move_on(world.connector, RecordPosition(world.topic, 0, 2), "why") == 1
    assert notes.moved == [(world.topic, 0, 4)]
    assert world.offsets() == [(0, 0), (0, 1), (0, 3)]
    assert [one.value for one in world.copies()] == [bad()]


def test_the_largest_record_of_all_can_be_set_aside(world):
    large = bad("x" * 1_990_000)
    world.send(0, large)
    aside.DeadLetterHandler(world.settings, Notes()).move_on(
        world.connector, RecordPosition(world.topic, 0, 0), "why"
    )
    assert [one.value for one in world.copies()] == [large]


def test_a_commit_of_the_sink_in_between_keeps_its_offsets(world, monkeypatch):
    """The table is asked how far the sink is; then the sink commits; then the rows are written."""
    config, connector = world.settings.lake, world.connector
    rows = [aside.delivered(one) for one in sent(world, good(0), good(1))]
    name, table = f"{OFFSETS}group.topic", world.table()
    mine = repair.arrow_of(table.schema(), [repair.row_of(CHANGES, rows[0])])

    def sink_commits(offsets):
        once(world.table()).append(mine, snapshot_properties={name: offsets})

    sink_commits("old")
    raced = []

    def asked_too_early(table):
        found = sink_properties(table)
        if not raced and found.get(name) == "old":
            raced.append(True)
            sink_commits("new")
        return found

    monkeypatch.setattr(repair, "sink_properties", asked_too_early)
    repair.append(config, connector, rows)
    assert raced
    newest = world.table().current_snapshot().summary.additional_properties
    assert newest[name] == "new"
    assert world.offsets() == [(0, 0), (0, 0), (0, 0), (0, 1)]


def sent(world, *values):
    world.send(0, *values)
    reader = TopicReader(world.settings.kafka)
    try:
        return list(reader.read(world.topic))
    finally:
        reader.close()
