"""Watching a program work through a topic, from outside: the same for the engine and all peers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.load import Show
from bench.samples import Sample
from bench.usage import usage
from eddy.sandbox.processes import ProcessId, tail
from eddy.schemas.errors import MissingResource

_LOOK_EVERY_S = 0.05

Count = Callable[[], int]
"""Gives the events done so far."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop watching.

    Attributes
    ----------
    events : int
        Events done.
    seconds : float
        Time since the first event was done.
    start_within_s : float
        How long that may take to come.
    """

    events: int
    seconds: float
    start_within_s: float = 90.0


def watch(process: ProcessId, count: Count, limits: Limits, log: Path, show: Show) -> list[Sample]:
    """Take samples until a limit is reached.

    Raises
    ------
    MissingResource
        When the program ends by itself, or does nothing for too long.
    """
    samples: list[Sample] = []
    begin = time.monotonic()
    first_at: float | None = None
    while True:
        sample = _sample(process, count, log)
        samples.append(sample)
        show(sample.events)
        if sample.events and first_at is None:
            first_at = sample.at_s
        if first_at is None and sample.at_s - begin > limits.start_within_s:
            raise MissingResource(f"did nothing for {limits.start_within_s:.0f} s:\n{tail(log)}")
        if sample.events >= limits.events or _is_over(sample, first_at, limits):
            return samples
        time.sleep(_LOOK_EVERY_S)


def _is_over(sample: Sample, first_at: float | None, limits: Limits) -> bool:
    return first_at is not None and sample.at_s - first_at > limits.seconds


def _sample(process: ProcessId, count: Count, log: Path) -> Sample:
    """Look once: the count first, then the clock and the processor time, as close as can be."""
    events = count()
    try:
        used = usage(process.pid)
    except ProcessLookupError as error:
        raise _ended(process, log) from error
    if not process.is_running():
        raise _ended(process, log)
    return Sample(time.monotonic(), events, used.cpu_s, used.rss_mib)


def _ended(process: ProcessId, log: Path) -> MissingResource:
    code = process.exit_code()
    return MissingResource(f"ended (exit code {code}):\n{tail(log)}")


def counter(file: Path) -> Count:
    """Return the count of a program that writes it to a file."""

    def count() -> int:
        try:
            return int(file.read_text() or 0)
        except FileNotFoundError:
            return 0

    return count
