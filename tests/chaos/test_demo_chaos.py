"""The demo, when what it started dies, and when it dies itself."""

import os
import signal
import time

import pytest

from eddy.app.demo.folder import end_leftovers
from eddy.sandbox.machine import free_port
from eddy.sandbox.stack import Stack
from tests.integration.test_demo import demo, left_in, wait_for_process

pytestmark = pytest.mark.chaos_long
__all__ = ["demo"]


@pytest.mark.parametrize("victim", ["kafka", "detector"])
def test_a_death_on_the_way_is_told_with_the_log(demo, tmp_path, victim):
    run = demo("--port", free_port(), "--json")  # then all that is said goes to standard error
    wait_for_process(tmp_path, "detector")
    process = wait_for_process(tmp_path, victim)
    os.kill(process.pid, signal.SIGKILL)
    assert run.wait(90) == 3
    said = (tmp_path / "err").read_text()
    assert f"{victim}.log" in said.replace("\n", "")
    assert left_in(tmp_path) == []


def test_sigterm_ends_everything_it_started(demo, tmp_path):
    run = demo("--port", free_port())
    wait_for_process(tmp_path, "detector")
    begin = time.monotonic()
    run.terminate()
    assert run.wait(30) == 143
    assert time.monotonic() - begin < 15
    assert left_in(tmp_path) == []


def test_what_a_killed_demo_leaves_is_found(demo, tmp_path):
    run = demo("--port", free_port())
    wait_for_process(tmp_path, "detector")
    run.kill()
    run.wait()
    assert len(Stack(tmp_path / ".eddy/demo").status()) == 2
    assert end_leftovers(tmp_path / ".eddy", print) == ["detector", "kafka"]
    assert left_in(tmp_path) == []
