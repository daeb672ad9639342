"""What every detector must do; each check takes a factory, features and times."""

from collections.abc import Callable, Sequence

import numpy as np

from eddy.models.arrays import Floats, Ints
from eddy.models.checks.rows import batches, bounded, numbers, places, same, ways_to_cut
from eddy.models.detector import Detector

MakeDetector = Callable[[], Detector]
DetectorCheck = Callable[[MakeDetector, Floats, Ints], None]


def check_same_input_same_scores(make: MakeDetector, features: Floats, times: Ints) -> None:
    """Two detectors of one making, given the same rows, give the same scores, bit by bit."""
    same(make().judge(features, times).scores, make().judge(features, times).scores, "a second run")


def check_batches_do_not_matter(make: MakeDetector, features: Floats, times: Ints) -> None:
    """Rows one by one, cut at random, and all at once give the same scores, bit by bit."""
    whole = make().judge(features, times).scores
    for cuts in ways_to_cut(len(features)):
        same(_scores(make(), features, times, cuts), whole, f"{len(cuts)} cuts")


def check_snapshot_round_trip(make: MakeDetector, features: Floats, times: Ints) -> None:
    """Whoever takes over a snapshot, taken anywhere, goes on with the same scores."""
    whole = make().judge(features, times).scores
    for at in places(len(features)):
        first, second = make(), make()
        first.judge(features[:at], times[:at])
        # what was learned before must give way to the snapshot
        second.judge(features[-10:], times[-10:])
        state = first.snapshot()
        first.judge(features[at:], times[at:])  # must not reach into what it gave away
        second.restore(state)
        same(second.judge(features[at:], times[at:]).scores, whole[at:], f"a snapshot at {at}")


def check_memory_is_bounded(make: MakeDetector, features: Floats, times: Ints) -> None:
    """Rows of the second half make the state no larger; give enough to fill it before."""
    detector, half = make(), len(features) // 2

    def size() -> int:
        return sum(array.nbytes for array in detector.snapshot().values())

    def run(start: int, stop: int) -> int:
        detector.judge(features[start:stop], times[start:stop])
        return size()

    bounded(run, half, len(features))


def check_scores_are_numbers(make: MakeDetector, features: Floats, times: Ints) -> None:
    """Scores are one a row, finite and not negative; NaN only in the beginning, while warming.

    Give rows that leave no gap in which a detector would have to warm anew.
    """
    numbers(make().judge(features, times).scores, len(features))


def check_input_is_left_alone(make: MakeDetector, features: Floats, times: Ints) -> None:
    """Scoring writes nothing into the arrays it is given, nor keeps hold of them."""
    mine, moments = features.copy(), times.copy()
    detector, half = make(), len(features) // 2
    before = detector.judge(mine[:half], moments[:half]).scores
    same(mine, features, "the features, after scoring")
    same(moments, times, "the times, after scoring")
    mine[:half], moments[:half] = 0.0, 0
    after = detector.judge(features[half:], times[half:]).scores
    whole = make().judge(features, times).scores
    same(np.concatenate([before, after]), whole, "after the caller used its arrays anew")


DETECTOR_CHECKS: tuple[DetectorCheck, ...] = (
    check_same_input_same_scores,
    check_batches_do_not_matter,
    check_snapshot_round_trip,
    check_memory_is_bounded,
    check_scores_are_numbers,
    check_input_is_left_alone,
)


def _scores(detector: Detector, features: Floats, times: Ints, cuts: Sequence[int]) -> Floats:
    cut = batches(len(features), cuts)
    return np.concatenate([detector.judge(features[a:b], times[a:b]).scores for a, b in cut])
