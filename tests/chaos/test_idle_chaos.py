"""Time that passes without events, and kill -9 in the middle of it."""

import os
import random
import shutil
from datetime import UTC, datetime, timedelta

import confluent_kafka as ck
import pytest

from eddy.streams.idle_clock import Tick, note_in
from eddy.streams.sender import Sender
from tests.support.toy_world import World

SEED = int(os.environ.get("EDDY_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS = {"engine": {"idle_after_s": 0.5}, "policy": {"interval_s": 1.0}}
PARTITIONS, ROUNDS, LATE = 2, 4, 3


def send(world: World, second: float, count: int) -> None:
    sender = Sender(world.connection)
    at = (BEGIN + timedelta(seconds=second)).isoformat()
    for partition in range(PARTITIONS):
        for _ in range(count):
            payload = b'{"event_id":"t","occurred_at":"%s","value":1}' % at.encode()
            sender.send(world.topics.events, payload, b"key", partition)
    sender.flush()


def closed(world: World) -> dict[int, list[tuple[int, float, float]]]:
    """Return (second, count, late) of every published interval by partition, as published."""
    found: dict[int, list[tuple[int, float, float]]] = {n: [] for n in range(PARTITIONS)}
    for anomaly in world.anomalies():
        second = int((anomaly.occurred_at - BEGIN).total_seconds())
        count, late = anomaly.actual["count"], anomaly.actual["late"]
        found[anomaly.source.partition].append((second, count, late))
    return found


def ticks(world: World) -> list[Tick]:
    """Return the ticks that are kept with the committed offsets."""
    consumer = ck.Consumer({"bootstrap.servers": world.bootstrap, "group.id": world.prefix})
    places = [ck.TopicPartition(world.topics.events, n) for n in range(PARTITIONS)]
    notes = [place.metadata for place in consumer.committed(places, timeout=15)]
    consumer.close()
    return [tick for note in notes for tick in note_in(note or "").ticks]


@pytest.mark.chaos_long
@pytest.mark.timeout(180)
def test_intervals_close_without_events_and_a_kill_changes_nothing(
    kafka, tmp_path, record_property
):
    print(f"seed {SEED} (EDDY_TEST_SEED={SEED} repeats it)")
    record_property("seed", SEED)
    rng = random.Random(SEED)
    with World(kafka.bootstrap, tmp_path, PARTITIONS) as world:
        detector = world.start(**OPTIONS)
        for second in range(3):
            send(world, second + 0.5, count=5)
        for done in range(1, ROUNDS + 1):
            last = max((rows[-1][0] for rows in closed(world).values() if rows), default=0)
            wanted = last + rng.randint(2, 4)
            world.wait_for(
                lambda wanted=wanted: all(
                    rows and rows[-1][0] >= wanted for rows in closed(world).values()
                ),
                f"interval {wanted} closed without an event",
            )
            assert ticks(world), "the kill would not hit time that passed without events"
            detector.kill()
            if done % 2:
                shutil.rmtree(world.checkpoints)
            send(world, 0.5, LATE)
            detector = world.start(**OPTIONS)
            world.wait_for(
                lambda done=done: all(
                    rows[-1][2] == done * LATE for rows in closed(world).values()
                ),
                f"{done * LATE} late events counted",
            )
        assert detector.stop() == 0
        for rows in closed(world).values():
            assert [second for second, _, _ in rows] == list(range(len(rows)))  # none lost or twice
            assert sum(count for _, count, _ in rows) == 3 * 5
            assert rows[-1][2] == ROUNDS * LATE
