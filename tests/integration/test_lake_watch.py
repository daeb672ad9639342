"""A record that fails the connector is set aside; what was read before it is in the tables."""

import json
import os
import signal
import subprocess
import sys
import urllib.request

import pytest

from eddy.app.demo import settings as demo_settings
from eddy.app.lake import check as lake_check
from eddy.app.lake import feed
from eddy.app.lake.dead_letters import ORIGIN
from eddy.lake import catalog
from eddy.schemas.errors import Mismatch, MissingResource
from eddy.streams.sender import Sender
from tests.support.commands import invoke
from tests.support.lake_sink import ROOT, SinkWorld, Watching, anomaly, encode, send, wait_for

BAD = json.dumps({**json.loads(encode(anomaly("rides", 10**6))), "score": "abc"}).encode()


def says(world, *words):
    return invoke("lake", *words, "--config", world.file, catch_exceptions=True)


@pytest.fixture(scope="module")
def world(kafka, connect, object_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("watch")
    rides = {"rides": {}}
    # so long that nothing is committed between the first record and the bad one
    with SinkWorld(kafka, connect.url, object_store, folder, rides, commit_interval_s=120) as world:
        world.feed()
        yield world


def test_what_stands_before_a_bad_record_is_not_lost(world):
    connector, topic = world.connectors[0], world.topics["rides"].anomalies
    values = [encode(anomaly("rides", number)) for number in range(20)]
    send(world, topic, [*values, b"no json", BAD, encode(anomaly("rides", 20))])
    with Watching(world) as watching:
        wait_for(lambda: watching.counted("eddy_lake_records_set_aside_total") >= 1, "set aside")
        wait_for(lambda: watching.counted("eddy_lake_connector_up") == 2, "both run again")
        assert watching.counted("eddy_lake_task_restarts_total") >= 1
    assert world.client.offsets(connector.name) == {(topic, 0): 23}
    for table in ("anomalies_rides", "anomaly_changes_rides"):
        rows = sorted(world.rows(table), key=lambda row: row["kafka_offset"])
        assert [row["anomaly_id"] for row in rows] == [f"rides-{n}" for n in range(21)]
    verdicts = {one.table: one for one in world.check().tables}
    assert verdicts["anomaly_changes_rides"].set_aside == 2
    assert verdicts["anomaly_changes_rides"].pending == 0
    assert verdicts["anomaly_changes_rides"].missing == 0


def test_the_copy_says_where_it_was_and_why(world):
    connector, topic = world.connectors[0], world.topics["rides"].anomalies
    told = {
        int(one.headers[ORIGIN + "offset"]): one
        for one in world.records(connector.dead_letters)
        if one.headers[ORIGIN + "stage"] == b"EDDY_WATCHDOG"
    }
    bad = told[21]
    assert (bad.value, bad.key) == (BAD, b"key")
    assert bad.headers[ORIGIN + "topic"] == topic.encode()
    assert bad.headers[ORIGIN + "partition"] == b"0"
    why = bad.headers[ORIGIN + "exception.message"].decode()
    assert "schema_violation" in why
    assert 'NumberFormatException: For input string: "abc"' in why


def test_the_check_as_a_command(world):
    done = says(world, "check", "--grace", "0", "--json")
    assert done.exit_code == 0, done.output
    tables = {one["table"]: one for one in json.loads(done.stdout)["tables"]}
    assert tables["anomaly_changes_rides"]["set_aside"] == 2
    text = says(world, "check", "--grace", "0").stdout
    assert "anomaly_changes_rides: 23 records, 21 rows, 2 set aside" in text


def test_a_missing_row_is_a_problem(world):
    """Rows vanish from a table as they would if the sink had lost them."""
    name = f"{world.settings.lake.namespace}.anomaly_changes_rides"
    table = catalog.open_catalog(world.settings.lake).load_table(name)
    before = table.current_snapshot().snapshot_id
    table.delete("kafka_offset = 3")
    told = lake_check.check(world.settings, grace_s=0, patience_s=0).problems()
    table.manage_snapshots().rollback_to_snapshot(before).commit()
    name = world.topics["rides"].anomalies
    assert told == [f"anomaly_changes_rides: 1 missing (missing: {name}[0]@3)"]


def test_printed_settings_hold_no_secrets(world):
    secret = world.settings.lake.secret_access_key
    shown = says(world, "connect", "--print").stdout
    assert secret not in shown
    printed = json.loads(says(world, "connect", "--print", "--with-secrets").stdout)
    assert {one["name"]: one["config"] for one in printed} == {
        one.name: one.settings for one in world.connectors
    }


def test_registering_again_changes_nothing(world):
    told = says(world, "connect").stdout
    assert "registered" not in told
    assert "2 connectors run" in told


def test_topics_that_are_not_there_are_named(world):
    missing = world.settings.model_copy(update={"topic_prefix": "nobody"})
    with pytest.raises(MissingResource, match="nobody.anomalies.rides.*eddy topics create"):
        feed.start(missing, print)


def test_the_watch_ends_well_and_tells_its_figures(world, tmp_path):
    command = [sys.executable, "-m", "eddy", "lake", "watch", "--config", str(world.file)]
    arguments = ["--check-every", "0.5", "--grace", "0"]
    log = tmp_path / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env=demo_settings.environment(),
            stdout=out,
            stderr=out,
        )
    try:
        wait_for(lambda: b'"watching"' in log.read_bytes(), "it watches")
        port = next(
            json.loads(line)["port"]
            for line in log.read_text().splitlines()
            if '"watching"' in line
        )
        url = f"http://127.0.0.1:{port}/metrics"
        wait_for(lambda: "eddy_lake_pending_rows{" in figures(url), "a check was made")
        assert 'eddy_lake_missing_rows{table="anomaly_changes_rides"} 0.0' in figures(url)
    finally:
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()[-3000:]


def test_a_sink_that_stands_still_is_a_problem(world):
    """Nothing is missing then, and nothing arrives."""
    send(world, world.topics["rides"].anomalies, [encode(anomaly("rides", 30))])
    done = says(world, "check", "--grace", "0")
    assert done.exit_code == 1, done.output
    assert isinstance(done.exception, Mismatch)
    place = f"{world.topics['rides'].anomalies}[0]@23"
    assert f"anomaly_changes_rides: 1 pending (pending: {place})" in str(done.exception)
    verdict = world.check()
    assert (verdict.missing, verdict.differences()) == (0, []), "it passes by waiting"


def test_connect_itself_can_set_aside_the_largest_record_of_a_topic(world):
    """A broker's default limit for a record; with the reason it is larger than that."""
    large = b"no json" + b"x" * 1_045_000
    sender = Sender(world.settings.kafka, message_max_bytes=2_000_000)
    sender.send(world.topics["rides"].anomalies, large, partition=1)
    sender.flush()
    dead = world.connectors[0].dead_letters
    wait_for(lambda: large in [one.value for one in world.records(dead)], "it is set aside", 30)


def figures(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()
