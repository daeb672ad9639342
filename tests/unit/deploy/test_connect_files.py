"""The S3 sink connectors' configurations: alike in what they read, and in what a line holds."""

import gzip
import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from pyarrow.fs import LocalFileSystem

from eddy.app.domains import BUILT_IN
from eddy.lake.columns import KAFKA
from eddy.lake.compaction.json_lines import lines_files, stage
from eddy.lake.tables import anomalies
from eddy.schemas.topics import domain_topics

FOLDER = Path(__file__).parents[3] / "deploy" / "connect"
FILES = sorted(FOLDER.glob("*.json"))
README = (FOLDER / "README.md").read_text()


@pytest.fixture(params=FILES, ids=lambda file: file.stem)
def connector(request):
    return json.loads(request.param.read_text())


def test_both_are_there():
    assert [file.name for file in FILES] == ["aiven-s3.json", "confluent-s3.json"]


def test_it_is_what_connect_takes(connector):
    assert set(connector) == {"name", "config"}
    assert all(isinstance(value, str) for value in connector["config"].values())
    assert f"`{connector['config']['connector.class']}`" in README


def test_it_reads_what_was_committed_of_every_domain(connector):
    config = connector["config"]
    assert config["consumer.override.isolation.level"] == "read_committed"
    assert config["consumer.override.auto.offset.reset"] == "earliest"
    assert config["topics"].split(",") == [domain_topics(name).anomalies for name in BUILT_IN]


def test_a_line_says_where_its_record_stands(connector):
    """In the lake's own columns, so that compaction knows a delivery that is there twice."""
    config = connector["config"]
    inserted = {
        value
        for key, value in config.items()
        if key.startswith("transforms.") and key.endswith(".field")
    }
    assert inserted == set(KAFKA)
    kind = config["transforms.kafka.type"]
    assert kind == "org.apache.kafka.connect.transforms.InsertField$Value"
    for name in KAFKA:
        assert f"`{name}`" in README


def test_files_are_gzipped_lines_below_a_folder_of_the_day():
    confluent, aiven = (
        json.loads((FOLDER / f"{name}-s3.json").read_text())["config"]
        for name in ("confluent", "aiven")
    )
    assert confluent["format.class"].endswith(".json.JsonFormat")
    assert confluent["s3.compression.type"] == aiven["file.compression.type"] == "gzip"
    assert confluent["timestamp.field"] == "occurred_at"
    assert confluent["timezone"] == "UTC"
    assert aiven["format.output.type"] == "jsonl"
    assert (aiven["format.output.fields"], aiven["format.output.envelope"]) == ("value", "false")
    # Confluent's own: <topics.dir>/<topic>/<path.format>/<topic>+<partition>+<offset>.json.gz
    name = "{{topic}}+{{partition}}+{{start_offset:padding=true}}.json.gz"
    assert confluent["path.format"] == "'dt'=yyyy-MM-dd"
    day = re.sub(r"\{\{timestamp:unit=(\w+)\}\}", r"\1", aiven["file.name.template"])
    assert day == f"{confluent['topics.dir']}/{{{{topic}}}}/dt=yyyy-MM-dd/{name}"


def test_no_secret_is_in_them(connector):
    text = json.dumps(connector).lower()
    assert not re.search(r"secret|password|access\.key", text)


ANOMALY = {
    "anomaly_id": "a-1",
    "op": "open",
    "domain": "rides",
    "occurred_at": "2026-11-19T23:59:59.5Z",
    "score": 1.5,
    "actual": {"distance_km": 12.5},
    "reasons": [{"feature": "distance_km", "value": 12.5, "typical": 2.0, "contribution": 0.5}],
    "labels": [],
    "episode_id": None,
}
PLACE = {"kafka_topic": "anomalies.rides", "kafka_partition": 3, "kafka_offset": 42}


def object_name(file: str) -> str:
    """Return the name that a connector gives to the file that begins with the record."""
    config = json.loads((FOLDER / file).read_text())["config"]
    topic, partition, offset = PLACE.values()
    if "file.name.template" not in config:
        day = config["path.format"].replace("'", "").replace("yyyy-MM-dd", "2026-11-19")
        return f"{config['topics.dir']}/{topic}/{day}/{topic}+{partition}+{offset:010}.json.gz"
    name = config["file.name.template"]
    for variable, value in {
        "{{topic}}": topic,
        "{{partition}}": str(partition),
        "{{start_offset:padding=true}}": f"{offset:020}",
        "{{timestamp:unit=yyyy}}": "2026",
        "{{timestamp:unit=MM}}": "11",
        "{{timestamp:unit=dd}}": "20",
    }.items():
        name = name.replace(variable, value)
    return name


@pytest.mark.parametrize("file", ["confluent-s3.json", "aiven-s3.json"])
def test_compaction_reads_what_they_write(file, tmp_path):
    """A line as README.md has it, in a file of the name that the configuration gives it."""
    path = tmp_path / object_name(file)
    path.parent.mkdir(parents=True)
    line = {**ANOMALY, **PLACE, "kafka_timestamp": 1_763_596_800_000}
    path.write_bytes(gzip.compress(json.dumps(line).encode() + b"\n"))
    store, spec, day = LocalFileSystem(), anomalies("rides"), date(2026, 11, 19)
    folder = str(tmp_path / "jsonl")
    found = lines_files(store, folder, "anomalies.rides", day)
    assert [(one.partition, one.offset) for one in found] == [(3, 42)]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    staged = stage(store, found, spec, spec.schema.as_arrow(), [day], scratch)
    assert staged.bad_lines == 0
    (row,) = [row for batch in staged.read(day) for row in batch.to_pylist()]
    assert {name: row[name] for name in PLACE} == PLACE
    assert row["kafka_timestamp"] == datetime(2025, 11, 20, tzinfo=UTC)
    assert row["anomaly_id"] == "a-1"
    assert row["reasons"] == ANOMALY["reasons"]
    assert dict(row["actual"]) == ANOMALY["actual"]
