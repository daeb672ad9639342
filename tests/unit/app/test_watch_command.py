"""``eddy watch``: what it tells, and its exit codes."""

import json

import pytest

from eddy.schemas.errors import ConfigError, GateRefused
from tests.support.card_days import write_day
from tests.support.commands import invoke

SMALL = {
    "train.train_days": 4,
    "train.delay_days": 0.5,
    "train.calibration_days": 1,
    "train.hold_out_days": 1,
    "train.random_forest.trees": 3,
}


@pytest.fixture
def watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "inbox").mkdir()

    def said(*words, place="inbox", **changes):
        pairs = [f"--set={key}={value}" for key, value in {**SMALL, **changes}.items()]
        command = ["watch", place, "--once", "--quiet", "0", "--every", "0.1", "--json"]
        return invoke(*command, *pairs, *words, catch_exceptions=True)

    return said


def test_it_trains_once_and_then_has_nothing_to_do(watch, tmp_path):
    for day in range(8):
        write_day(tmp_path / "inbox", day)
    done = watch()
    assert done.exit_code == 0, done.output
    run = json.loads(done.stdout)
    assert (run["outcome"], run["version"]) == ("trained", "1")
    assert json.loads(watch().stdout) is None
    record = (tmp_path / ".eddy" / "retraining.jsonl").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in record] == ["started", "started", "trained"]


def test_a_refusal_is_an_exit_code_of_its_own(watch, tmp_path):
    write_day(tmp_path / "inbox", 0, rows=50)
    done = watch()
    assert isinstance(done.exception, GateRefused)
    assert "too few" in str(done.exception)


def test_a_notification_about_something_else_does_nothing(watch, tmp_path):
    (tmp_path / "event.json").write_text('{"Event": "s3:TestEvent"}')
    done = watch("--notification", "event.json", place="s3://bucket/inbox")
    assert (done.exit_code, done.stdout) == (0, "")
    (tmp_path / "event.json").write_text("{}")
    done = watch("--notification", "event.json", place="s3://bucket/inbox")
    assert isinstance(done.exception, ConfigError)
