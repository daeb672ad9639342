"""Every judged event on its own topic, exactly once, on quiet days and on bad ones."""

import random
import time

import msgspec
import pytest

from eddy.schemas.scored import Scored
from eddy.streams.reading import TopicReader
from tests.support.toy_world import World, _value

decode = msgspec.json.Decoder(Scored).decode


@pytest.fixture
def world(kafka, tmp_path):
    with World(kafka.bootstrap, tmp_path) as world:
        yield world


def verify_scored(world: World) -> None:
    """Hold every scored event against what was sent: none lost, none doubled, none changed."""
    reader, found = TopicReader(world.connection), {}
    for record in reader.read(world.topics.scored):
        scored = decode(record.value or b"")
        place = (scored.source.partition, scored.source.offset)
        assert place not in found, f"{place} was published twice"
        assert record.key == b"key"
        assert scored.source.topic == world.topics.events
        assert scored.model.name == "toy"
        found[place] = (bytes(scored.event), scored.verdict, scored.score)
    reader.close()
    flagged = {(a.source.partition, a.source.offset): a.score for a in world.anomalies()}
    valid = {
        (partition, offset): record
        for partition, sent in world.sent.items()
        for offset, record in enumerate(sent)
        if _value(record) is not None
    }
    assert {place: event for place, (event, _, _) in found.items()} == valid
    said = {place: score for place, (_, verdict, score) in found.items() if verdict == "anomaly"}
    assert said == flagged


@pytest.mark.parametrize("reader", ["native", "portable"])
def test_every_judged_event_is_published_once(world, reader):
    world.send(1_500, lambda number: b"bad" if number % 100 == 0 else None)
    detector = world.start(engine={"reader": reader, "publish_scored": True})
    world.drain()
    assert detector.stop() == 0
    world.verify()
    verify_scored(world)


def test_kill_9_loses_and_doubles_no_scored_event(world):
    world.send(5_000)
    slow = {"batch_size": 200, "publish_scored": True}
    hits, rng = 0, random.Random(11)
    while hits < 2:
        detector = world.start(engine=slow, policy={"pause_s": 0.005})
        before = world.lag()
        world.progress_to(before - 1)
        time.sleep(rng.uniform(0.0, 0.3))
        hits += world.lag() > 0
        detector.kill()
        world.send(2_000)
    detector = world.start(engine={"publish_scored": True})
    world.drain()
    assert detector.stop() == 0
    world.verify()
    verify_scored(world)
