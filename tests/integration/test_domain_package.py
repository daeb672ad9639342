"""A package brings a domain: every command takes it up, and nothing else is touched."""

import json
import os
import shutil
import signal
import uuid

import pytest

from eddy.app.domains import GROUP
from eddy.streams.connection import Connection
from eddy.streams.reading import TopicReader
from tests.support import buses
from tests.support.eddy_process import eddy, environment, start
from tests.support.offsets import wait_until_committed

ARRIVALS = 3_000


@pytest.fixture
def env(kafka, object_store, tmp_path):
    packages = tmp_path / "packages"
    info = packages / "city_buses-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(buses.__file__, packages / "city_buses.py")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: city-buses\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nbuses = city_buses:ROW\n")
    (tmp_path / "eddy.toml").write_text(
        "[domains.rides]\nenabled = false\n[domains.buses]\ncritical_score = 2.5\n"
    )
    lake = object_store.lake(tmp_path)
    names = ("catalog", "warehouse", "endpoint", "access_key_id", "secret_access_key")
    prefix = f"city{uuid.uuid4().hex[:6]}"
    return environment(
        kafka.bootstrap,
        tmp_path,
        config=tmp_path / "eddy.toml",
        topic_prefix=prefix,
        engine__group=prefix,
        reload_interval_s=0.5,
        **{f"lake__{name}": getattr(lake, name) for name in names},
    ) | {"PYTHONPATH": os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")])}


def done(env, *arguments) -> str:
    result = eddy(env, *arguments)
    assert result.returncode == 0, result.stderr + result.stdout
    return result.stdout


@pytest.mark.timeout(600)  # a dozen processes, one after the other
def test_a_packages_domain_is_taken_up_by_every_command(kafka, env, tmp_path):
    assert "domains: buses" in done(env, "config", "check")
    prefix = env["EDDY_TOPIC_PREFIX"]
    assert f"{prefix}.events.buses" in done(env, "topics", "create", "--partitions", "2")
    count = ("--set", f"arrivals={ARRIVALS}", "--rate", "100000")
    sent = json.loads(done(env, "simulate", "buses", *count, "--json"))
    assert sent["records"] == ARRIVALS
    assert sent["anomalies"] > 0

    detector = start(env, "run", log=tmp_path / "run.log")
    try:
        wait_until_committed(
            kafka.bootstrap, prefix, f"{prefix}.events.buses", 2, ARRIVALS, limit_s=120
        )
    finally:
        detector.send_signal(signal.SIGTERM)
        assert detector.wait(60) == 0, (tmp_path / "run.log").read_text()
    reader = TopicReader(Connection(kafka.bootstrap))
    anomalies = [json.loads(r.value) for r in reader.read(f"{prefix}.anomalies.buses")]
    reader.close()
    assert {one["domain"] for one in anomalies} == {"buses"}
    assert len(anomalies) == sent["anomalies"]

    file = tmp_path / "arrivals.jsonl"
    records = buses.simulate(7, buses.BusesSimulation(arrivals=500))
    file.write_bytes(b"".join(record.payload + b"\n" for record in records))
    replay = json.loads(done(env, "replay", str(file), "--domain", "buses", "--json"))
    assert (replay["records"], replay["judged"], replay["problems"]) == (500, 500, [])

    done(env, "lake", "create")
    (loaded,) = json.loads(done(env, "lake", "load", str(file), "--domain", "buses", "--json"))
    assert (loaded["table"], loaded["rows"], loaded["rejected"]) == ("history_buses", 500, 0)

    first = json.loads(done(env, "train", "buses", str(file), "--json"))
    assert (first["name"], first["version"], first["rows"]) == ("buses", "1", 500)
    second = json.loads(done(env, "train", "buses", "--topic", "--set", "quantile=0.5", "--json"))
    assert (second["version"], second["rows"]) == ("2", ARRIVALS)
    assert second["metrics"]["limit_s"] < first["metrics"]["limit_s"]
    assert "buses 2 is the champion" in done(env, "promote", "buses", "2")
    assert "buses" in done(env, "models")
    refused = eddy(env, "promote", "buses", "1", "--force", "a reason")
    assert refused.returncode == 2
    assert "buses has no gate" in refused.stderr
    unknown = eddy(env, "train", "buses", str(file), "--set", "quantil=0.5")
    assert unknown.returncode == 2
    assert "there are quantile" in unknown.stderr
