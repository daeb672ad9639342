"""A peer: what it is called, what it guarantees, how it is started and how long it is watched."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.peers.job import PeerJob
from eddy.sandbox.processes import BackgroundProcess

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Peer:
    """One engine to compare with.

    Attributes
    ----------
    name : str
        In tables and for ``--peers``.
    guarantee : str
        See `bench.peers.job`.
    target : float
        The engine should handle at least this many times as many events a second.
    warm_up : int
        Events that do not count: compilers and caches get warm.
    events : int
        Events to measure at most.
    seconds : float
        Time to measure at most.
    process : callable
        ``process(job)`` says how to start it.

        Raises `eddy.schemas.errors.MissingResource` where it cannot run here.
    runs : int
        How often it is measured; the median counts.
    counts_itself : bool
        It commits no offsets; it writes its count to `PeerJob.counter` instead.
    """

    name: str
    guarantee: str
    target: float
    warm_up: int
    events: int
    seconds: float
    process: Callable[[PeerJob], BackgroundProcess]
    runs: int = 1
    counts_itself: bool = False


def python_process(name: str, job: PeerJob, python: Path | None = None) -> BackgroundProcess:
    """Return the process of ``bench/peers/<name>.py``, by this Python or the one given."""
    interpreter = str(python or sys.executable)
    return BackgroundProcess(
        name=name,
        argv=(interpreter, "-m", f"bench.peers.{name}"),
        env=os.environ | {"PYTHONPATH": str(ROOT)} | job.environment(),
    )
