"""Payments on bad days: kill -9 while intervals close, lost checkpoints, and plain silence."""

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from eddy.datasets.simulation.payments.stream import PaymentSimulation, simulate
from eddy.datasets.simulation.record import SimulatedRecord
from tests.support.tpv_world import TpvWorld

SEED = int(os.environ.get("EDDY_TEST_SEED", str(random.SystemRandom().randrange(10**6))))
HOUR_US = 3_600_000_000
POLICY = {
    "interval_s": 3_600,
    "delay_s": 60.0,
    "lateness_s": 3_600.0,
    "forecast_intervals": 3,
    "forecast_every": 48,
}
NOT_IDLE = {"idle_after_s": 600.0}


@pytest.fixture
def rng(record_property):
    print(f"seed {SEED} (EDDY_TEST_SEED={SEED} repeats it)")
    record_property("seed", SEED)
    return random.Random(SEED)


def weeks(days: int, **changes: object) -> PaymentSimulation:
    """Return some weeks that ended three days ago, with more trouble than usual."""
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    plain = {
        "start": today - timedelta(days=days + 3),
        "days": days,
        "merchants": 40,
        "payments_per_day": 30.0,
        "size_spread": 0.6,
        "calm_days": 14,
        "drop_out_rate": 0.02,
        "dip_rate": 0.01,
        "spike_rate": 0.01,
        "level_shift_rate": 0.01,
        "late_rate": 0.02,
        "late_s": (600.0, 4 * 3600.0),
        "duplicate_rate": 0.01,
        "malformed_rate": 0.005,
    }
    return PaymentSimulation(**(plain | changes))


def with_future(records: list[SimulatedRecord]) -> Iterator[SimulatedRecord]:
    """Yield the records, and after every thousandth the payment of a clock that is a day ahead."""
    ahead = (datetime.now(UTC) + timedelta(days=1)).isoformat().encode()
    for number, record in enumerate(records):
        yield record
        if number % 1000 == 999:
            payload = b'{"event_id":"f%d","occurred_at":"%s","merchant_id":"%s",' % (
                number, ahead, record.key,
            )  # fmt: skip
            payload += b'"amount":1e9,"kind":"sale","status":"approved"}'
            yield msgspec.structs.replace(record, payload=payload)


@pytest.mark.timeout(180)
def test_kill_9_while_intervals_close_loses_and_doubles_nothing(kafka, tmp_path, rng):
    records = list(with_future(list(simulate(SEED, weeks(35)))))
    policy = POLICY | {"interval_s": 7_200, "lateness_s": 7_200.0, "forecast_every": 24}
    with TpvWorld(kafka.bootstrap, tmp_path, 3, policy, batch_size=500, **NOT_IDLE) as world:
        world.put(records)
        hits = 0
        for attempt in range(5):
            detector, before = world.run(), world.lag()
            world.progress_to(before - 1)
            time.sleep(rng.uniform(0.0, 0.6))
            behind = world.lag()
            detector.kill()
            hits += behind > 0
            if attempt == 1:
                shutil.rmtree(world.checkpoints, ignore_errors=True)
            if hits == 3 or not behind:
                break
        assert hits == 3, "the kills did not hit work in flight"
        detector = world.run()
        world.drain()
        assert detector.stop() == 0
        assert "state_rebuilt_from_log" in detector.said(), "no checkpoint was missed"
        said = world.verify()
    ops = Counter(anomaly.op for anomaly in said.every())
    assert min(ops[op] for op in ("open", "close")) > 10, ops
    assert len(said.forecasts) == 40
    assert len(said.rejected) > len(records) // 1000


@pytest.mark.chaos_long
def test_a_restart_in_the_middle_of_an_interval_changes_nothing(kafka, tmp_path, rng):
    options = weeks(16, merchants=10, drop_out_rate=0.2, spike_rate=0.2, late_rate=0.1)
    records = list(simulate(SEED, options))
    middle = len(records) - rng.randrange(50, 500)
    cut_us = max(record.occurred_at_us for record in records[:middle])
    is_later = [record.occurred_at_us // HOUR_US == cut_us // HOUR_US for record in records]
    assert any(is_later[:middle]), "nothing came before the restart"
    assert any(is_later[middle:]), "the restart is between two intervals"
    with TpvWorld(kafka.bootstrap, tmp_path, 2, POLICY, **NOT_IDLE) as world:
        for some in (records[:middle], records[middle:]):
            world.put(some)
            detector = world.run()
            world.drain()
            assert detector.stop() == 0
        assert "state_rebuilt_from_log" not in detector.said()
        said = world.verify()
    assert {"open", "close"} <= {anomaly.op for anomaly in said.every()}


def test_silence_opens_episodes_while_no_payment_comes_at_all(kafka, tmp_path, rng):
    every = {"size_spread": 0.0, "payments_per_day": 600.0, "calm_days": 12, "disorder_s": 0.0}
    options = weeks(12, merchants=5, late_rate=0.0, malformed_rate=0.0, **every)
    start_us = round(options.start.timestamp() * 1e6)
    noon_us = start_us + (11 * 24 + 12) * HOUR_US
    records = list(simulate(SEED, options))
    before = [one for one in records if one.occurred_at_us < noon_us]
    policy = POLICY | {"delay_s": 0.0, "cold_start_score": 1.0}
    with TpvWorld(kafka.bootstrap, tmp_path, 2, policy, idle_after_s=0.5) as world:
        # one payment a partition, seconds before the hour ends: time alone ends the hour
        beats = {
            world.partition_of(one.key): at(one, noon_us + HOUR_US - 3_000_000)
            for one in before[-2_000:]
        }
        assert len(beats) == world.partitions
        stopped = {one.key.decode() for one in before} - {b.key.decode() for b in beats.values()}
        world.put([*before, *beats.values()])
        detector = world.run()
        world.wait_for(lambda: silent(world) >= stopped, "an episode of everybody who stopped")
        detector.kill()
        assert all(world.ticks().values()), "an event ended the hour, not time"
        detector = world.run()
        world.wait_for(lambda: detector.said().count("partitions_assigned") > 1, "it came back")
        time.sleep(2.0)  # idle again: now it would say twice what it does not remember
        assert detector.stop() == 0
        assert silent(world) >= stopped
        world.verify()
        again_us = noon_us + HOUR_US
        world.put(one for one in records if again_us <= one.occurred_at_us < again_us + 2 * HOUR_US)
        detector = world.run()
        world.drain()
        assert detector.stop() == 0
        said = world.verify()
    ended = {a.entity.id for a in said.every() if a.op == "close"}
    assert ended >= stopped


def at(record: SimulatedRecord, occurred_us: int) -> SimulatedRecord:
    """Return the record with another time."""
    moment = datetime.fromtimestamp(occurred_us / 1e6, UTC).isoformat()
    payment = msgspec.json.decode(record.payload)
    payload = msgspec.json.encode(payment | {"occurred_at": moment, "event_id": "beat"})
    return msgspec.structs.replace(record, payload=payload, occurred_at_us=occurred_us)


def silent(world: TpvWorld) -> set[str]:
    """Return the merchants of whose silence an episode was opened."""
    return {
        anomaly.entity.id
        for anomaly in world.published().every()
        if anomaly.op == "open" and "silence" in anomaly.labels
    }
