"""The commands one after the other, as a person would say them, on a real broker."""

import json
import os
import subprocess
import sys
import time
import uuid

import pytest

from eddy.app.inspect.scrape import scrape
from eddy.app.stack.local_stack import answers_ok
from eddy.sandbox.machine import free_port

EDDY = [sys.executable, "-m", "eddy"]


class Person:
    """Sits in a folder of their own, with settings of their own."""

    def __init__(self, folder, bootstrap):
        self.folder = folder
        self.port = free_port()
        mine = {
            "KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "TOPIC_PREFIX": f"commands.{uuid.uuid4().hex[:8]}",
            "ENGINE__GROUP": f"commands-{uuid.uuid4().hex[:8]}",
            "HEALTH__PORT": str(self.port),
            "DOMAINS__RIDES__WINDOW_RIDES": "1000",
            "DOMAINS__RIDES__MIN_WINDOW": "500",
            "RELOAD_INTERVAL_S": "600",  # what is promoted is heard of, or not taken up in time
        }
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith("EDDY_") or k == "EDDY_CACHE"
        }
        self.env = {**kept, **{f"EDDY_{key}": value for key, value in mine.items()}}
        self.prefix = mine["TOPIC_PREFIX"]

    def says(self, *words, code=0):
        done = subprocess.run(
            [*EDDY, *map(str, words)],
            cwd=self.folder,
            env=self.env,
            timeout=90,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def starts(self, *words):
        with (self.folder / "run.log").open("w") as log:
            return subprocess.Popen(
                [*EDDY, *words], cwd=self.folder, env=self.env, stdout=log, stderr=log
            )

    @property
    def metrics(self):
        return f"http://127.0.0.1:{self.port}/metrics"


def wait(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


@pytest.fixture(scope="module")
def person(tmp_path_factory, kafka):
    """Has created topics, started a detector, and sent rides through it."""
    person = Person(tmp_path_factory.mktemp("person"), kafka.bootstrap)
    person.says("topics", "create", "--partitions", 2, "--replication", 1)
    detector = person.starts("run")
    try:
        ready = f"http://127.0.0.1:{person.port}/ready"
        wait(90, lambda: answers_ok(ready) or detector.poll() is not None)
        assert detector.poll() is None, (person.folder / "run.log").read_text()
        sent = person.says(
            "simulate",
            "rides",
            "--rate",
            5_000,
            "--count",
            8_000,
            "--truth",
            "truth.jsonl",
            "--malformed",
            0.01,
            "--json",
        )
        person.sent = json.loads(sent)
        wait(60, lambda: scrape(person.metrics).consumed >= person.sent["records"])
        yield person
    finally:
        detector.terminate()
        code = detector.wait(30)
    assert code == 0


@pytest.fixture(scope="module")
def anomaly(person):
    lines = person.says("tail", "--from-beginning", "--json", "--limit", 1).splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


def test_every_simulated_record_is_judged_or_rejected(person):
    figures = scrape(person.metrics)
    assert figures.judged + figures.rejections == person.sent["records"]
    assert figures.rejections == person.sent["malformed"] > 0


def test_the_truth_is_written_down(person):
    lines = [json.loads(line) for line in (person.folder / "truth.jsonl").read_text().splitlines()]
    assert len({line["event_id"] for line in lines}) == len(lines) == person.sent["anomalies"] > 0
    assert all(line["anomaly"] for line in lines)


def test_tail_says_it_in_a_line(person):
    lines = person.says("tail", "--domain", "rides", "--from-beginning", "--limit", 3).splitlines()
    assert len(lines) == 3
    # which partition is read first is nobody's to say: the line itself says whose it is
    identifier = lines[0].split()[-1]
    told = json.loads(person.says("explain", identifier, "--json"))["anomaly"]
    assert told["anomaly_id"] == identifier
    assert told["severity"] in lines[0]
    assert told["reasons"][0]["feature"] in lines[0]


def test_explain_shows_the_anomaly_and_the_event(person, anomaly):
    text = person.says("explain", anomaly["anomaly_id"])
    for part in (anomaly["config_hash"], anomaly["reasons"][0]["feature"], anomaly["event_id"]):
        assert part in text
    found = json.loads(person.says("explain", anomaly["event_id"], "--json"))
    assert found["anomaly"] == anomaly
    assert found["event"]["event_id"] == anomaly["event_id"]


def test_explain_of_what_is_not_there(person):
    person.says("explain", uuid.uuid4(), code=3)


def test_doctor_finds_everything_in_order(person):
    checks = {check["name"]: check for check in json.loads(person.says("doctor", "--json"))}
    assert {name for name, check in checks.items() if check["outcome"] == "fail"} == set()
    assert checks["topics"]["outcome"] == "ok"
    assert "a detector answers" in checks["health port"]["detail"]


def test_a_model_trained_on_the_topic_is_taken_up_while_running(person):
    made = json.loads(
        person.says("train", "rides", "--topic", "--window", 1_000, "--min-samples", 20, "--json")
    )
    assert made["rows"] == person.sent["records"] - person.sent["malformed"]
    wait(
        30,
        lambda: any(
            f'version="{made["version"]}"' in line and line.endswith(" 1.0")
            for line in metrics(person)
            if line.startswith("eddy_model_info")
        ),
    )


def metrics(person):
    import urllib.request

    with urllib.request.urlopen(person.metrics) as answer:
        return answer.read().decode().splitlines()


def test_a_second_detector_of_the_same_name_is_refused(person):
    person.says("run", "--health-port", 0, code=2)
