"""The demo as a newcomer runs it: in a folder of its own, on a free port, to its end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eddy.sandbox.machine import free_port
from eddy.sandbox.stack import Stack

EDDY = [sys.executable, "-m", "eddy"]


@pytest.fixture
def demo(tmp_path):
    """Start demos; whatever happens, nothing of them outlives the test."""
    started = []

    def start(*words):
        env = {
            k: v for k, v in os.environ.items() if not k.startswith("EDDY_") or k == "EDDY_CACHE"
        }
        # what is configured for other things must not matter
        env["EDDY_KAFKA__BOOTSTRAP_SERVERS"] = "nowhere.invalid:1"
        with (tmp_path / "err").open("w") as err:
            done = subprocess.Popen(
                [*EDDY, "demo", *map(str, words)],
                cwd=tmp_path,
                env=env,
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
            )
        started.append(done)
        return done

    yield start
    for one in started:
        one.kill()
        one.communicate()
    Stack(tmp_path / ".eddy/demo").down()


def left_in(folder: Path) -> list[str]:
    """Return the command lines of processes that still name the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in words and "pytest" not in words:
            found.append(words)
    return found


def wait_for_process(folder, name):
    end = time.monotonic() + 90
    while time.monotonic() < end:
        for one in Stack(folder / ".eddy/demo").status():
            if one.name == name:
                return one
        time.sleep(0.1)
    raise AssertionError(f"no {name}: {(folder / 'err').read_text()}")


def test_ends_by_itself_with_a_summary(demo, tmp_path):
    run = demo("--duration", 15, "--rate", 1_500, "--port", free_port(), "--json")
    output, _ = run.communicate(timeout=150)
    assert run.returncode == 0, (tmp_path / "err").read_text()
    summary = json.loads(output)
    score = summary["score"]
    assert summary["sent"] > 15_000
    assert summary["unaccounted"] == 0
    assert summary["judged"] + sum(summary["rejected"].values()) == summary["sent"]
    assert summary["anomalies"] > 0
    assert score["injected"] > 10
    assert score["recall"] > 0.8
    assert score["precision"] > 0.2
    assert 0 < summary["first_anomaly_s"] < 90
    payments = summary["payments"]
    assert payments["sent"] > 50_000
    assert payments["unaccounted"] == 0
    assert payments["judged"] + sum(payments["rejected"].values()) == payments["sent"]
    assert set(payments["rejected"]) <= {"empty", "malformed_json", "schema_violation", "too_large"}
    assert payments["opened"] > 0
    cards = summary["transactions"]
    assert cards["sent"] > 20_000
    assert cards["unaccounted"] == 0
    assert cards["judged"] + sum(cards["rejected"].values()) == cards["sent"]
    assert cards["labels"] > 3_000
    assert cards["anomalies"] >= cards["score"]["flagged"] > 0
    assert cards["score"]["injected"] >= cards["score"]["found"] > 0
    assert cards["score"]["precision"] > 0.2
    assert left_in(tmp_path) == []


def test_ctrl_c_ends_everything_it_started(demo, tmp_path):
    run = demo("--port", free_port())
    wait_for_process(tmp_path, "detector")
    begin = time.monotonic()
    run.send_signal(signal.SIGINT)
    assert run.wait(30) == 130
    assert time.monotonic() - begin < 15
    assert left_in(tmp_path) == []


def test_a_taken_port_says_what_to_do(demo, tmp_path, kafka):
    if kafka.provider != "embedded":
        pytest.skip("the broker's port is not on this machine")
    run = demo("--port", kafka.broker.port)
    assert run.wait(60) == 3
    said = " ".join((tmp_path / "err").read_text().split())
    assert "already taken" in said
    assert "--port" in said
    assert left_in(tmp_path) == []
