"""The sink on bad days: every run prints its seed and shows that the fault hit rows in flight.

The verdict is that of ``eddy lake check``, by ids: nothing missing, nothing twice after compaction.
Nobody lends a hand but ``eddy lake watch``.
"""

import json
import os
import random
import time

import pytest

from eddy.sandbox.server import Server
from tests.support.lake_sink import Load, SinkWorld, Watching, anomaly, encode, send, wait_for

SEED = int(os.environ.get("EDDY_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
RIDES = {"rides": {}}
SET_ASIDE = "eddy_lake_records_set_aside_total"


@pytest.fixture
def rng(record_property):
    print(f"seed {SEED} (EDDY_TEST_SEED={SEED} repeats it)")
    record_property("seed", SEED)
    return random.Random(SEED)


@pytest.fixture
def shared_world(kafka, connect, object_store, tmp_path):
    """On the session's servers; who kills one starts it again."""
    with SinkWorld(kafka, connect.url, object_store, tmp_path, RIDES) as world:
        world.feed()
        yield world


@pytest.fixture
def own_world(own_broker, own_connect, own_store, tmp_path):
    with SinkWorld(own_broker, own_connect.url, own_store, tmp_path, RIDES) as world:
        world.feed()
        yield world


def poison() -> list[bytes]:
    """Return records that a connector cannot write, and that nobody but a stranger sends."""
    plain = json.loads(encode(anomaly("rides", 10**6)))
    return [
        json.dumps({**plain, "score": "abc"}).encode(),
        json.dumps({**plain, "occurred_at": "yesterday"}).encode(),
        json.dumps({**plain, "entity": "vendor-1"}).encode(),
        b'"a word"',
        b"{not json",
    ]


def in_flight(world: SinkWorld, load: Load) -> int:
    """Return how many records of the load are in no table."""
    return load.committed - len(world.rows("anomaly_changes_rides"))


def wait_until_in_flight(world: SinkWorld, load: Load) -> None:
    wait_for(lambda: load.committed > 0 and in_flight(world, load) > 0, "rows are in flight")


def crash(server: Server, rng: random.Random) -> None:
    server.kill()
    time.sleep(rng.uniform(0.0, 1.0))
    server.start()


def settle(world: SinkWorld, load: Load, what: str, *, bad: int, limit_s: float = 120) -> None:
    """Wait until all is in the tables, compact, and hold both states against the topics."""
    load.join()
    ended = time.monotonic()
    before = {one.table: one for one in world.drain(limit_s).tables}
    seconds = time.monotonic() - ended
    world.compact()
    after = world.check(is_compacted=True)
    assert after.problems() == []
    changes = before["anomaly_changes_rides"]
    print(
        f"{what}: {changes.records} records, {bad} bad, seed {SEED}: {after.missing} missing, "
        f"{changes.duplicates} twice before compaction and {after.duplicates} after, "
        f"caught up {seconds:.1f} s after the last record"
    )
    assert changes.set_aside == bad
    assert changes.records == load.committed + bad
    folded = next(one for one in after.tables if one.table == "anomalies_rides")
    assert folded.rows == len({row["anomaly_id"] for row in world.rows("anomaly_changes_rides")})


def test_the_worker_is_killed_while_poison_is_in_the_topic(shared_world, connect, rng):
    world, bad = shared_world, poison()
    with Watching(world) as watching, Load(world, "rides", seconds=4) as load:
        wait_until_in_flight(world, load)
        send(world, world.topics["rides"].anomalies, bad, partition=rng.randrange(2))
        time.sleep(rng.uniform(0.0, 1.0))
        wait_until_in_flight(world, load)
        crash(connect, rng)
        settle(world, load, "worker killed once, poison", bad=len(bad))
        assert watching.counted(SET_ASIDE) >= 3


@pytest.mark.chaos_long
@pytest.mark.timeout(600)
def test_the_worker_is_killed_three_times(own_world, own_connect, rng):
    with Watching(own_world), Load(own_world, "rides", seconds=75) as load:
        for _ in range(3):
            time.sleep(rng.uniform(6.0, 10.0))
            wait_until_in_flight(own_world, load)
            crash(own_connect, rng)
        settle(own_world, load, "worker killed three times", bad=0)


@pytest.mark.chaos_long
@pytest.mark.timeout(600)
def test_the_worker_is_killed_right_after_its_first_rows(own_world, own_connect, rng):
    """Where the coordinator's group has no offsets yet, these rows are the ones that are lost."""
    with Watching(own_world), Load(own_world, "rides", seconds=10) as load:
        client, name = own_world.client, own_world.connectors[0].name
        wait_for(lambda: bool(client.offsets(name)), "the first offsets")
        crash(own_connect, rng)
        settle(own_world, load, "worker killed after its first rows", bad=0)


@pytest.mark.chaos_long
@pytest.mark.timeout(600)
def test_the_broker_is_restarted_and_killed(own_world, own_broker, rng):
    with Watching(own_world), Load(own_world, "rides", seconds=60) as load:
        time.sleep(rng.uniform(6.0, 10.0))
        wait_until_in_flight(own_world, load)
        own_broker.broker.restart()
        time.sleep(rng.uniform(8.0, 12.0))
        wait_until_in_flight(own_world, load)
        own_broker.broker.kill()
        time.sleep(rng.uniform(0.5, 3.0))
        own_broker.broker.start()
        settle(own_world, load, "broker restarted, then killed", bad=0)


@pytest.mark.chaos_long
@pytest.mark.timeout(900)
def test_the_store_is_away_for_two_minutes(own_world, own_store, rng):
    bad = poison()[:2]
    with Watching(own_world), Load(own_world, "rides", seconds=150, rate=150) as load:
        time.sleep(rng.uniform(6.0, 10.0))
        wait_until_in_flight(own_world, load)
        own_store.server.kill()
        time.sleep(20)
        send(own_world, own_world.topics["rides"].anomalies, bad)
        time.sleep(100)
        own_store.server.start()
        settle(own_world, load, "store away for 120 s, poison", bad=len(bad), limit_s=240)


@pytest.mark.chaos_long
@pytest.mark.timeout(600)
def test_poison_again_and_again(own_world, rng):
    topic, bad = own_world.topics["rides"].anomalies, 0
    with Watching(own_world) as watching, Load(own_world, "rides", seconds=40) as load:
        while not load.is_done.wait(rng.uniform(3.0, 8.0)):
            record = rng.choice(poison())
            send(own_world, topic, [record], partition=rng.randrange(2))
            bad += 1
        settle(own_world, load, "poison again and again", bad=bad, limit_s=240)
        assert bad >= 4
        assert watching.counted(SET_ASIDE) >= 1
