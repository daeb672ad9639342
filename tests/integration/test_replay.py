"""A replay accounts for every record, survives kill -9, and equals the live run."""

import json
import signal
import time
import uuid
from datetime import UTC, datetime

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from eddy.app.domains import domain_row
from eddy.datasets.simulation.payments.stream import PaymentSimulation
from eddy.datasets.simulation.rides import RideSimulation, simulate
from eddy.datasets.simulation.transactions.stream import TransactionSimulation
from eddy.schemas.payments import Payment
from eddy.schemas.transactions import Transaction
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader
from eddy.streams.sender import Sender
from tests.support.eddy_process import eddy, environment, start
from tests.support.offsets import wait_until_committed

START = datetime(2026, 1, 1, tzinfo=UTC)


def simulated(count: int) -> list[bytes]:
    settings = RideSimulation(start=START, rides=count, malformed_rate=0.01, anomaly_rate=0.01)
    return [record.payload for record in simulate(7, settings)]


@pytest.fixture
def env(kafka, tmp_path):
    return environment(kafka.bootstrap, tmp_path)


def summary(done) -> dict:
    assert done.returncode == 0, done.stderr + done.stdout
    return json.loads(done.stdout)


def test_a_killed_replay_of_a_file_goes_on_and_ends_the_same(kafka, env, tmp_path):
    rides = [line for line in simulated(30_000) if b"\n" not in line]
    file = tmp_path / "rides.jsonl"
    file.write_bytes(b"\n".join(rides) + b"\n")
    unhurt, hurt = f"a{uuid.uuid4().hex[:6]}", f"b{uuid.uuid4().hex[:6]}"
    first = summary(eddy(env, "replay", str(file), "--name", unhurt, "--json"))
    assert first["records"] == len(rides) == first["judged"] + first["rejected"]
    assert first["rejected"] > 0
    assert first["anomalies"] > 0

    slow = {**env, "EDDY_ENGINE__BATCH_SIZE": "50"}
    scored = f"replay.{hurt}.scored.rides"
    process = start(slow, "replay", str(file), "--name", hurt, "--json", log=tmp_path / "log")
    judged = wait_for_records(kafka.bootstrap, scored)
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    assert 0 < judged < len(rides), "the kill did not hit work in flight"
    second = summary(eddy(env, "replay", str(file), "--name", hurt, "--json"))
    assert second["digest"] == first["digest"]
    again = summary(eddy(env, "replay", str(file), "--name", hurt, "--json"))
    assert again["digest"] == first["digest"]


PAYMENTS = PaymentSimulation(start=START, days=20, merchants=4, payments_per_day=60.0)
TRANSACTIONS = TransactionSimulation(start=START, days=20, customers=60, terminals=20)


@pytest.mark.parametrize(
    ("domain", "kind", "simulation"),
    [("tpv", Payment, PAYMENTS), ("transactions", Transaction, TRANSACTIONS)],
)
def test_a_file_is_read_by_its_domains_reader(kafka, env, tmp_path, domain, kind, simulation):
    records = domain_row(domain).simulation().simulate(7, simulation)
    events = [msgspec.json.decode(one.payload, type=kind) for one in records if not one.malformed]
    file = tmp_path / "events.parquet"
    pq.write_table(pa.Table.from_pylist([msgspec.structs.asdict(one) for one in events]), file)
    name = f"{domain}{uuid.uuid4().hex[:6]}"
    done = summary(eddy(env, "replay", str(file), "--name", name, "--domain", domain, "--json"))
    assert (done["records"], done["judged"], done["rejected"]) == (len(events), len(events), 0)
    reader = TopicReader(Connection(kafka.bootstrap))
    anomalies = [json.loads(r.value) for r in reader.read(f"replay.{name}.anomalies.{domain}")]
    reader.close()
    assert {one["domain"] for one in anomalies} <= {domain}


def wait_for_records(bootstrap: str, topic: str) -> int:
    reader, end = TopicReader(Connection(bootstrap)), time.monotonic() + 60
    while time.monotonic() < end:
        try:
            found = sum(high for _, high in reader.ranges(topic).values())
        except Exception:
            found = 0
        if found:
            break
        time.sleep(0.02)
    count = sum(1 for _ in reader.read(topic))
    reader.close()
    return count


def test_the_replay_of_a_topic_equals_what_was_published_live(kafka, tmp_path):
    prefix = f"live{uuid.uuid4().hex[:6]}"
    env = environment(kafka.bootstrap, tmp_path, topic_prefix=prefix, engine__group=prefix)
    assert eddy(env, "topics", "create", "--partitions", "2").returncode == 0
    sender = Sender(Connection(kafka.bootstrap))
    records = simulated(12_000)
    for number, record in enumerate(records):
        sender.send(f"{prefix}.events.rides", record, partition=number % 2)
    sender.flush()
    detector = start(env, "run", log=tmp_path / "log")
    wait_until_committed(kafka.bootstrap, prefix, f"{prefix}.events.rides", 2, len(records))
    detector.terminate()
    assert detector.wait(30) == 0

    whole = summary(eddy(env, "replay", f"{prefix}.events.rides", "--json"))
    assert whole["compared"]
    assert whole["problems"] == []
    assert whole["anomalies"] > 0
    assert whole["records"] == len(records)
    part = summary(
        eddy(env, "replay", f"{prefix}.events.rides", "--name", f"{prefix}-part",
             "--from", "4000", "--to", "5000", "--json")
    )  # fmt: skip
    assert part["problems"] == []
    assert part["records"] == 2_000


def test_a_missing_file_and_a_missing_topic_are_named(env):
    done = eddy(env, "replay", "/nowhere/rides.parquet")
    assert (done.returncode, "/nowhere/rides.parquet" in done.stderr) == (2, True)
    done = eddy(env, "replay", "no.such.topic")
    assert (done.returncode, "no.such.topic" in done.stderr) == (3, True)
