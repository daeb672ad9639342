"""What the checks share: comparing bit by bit, cutting rows into batches, watching memory."""

import gc
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Floats

_SEEDS = range(3)
# What the interpreter itself may keep from one run to the next, in bytes: up to 2,000 freed tuples
# of each size, which calls of compiled code bring it.
_SLACK = 160 * 1024
_STEPS_UNTRACED = 5


def require(holds: bool, message: str) -> None:
    """Raise AssertionError with `message` unless `holds`."""
    if not holds:
        raise AssertionError(message)


def same(actual: NDArray[Any], expected: NDArray[Any], what: str) -> None:
    """Require equal shapes and equal bits, NaN included."""
    require(actual.shape == expected.shape, f"{what}: {actual.shape}, not {expected.shape}")
    differ = np.flatnonzero(
        [a.tobytes() != b.tobytes() for a, b in zip(actual, expected, strict=True)]
    )
    if len(differ):
        i = int(differ[0])
        raise AssertionError(f"{what}: {len(differ)} differ; row {i}: {actual[i]}, {expected[i]}")


def numbers(scores: Floats, rows: int) -> None:
    """Require a score a row, finite and not negative, NaN only before the first one."""
    require(scores.shape == (rows,), f"{scores.shape} scores of {rows} rows")
    require(scores.dtype == np.float64, f"scores are {scores.dtype}")
    known = ~np.isnan(scores)
    require(bool(known.any()), "no row had a score; give more than it takes to warm up")
    require(bool(known[np.argmax(known) :].all()), "NaN after the first score")
    require(bool(np.isfinite(scores[known]).all()), "an infinite score")
    require(bool((scores[known] >= 0).all()), "a negative score")


def bounded(run: Callable[[int, int], int], half: int, rows: int, spread: float = 0.0) -> None:
    """Run both halves in small steps; neither snapshots nor memory may grow in the second."""
    step = max(1, rows // 40)
    tracing = tracemalloc.is_tracing()
    most = max(run(at, min(at + step, half)) for at in range(0, half, step))
    tracemalloc.start()
    # what replaces state from before the tracing began is no growth: let some of it pass
    traced = half + _STEPS_UNTRACED * step
    later = max(run(at, at + step) for at in range(half, traced, step))
    # memory that leaks with rows grows in both parts; what others hold on to once does not
    grown = []
    for begin, end in pairwise((traced, (traced + rows) // 2, rows)):
        before = _traced()
        later = max(later, *(run(at, min(at + step, end)) for at in range(begin, end, step)))
        grown.append(_traced() - before)
    if not tracing:
        tracemalloc.stop()
    require(later <= most * (1 + spread), f"the snapshot grew from {most} to {later} bytes")
    require(min(grown) <= _SLACK, f"{grown} bytes more in parts of the second half of the rows")


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def batches(rows: int, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Return where batches begin and end that are cut at `cuts`."""
    edges = [0, *cuts, rows]
    return pairwise(edges)


def ways_to_cut(rows: int) -> Iterator[list[int]]:
    """Yield cuts: into single rows, then at random, empty batches included."""
    yield list(range(1, rows))
    for seed in _SEEDS:
        rng = np.random.default_rng(seed)
        # sorted with repetitions: empty batches, too
        yield np.sort(rng.integers(0, rows + 1, rng.integers(1, 60))).tolist()


def places(rows: int) -> Iterator[int]:
    """Yield places among so many rows: both ends, and some at random."""
    yield from (0, 1)
    for seed in _SEEDS:
        yield int(np.random.default_rng(seed).integers(2, rows - 1))
    yield rows
