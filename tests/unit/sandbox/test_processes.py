"""Background processes: identity, endings, logs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from eddy.sandbox.processes import BackgroundProcess, ProcessId, launch, tail, wait_until_ready
from eddy.schemas.errors import MissingResource

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
IGNORE_SIGTERM = (
    "import signal as s, time; s.signal(s.SIGTERM, s.SIG_IGN); print('up'); time.sleep(60)"
)
STUBBORN = (sys.executable, "-uc", IGNORE_SIGTERM)


def wait_for(log: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)


def test_a_process_runs_until_it_is_ended(tmp_path: Path) -> None:
    started = launch(BackgroundProcess("sleeper", SLEEP), tmp_path / "log")
    assert started.is_running()
    assert started.exit_code() is None
    started.end(within_s=10)
    assert not started.is_running()
    assert started.exit_code() == -signal.SIGTERM


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    started = launch(BackgroundProcess("stubborn", STUBBORN), log)
    wait_for(log, "up")
    started.end(within_s=0.2)
    assert started.exit_code() == -signal.SIGKILL


def test_a_process_has_a_session_of_its_own(tmp_path: Path) -> None:
    started = launch(BackgroundProcess("sleeper", SLEEP), tmp_path / "log")
    try:
        assert os.getsid(started.pid) == started.pid != os.getsid(0)
    finally:
        started.kill()


def test_a_recycled_pid_is_never_signalled() -> None:
    stranger = subprocess.Popen(SLEEP)
    try:
        stale = ProcessId(stranger.pid, "some other time")
        assert not stale.is_running()
        stale.end(within_s=1)
        stale.kill()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_started_by_another_program_can_be_known_and_ended() -> None:
    started_elsewhere = subprocess.Popen(SLEEP)
    known = ProcessId.of(started_elsewhere.pid)
    assert known.is_running()
    known.end(within_s=10)
    assert not known.is_running()  # a zombie until it is reaped, which counts as ended
    assert known.exit_code() is None
    assert started_elsewhere.wait() == -signal.SIGTERM


def test_readiness_is_asked_until_it_comes(tmp_path: Path) -> None:
    answers = iter([False, False, True])
    process = BackgroundProcess("sleeper", SLEEP, ready=lambda: next(answers))
    started = launch(process, tmp_path / "log")
    try:
        assert wait_until_ready(process, started, tmp_path / "log") >= 0.1
    finally:
        started.kill()


def test_a_death_at_the_start_shows_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("an older run\n")
    dying = "print('no such database'); print('\\tat frame'); raise SystemExit(7)"
    process = BackgroundProcess("dying", (sys.executable, "-c", dying), ready=lambda: False)
    started = launch(process, log)
    with pytest.raises(MissingResource, match=r"exit code 7(.|\n)*no such database") as caught:
        wait_until_ready(process, started, log)
    assert "an older run" not in str(caught.value)
    assert "frame" not in str(caught.value)


def test_one_that_never_gets_ready_is_ended(tmp_path: Path) -> None:
    process = BackgroundProcess("slow", SLEEP, ready=lambda: False, ready_within_s=0.2)
    started = launch(process, tmp_path / "log")
    with pytest.raises(MissingResource, match="slow was not ready"):
        wait_until_ready(process, started, tmp_path / "log")
    assert not started.is_running()


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingResource, match="ghost cannot be started"):
        launch(BackgroundProcess("ghost", (str(tmp_path / "ghost"),)), tmp_path / "log")


def test_the_tail_of_no_log(tmp_path: Path) -> None:
    assert tail(tmp_path / "log") == "(there is none)"


def test_a_log_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eddy.sandbox.processes._LOG_LIMIT_BYTES", 10)
    log = tmp_path / "log"
    log.write_text("more than ten bytes")
    launch(BackgroundProcess("sleeper", SLEEP), log).kill()
    assert "more than ten" not in log.read_text()


def test_identity_is_the_pid_and_the_start(tmp_path: Path) -> None:
    assert ProcessId.of(os.getpid()) == ProcessId.of(os.getpid())
    assert ProcessId.of(os.getpid()).is_running()
    assert not ProcessId.of(2**22 + 1).is_running()
