"""What is taken down while a program works through a topic, and what follows from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a running program, from outside.

    Attributes
    ----------
    at_s : float
        A monotonic clock.
    events : int
        Events done since its start.
    cpu_s : float
        Processor time of the process and all its threads since its start.
    rss_mib : float
        Memory it holds.
    """

    at_s: float
    events: int
    cpu_s: float
    rss_mib: float


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast a program worked, at what cost."""

    events: int
    events_per_s: float
    cpu_us_per_event: float
    rss_mib: float


class TooShortError(ValueError):
    """There are not two samples after the warm-up to measure between."""


def rate(samples: Sequence[Sample], warm_up: int, total: int) -> Rate:
    """Return the rate between the first sample after the warm-up and the last before the end.

    Samples are those at which `events` changed, so that it does not matter how often a program
    commits. The end of the topic is left out where possible: what a program does there is wait.

    Parameters
    ----------
    samples : sequence of Sample
        Ascending.
    warm_up : int
        Events that do not count.
    total : int
        Events in the topic.

    Raises
    ------
    TooShortError
        Where too little was observed.
    """
    warm = [sample for sample in changes(samples) if sample.events >= warm_up]
    busy = [sample for sample in warm if sample.events < total]
    used = busy if len(busy) > 1 else warm
    if len(used) < 2:
        raise TooShortError(
            f"{len(used)} looks after {warm_up:,} events; it had done "
            f"{samples[-1].events if samples else 0:,} of {total:,}"
        )
    first, last = used[0], used[-1]
    events = last.events - first.events
    return Rate(
        events=events,
        events_per_s=events / (last.at_s - first.at_s),
        cpu_us_per_event=(last.cpu_s - first.cpu_s) / events * 1e6,
        rss_mib=last.rss_mib,
    )


def changes(samples: Sequence[Sample]) -> list[Sample]:
    """Return the samples that show more events than the one before, and events at all."""
    kept: list[Sample] = []
    for sample in samples:
        if sample.events > (kept[-1].events if kept else 0):
            kept.append(sample)
    return kept


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile by the nearest rank: a value that was really measured.

    Examples
    --------
    >>> percentile([1.0, 2.0, 3.0, 4.0], 50)
    2.0
    """
    return float(np.percentile(np.asarray(values), percent, method="inverted_cdf"))
