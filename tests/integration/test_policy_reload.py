"""A policy that changes while the detector runs, and what it says of settings it cannot take."""

import json
import time
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from eddy.app.stack.local_stack import answers_ok
from eddy.sandbox.machine import free_port
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.payments import Payment
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader
from eddy.streams.sender import Sender
from tests.support.eddy_process import eddy, environment, start

BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
HELD = "[domains.tpv]\ninterval_s = 21600\nlateness_s = 3600.0\nmin_relative = 0.3\n"
ONLY_B = '[[domains.tpv.rules]]\nmerchants = ["a"]\ndirections = "below"\n'
KNOWN_DAYS = 21


def payment(day, hour, merchant, amount):
    return Payment(
        event_id=f"{merchant}-{day}-{hour}",
        occurred_at=BEGIN + timedelta(days=day, hours=hour),
        merchant_id=merchant,
        amount=amount + day % 3,
        kind="sale",
        status="approved",
        segment="grocery",
    )


class World:
    def __init__(self, folder, kafka):
        self.folder, self.port = folder, free_port()
        self.connection = Connection(bootstrap_servers=kafka.bootstrap)
        self.prefix = f"reload.{uuid.uuid4().hex[:8]}"
        self.file = folder / "eddy.toml"
        self.env = environment(
            kafka.bootstrap,
            folder,
            config=self.file,
            topic_prefix=self.prefix,
            engine__group=self.prefix,
            health__port=self.port,
            reload_interval_s=0.5,
        )

    def pay(self, days, factor=1.0):
        sender = Sender(self.connection)
        for day in days:
            for hour in range(1, 24, 2):
                for merchant in "ab":
                    one = payment(day, hour, merchant, 100.0 * factor)
                    value = msgspec.json.encode(one)
                    sender.send(f"{self.prefix}.events.tpv", value, merchant.encode())
        sender.flush()

    def metric(self, name):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    def anomalies(self):
        reader = TopicReader(self.connection)
        try:
            records = reader.read(f"{self.prefix}.anomalies.tpv", {}, {})
            return [msgspec.json.decode(record.value, type=Anomaly) for record in records]
        finally:
            reader.close()

    def wait(self, condition, seconds=40):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, (self.folder / "run.log").read_text()[-3_000:]
            time.sleep(0.2)


@pytest.fixture
def world(tmp_path, kafka):
    world = World(tmp_path, kafka)
    world.file.write_text(HELD)
    done = eddy(world.env, "topics", "create", "--partitions", "1", "--replication", "1")
    assert done.returncode == 0, done.stderr
    world.pay(range(KNOWN_DAYS))
    detector = start(world.env, "run", log=tmp_path / "run.log")
    try:
        ready = f"http://127.0.0.1:{world.port}/ready"
        world.wait(lambda: answers_ok(ready) or detector.poll() is not None, 90)
        assert detector.poll() is None, (tmp_path / "run.log").read_text()
        yield world
    finally:
        detector.terminate()
        code = detector.wait(30)
    assert code == 0


def judged(world):
    return world.metric("eddy_events_judged_total")


def test_a_policy_is_taken_up_without_a_restart(world):
    a_day = 2 * 12
    world.pay([KNOWN_DAYS], factor=3.0)
    world.pay([KNOWN_DAYS + 1])
    world.wait(lambda: judged(world) == (KNOWN_DAYS + 2) * a_day)

    # what cannot be taken up is told, and changes nothing
    world.file.write_text(HELD.replace("21600", "7200") + ONLY_B)
    world.wait(lambda: world.metric("eddy_config_last_reload_successful") == 0)
    world.file.write_text(HELD + ONLY_B)
    world.wait(lambda: world.metric("eddy_config_last_reload_successful") == 1)
    world.wait(lambda: "policy_reloaded" in (world.folder / "run.log").read_text())

    world.pay([KNOWN_DAYS + 2], factor=3.0)
    world.pay([KNOWN_DAYS + 3])
    world.wait(lambda: judged(world) == (KNOWN_DAYS + 4) * a_day)
    days = {}
    for one in world.anomalies():
        if one.op == "open":
            days.setdefault(one.entity.id, set()).add((one.window_start - BEGIN).days)
    assert days == {"a": {KNOWN_DAYS}, "b": {KNOWN_DAYS, KNOWN_DAYS + 2}}
    hashes = {one.config_hash for one in world.anomalies()}
    assert len(hashes) == 2
    said = [json.loads(line) for line in (world.folder / "run.log").read_text().splitlines()]
    refused = [one["why"] for one in said if one.get("event") == "settings_not_taken"]
    assert len(refused) == 1
    assert "domains.tpv.interval_s: takes a restart" in refused[0]
