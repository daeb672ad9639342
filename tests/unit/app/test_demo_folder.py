import sys

import pytest

from eddy.app.demo.folder import empty, end_leftovers, only_demo
from eddy.sandbox.processes import BackgroundProcess, ProcessId
from eddy.sandbox.stack import Stack
from eddy.schemas.errors import ConfigError, MissingResource

SLEEP = BackgroundProcess(
    name="sleeper", argv=(sys.executable, "-c", "import time; time.sleep(60)")
)


def left_behind(base):
    """Start what a killed demo would leave."""
    Stack(base / "demo").up([SLEEP])
    pid = Stack(base / "demo").status()[0].pid
    return ProcessId.of(pid)


def test_two_demos_in_one_folder_are_one_too_many(tmp_path):
    with only_demo(tmp_path), pytest.raises(ConfigError, match="already runs"), only_demo(tmp_path):
        pass
    with only_demo(tmp_path):
        pass


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(MissingResource, match="cannot write"), only_demo(tmp_path / "file"):
        pass


def test_down_ends_what_a_killed_demo_left(tmp_path):
    process = left_behind(tmp_path)
    assert end_leftovers(tmp_path, print) == ["sleeper"]
    assert not process.is_running()
    assert end_leftovers(tmp_path / "elsewhere", print) == []


def test_down_leaves_a_running_demo_alone(tmp_path):
    process, said = left_behind(tmp_path), []
    with only_demo(tmp_path):
        assert end_leftovers(tmp_path, said.append) == []
        assert process.is_running()
    assert "Ctrl-C" in said[0]
    Stack(tmp_path / "demo").down()


def test_a_demo_begins_with_an_empty_folder(tmp_path):
    process = left_behind(tmp_path)
    (tmp_path / "demo" / "checkpoints").mkdir()
    empty(tmp_path / "demo", print)
    assert not process.is_running()
    assert list((tmp_path / "demo").iterdir()) == []
