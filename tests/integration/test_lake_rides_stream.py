"""The daily job equals the stream: the engine's own scores, through a broker, bit by bit."""

import json
import uuid
from datetime import UTC, datetime

from eddy.app.settings import StorageConfig, load
from eddy.datasets.simulation.rides import RideSimulation, simulate
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader
from tests.support.eddy_process import eddy, environment
from tests.support.lake_jobs import JobWorld, job_world, keep

START = datetime(2024, 3, 1, tzinfo=UTC)
DAYS = ("2024-03-01", "2024-03-02", "2024-03-03")


def rows_of(bootstrap: str, topic: str) -> list[dict]:
    """Return the scored topic's records as rows of the history, as the sink makes them."""
    reader = TopicReader(Connection(bootstrap))
    records = [json.loads(record.value) for record in reader.read(topic)]
    reader.close()
    for record in records:
        event = record["event"]
        del event["occurred_at"]
        for name in ("vendor_id", "pickup_zone", "dropoff_zone"):
            event[name] = None if event[name] is None else str(event[name])
        record["occurred_at"] = datetime.fromisoformat(record["occurred_at"])
        record["model"].pop("trained_at", None)
    return records


def test_the_job_says_what_the_engine_said(kafka, lake_config, tmp_path) -> None:
    options = RideSimulation(
        start=START, rides=7_000, rides_per_day=3_000, anomaly_rate=0.01, malformed_rate=0.01,
        late_rate=0.02, late_s=(600.0, 90_000.0),
    )  # fmt: skip
    rides = [one.payload for one in simulate(5, options) if b"\n" not in one.payload]
    file, name = tmp_path / "rides.jsonl", f"lake{uuid.uuid4().hex[:6]}"
    file.write_bytes(b"\n".join(rides) + b"\n")
    done = eddy(
        environment(kafka.bootstrap, tmp_path), "replay", str(file), "--name", name, "--json"
    )
    assert done.returncode == 0, done.stderr
    replayed = json.loads(done.stdout)
    rows = rows_of(kafka.bootstrap, f"replay.{name}.scored.rides")
    assert len(rows) == replayed["judged"] < len(rides)

    job_world(lake_config, tmp_path)  # the tables; the settings are those of the replay: defaults
    keep(lake_config, rows)
    storage = StorageConfig(registry=str(tmp_path / "models"))
    settings = load().model_copy(update={"lake": lake_config, "storage": storage})
    world = JobWorld(lake_config, settings)
    found = world.run(*DAYS, "2024-03-04", "2024-03-05")
    assert sum(one.summary.compared.equal for one in found) == replayed["judged"]
    assert sum(one.summary.anomalies for one in found) == replayed["anomalies"] > 20
    assert {one.summary.short_of_history for one in found} == {0}
