"""The engine on bad days: every run prints its seed and shows that the fault hit work in flight."""

import os
import random
import time

import pytest

from tests.support.corpus import POISON
from tests.support.toy_world import World

SEED = int(os.environ.get("EDDY_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
# So that there is work in flight when the fault hits: 40,000 events a second.
SLOW = {"engine": {"batch_size": 200}, "policy": {"pause_s": 0.005}}


@pytest.fixture
def rng(record_property):
    print(f"seed {SEED} (EDDY_TEST_SEED={SEED} repeats it)")
    record_property("seed", SEED)
    return random.Random(SEED)


@pytest.fixture
def world(kafka, tmp_path):
    with World(kafka.bootstrap, tmp_path) as world:
        yield world


def kill_loop(world: World, rng: random.Random, kills: int) -> None:
    hits = 0
    for _ in range(kills * 3):
        detector = world.start(**SLOW)
        before = world.lag()
        world.progress_to(before - 1)
        time.sleep(rng.uniform(0.0, 0.4))
        behind = world.lag()
        detector.kill()
        hits += behind > 0
        if hits == kills:
            break
        if behind < 4_000:
            world.send(10_000)
    assert hits == kills, "the kills did not hit work in flight"
    detector = world.start()
    world.drain()
    assert detector.stop() == 0
    world.verify()


def test_kill_9_again_and_again_loses_and_doubles_nothing(world, rng):
    world.send(30_000)
    kill_loop(world, rng, kills=4)


@pytest.mark.chaos_long
@pytest.mark.timeout(1200)
def test_kill_9_ten_times(world, rng):
    world.send(200_000)
    kill_loop(world, rng, kills=10)


def test_a_clean_rolling_restart_doubles_nothing_even_uncommitted(world, rng):
    world.send(15_000)
    for _ in range(3):
        detector = world.start(**SLOW)
        before = world.lag()
        world.progress_to(before - 1)
        time.sleep(rng.uniform(0.0, 0.3))
        assert world.lag() > 0
        began = time.monotonic()
        assert detector.stop() == 0
        assert time.monotonic() - began < 30
        world.send(5_000)
    detector = world.start()
    world.drain()
    assert detector.stop() == 0
    world.verify()
    world.verify(isolation="read_uncommitted")


def test_two_processes_join_and_leave(world, rng):
    world.send(10_000)
    one = world.start("one", **SLOW)
    world.progress_to(world.lag() - 1)
    two = world.start("two", **SLOW)
    world.wait_for(lambda: "partitions_assigned" in two.said(), "the second one joined", 30)
    world.send(20_000)
    world.progress_to(world.lag() - 1)
    time.sleep(rng.uniform(0.0, 0.5))
    one.kill()
    assert world.lag() > 0, "the kill hit nothing in flight"
    world.send(5_000)
    before = one.said().count("partitions_assigned")  # the log goes on
    again = world.start("one", **SLOW)
    world.drain()
    world.wait_for(lambda: again.said().count("partitions_assigned") > before, "it came back", 30)
    assert two.stop() == 0
    assert again.stop() == 0
    world.verify()


def test_a_frozen_process_comes_back_as_a_zombie(world, rng):
    world.send(30_000)
    one = world.start("one", **SLOW)
    world.progress_to(world.lag() - 1)
    assert world.lag() > 0
    one.freeze()
    two = world.start("two")
    world.drain()
    one.thaw()
    world.send(5_000)
    world.drain()
    time.sleep(rng.uniform(0.5, 1.5))
    assert two.stop() == 0
    one.stop()
    world.verify()


def test_poison_in_every_twentieth_record(world):
    records = [payload for _, payload, _ in POISON if payload]

    def every_twentieth(number: int) -> bytes | None:
        return records[number // 20 % len(records)] if number % 20 == 0 else None

    world.send(4_000, poison=every_twentieth)
    detector = world.start()
    world.drain()
    assert detector.stop() == 0
    assert len(world.rejections()) == 4 * 200
    world.verify()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param("delete", marks=pytest.mark.chaos_long),
        pytest.param("truncate", marks=pytest.mark.chaos_long),
        "garble",
    ],
)
def test_damaged_checkpoints_cost_time_only(world, rng, damage):
    world.send(8_000)
    detector = world.start()
    world.drain()
    assert detector.stop() == 0
    files = list(world.checkpoints.rglob("*.ckpt"))
    assert files
    for file in files:
        if damage == "delete":
            file.unlink()
        elif damage == "truncate":
            file.write_bytes(file.read_bytes()[: rng.randrange(1, 200)])
        else:
            content = bytearray(file.read_bytes())
            content[-rng.randrange(1, 20)] ^= 0xFF
            file.write_bytes(bytes(content))
    world.send(3_000)
    detector = world.start()
    world.drain()
    assert detector.stop() == 0
    assert "state_rebuilt_from_log" in detector.said()
    world.verify()


def broker_goes_away(own_broker, tmp_path, for_s: float) -> None:
    with World(own_broker.bootstrap, tmp_path) as world:
        world.send(30_000)
        detector = world.start(**SLOW)
        world.progress_to(world.lag() - 1)
        assert world.lag() > 0
        own_broker.broker.kill()
        time.sleep(for_s)
        own_broker.broker.start()
        world.drain(120)
        world.send(2_000)
        world.drain(120)
        assert detector.stop() == 0
        world.verify()


def test_the_broker_is_killed_and_comes_back(own_broker, tmp_path):
    broker_goes_away(own_broker, tmp_path, 2.0)


@pytest.mark.timeout(600)
def test_a_process_outlives_six_broker_restarts(own_broker, tmp_path):
    """And says nothing of a second process: see `eddy.streams.membership.Rejoins`."""
    with World(own_broker.bootstrap, tmp_path) as world:
        detector = world.start()
        for _ in range(6):
            world.send(2_000)
            world.drain(120)
            own_broker.broker.kill()
            time.sleep(1.0)
            own_broker.broker.start()
        world.send(2_000)
        world.drain(120)
        assert detector.stop() == 0
        assert "another process" not in detector.said()
        world.verify()


@pytest.mark.chaos_long
@pytest.mark.timeout(600)
def test_the_broker_is_away_for_70_seconds(own_broker, tmp_path):
    broker_goes_away(own_broker, tmp_path, 70.0)
