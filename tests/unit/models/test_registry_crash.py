"""A registering process dies at every step it takes on disk: nothing half is ever seen."""

import os
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eddy.models.artefact import encode_parameters
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry

# JAX, where a test before this one loaded it, warns at every fork; the child here never calls it
pytestmark = [
    pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
NOW = datetime(2024, 3, 1, tzinfo=UTC)
STEPS = ((os, "fsync"), (os, "write"), (Path, "rename"), (Path, "replace"), (Path, "mkdir"))


class Radius(msgspec.Struct, frozen=True):
    eps: float


def write_models(root: Path, rounds: int) -> None:
    """Register, promote, and go back every third time."""
    registry = Registry(FolderStore(root), lambda: NOW)
    for i in range(rounds):
        artefact = encode_parameters(Radius(0.5 + i))
        training = Training(trained_at=NOW)
        files = {"model.skops": b"trees" * i}
        version = registry.register("rides", artefact, training=training, metrics={}, files=files)
        registry.promote("rides", version)
        if i % 3 == 2:
            registry.rollback("rides")


def die_at(step: int) -> None:
    """Make the `step`-th call that touches the disk this process's last; writes are torn."""
    left = [step]

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        def step_or_die(*arguments: Any, **named: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                if call is write:
                    call(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                os._exit(9)
            return call(*arguments, **named)

        return step_or_die

    write = os.write
    for owner, name in STEPS:
        setattr(owner, name, dying(getattr(owner, name)))


def in_child(work: Callable[[], None]) -> int:
    """Start `work` in a forked process and return its id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    finally:
        os._exit(1)


def check_whole(root: Path) -> tuple[int, str | None]:
    """Every version visible loads; the aliases and their log agree."""
    registry = Registry(FolderStore(root), lambda: NOW)
    champion = registry.aliases("rides").get("champion")
    versions = registry.versions("rides")
    assert versions == [str(i + 1) for i in range(len(versions))]
    for version in versions[-20:]:
        registry.load("rides", version, Radius)
    assert champion is None or champion in versions
    return len(versions), champion


def check_log(root: Path) -> None:
    """The log ends where the aliases are; only while nobody writes."""
    registry = Registry(FolderStore(root), lambda: NOW)
    history = registry.history("rides")
    assert (history[-1].after if history else None) == registry.aliases("rides").get("champion")
    assert [change.sequence for change in history] == list(range(1, len(history) + 1))


def test_death_at_every_step(tmp_path: Path) -> None:
    def write_until(step: int, root: Path) -> None:
        die_at(step)
        write_models(root, rounds=3)

    seen = set()
    for step in range(1, 200):
        root = tmp_path / str(step)
        child = in_child(lambda step=step, root=root: write_until(step, root))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        seen.add(check_whole(root))
        check_log(root)
        if code == 0:
            break
        assert code == 9
        write_models(root, rounds=1)  # the next writer goes on, whatever was left
        check_whole(root)
        check_log(root)
    assert code == 0
    assert step > 50
    # died before anything, after registering, after promoting, ... and at last not at all
    assert {(0, None), (1, None), (1, "1"), (2, "1"), (2, "2"), (3, "2"), (3, "3")} <= seen


def test_kill_9_at_random_while_others_read(tmp_path: Path) -> None:
    seed = int(os.environ.get("EDDY_TEST_SEED", random.SystemRandom().randrange(10**6)))
    print("seed", seed)
    chance = random.Random(seed)
    killed = last = 0
    for _ in range(10):
        writer = in_child(lambda: write_models(tmp_path, rounds=10**6))
        while check_whole(tmp_path)[0] <= last + 1:
            time.sleep(0.005)
        end = time.monotonic() + chance.uniform(0, 0.1)
        while time.monotonic() < end:
            check_whole(tmp_path)
        os.kill(writer, signal.SIGKILL)
        killed += os.waitstatus_to_exitcode(os.waitpid(writer, 0)[1]) == -signal.SIGKILL
        last, _champion = check_whole(tmp_path)
        check_log(tmp_path)
    assert killed == 10
