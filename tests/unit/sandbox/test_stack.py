"""A stack starts what is missing, ends what it started, and touches nothing else."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from eddy.sandbox.processes import BackgroundProcess, ProcessId
from eddy.sandbox.stack import Stack, running
from eddy.schemas.errors import ConfigError, MissingResource

ROOT = Path(__file__).parents[3]


def sleeper(name: str, **more: object) -> BackgroundProcess:
    return BackgroundProcess(
        name, (sys.executable, "-c", f"import time; time.sleep(60) # {name}"), **more
    )


DYING = BackgroundProcess(
    "dying", (sys.executable, "-c", "raise SystemExit('out of luck')"), lambda: False
)


@pytest.fixture
def stack(tmp_path: Path):
    stack = Stack(tmp_path / "stack")
    yield stack
    stack.down()


def test_up_then_status_then_down(stack: Stack) -> None:
    heard: list[str] = []
    first, second = stack.up([sleeper("first", ports=(1, 2)), sleeper("second")], heard.append)
    assert (first.name, first.ports, first.is_running, first.exit_code) == (
        "first",
        (1, 2),
        True,
        None,
    )
    assert first.log.exists()
    assert stack.down(heard.append) == ["second", "first"]
    assert stack.status() == []
    assert not ProcessId.of(first.pid).is_running()
    assert not ProcessId.of(second.pid).is_running()
    assert [line.split()[0] for line in heard] == [
        "starting",
        "first",
        "starting",
        "second",
        "ending",
        "ending",
    ]
    assert stack.down() == []


def test_up_twice_starts_nothing_twice(stack: Stack) -> None:
    [before] = stack.up([sleeper("one")])
    again = Stack(stack.directory)
    kept, _added = again.up([sleeper("one"), sleeper("two")])
    assert kept.pid == before.pid


def test_prepare_is_for_what_is_started_only(stack: Stack) -> None:
    calls: list[str] = []
    one = sleeper("one", prepare=lambda: calls.append("one"))
    stack.up([one])
    stack.up([one])
    assert calls == ["one"]


def test_other_settings_under_the_same_name_are_refused(stack: Stack) -> None:
    stack.up([sleeper("one", ports=(1,))])
    with pytest.raises(ConfigError, match=r"one already runs.*eddy down"):
        stack.up([sleeper("one", ports=(2,))])


def test_a_dead_process_shows_and_is_started_again(stack: Stack) -> None:
    [before] = stack.up([sleeper("one")])
    os.kill(before.pid, signal.SIGKILL)
    ProcessId.of(before.pid).wait(5)
    [dead] = stack.status()
    assert (dead.is_running, dead.exit_code) == (False, -signal.SIGKILL)
    [after] = stack.up([sleeper("one")])
    assert after.is_running
    assert after.pid != before.pid


def test_a_failed_up_ends_what_it_started_and_no_more(stack: Stack) -> None:
    stack.up([sleeper("old")])
    with pytest.raises(MissingResource, match="out of luck"):
        stack.up([sleeper("new"), DYING])
    assert [status.name for status in stack.status()] == ["old"]
    assert stack.status()[0].is_running


def test_down_from_another_program(stack: Stack) -> None:
    code = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from eddy.sandbox.stack import Stack
        from eddy.sandbox.processes import BackgroundProcess
        argv = (sys.executable, "-c", "import time; time.sleep(60)")
        [status] = Stack(Path({str(stack.directory)!r})).up([BackgroundProcess("one", argv)])
        print(status.pid)
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    pid = int(done.stdout)
    assert ProcessId.of(pid).is_running(), "it must outlive the program that started it"
    assert stack.down() == ["one"]
    assert not ProcessId.of(pid).is_running()


def test_a_recycled_pid_survives_down(stack: Stack) -> None:
    stack.up([sleeper("one")])
    time.sleep(
        0.05
    )  # starts are told apart by hundredths of a second; a pid takes longer to return
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        state = stack.directory / "state.json"
        content = json.loads(state.read_text())
        ours = content["processes"][0]
        content["processes"].append({**ours, "name": "recycled", "pid": stranger.pid})
        state.write_text(json.dumps(content))
        stack.down()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.parametrize("content", ["{", '{"version": 1}', '{"version": 99, "processes": []}'])
def test_a_strange_state_file_is_an_error_that_names_it(stack: Stack, content: str) -> None:
    stack.directory.mkdir()
    state = stack.directory / "state.json"
    state.write_text(content)
    with pytest.raises(ConfigError, match=r"state\.json"):
        stack.status()
    state.unlink()


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingResource, match="file"):
        Stack(tmp_path / "file" / "stack").up([sleeper("one")])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_running_ends_what_it_started_however_it_is_left(
    stack: Stack, error: type[BaseException]
) -> None:
    stack.up([sleeper("already")])

    def leave() -> None:
        with running([sleeper("already"), sleeper("ours")], stack.directory) as both:
            assert len(both.status()) == 2
            raise error

    with pytest.raises(error):
        leave()
    assert [(status.name, status.is_running) for status in stack.status()] == [("already", True)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_running_ends_what_it_started_on_signals(stack: Stack, number: int) -> None:
    code = textwrap.dedent(f"""
        import sys, time
        from pathlib import Path
        from eddy.sandbox.stack import running
        from eddy.sandbox.processes import BackgroundProcess
        argv = (sys.executable, "-c", "import time; time.sleep(60)")
        with running([BackgroundProcess("one", argv)], Path({str(stack.directory)!r})) as stack:
            print(stack.status()[0].pid, flush=True)
            time.sleep(60)
    """)
    program = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with program:
        pid = int(program.stdout.readline())
        assert ProcessId.of(pid).is_running()
        program.send_signal(number)
        assert program.wait(timeout=20) != 0
    assert not ProcessId.of(pid).is_running()
    assert stack.status() == []


def test_a_second_interrupt_while_ending_kills_the_rest(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.up([sleeper("first"), sleeper("second")])
    pids = [ProcessId.of(status.pid) for status in stack.status()]

    def impatient(self: ProcessId, within_s: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ProcessId, "end", impatient)
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        stack.down()
    assert time.monotonic() - begin < 5
    assert not any(pid.is_running() for pid in pids)
    assert stack.status() == []
