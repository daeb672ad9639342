"""The windowed DBSCAN's edges: warming, late rows, other models, states it refuses."""

from typing import Any

import numpy as np
import pytest

from eddy.models.detectors.dbscan.windowed import WindowedDbscan

CROWD = np.zeros((10, 2))
IDENTITY = ((1.0, 0.0), (0.0, 1.0))


def make(**options: Any) -> WindowedDbscan:
    settings = {"eps": 1.0, "min_samples": 3, "window_rows": 20, "min_window": 5, **options}
    return WindowedDbscan(**settings)


def row(x: float, y: float = 0.0) -> np.ndarray:
    return np.array([[x, y]])


def at(*times: int) -> np.ndarray:
    return np.array(times, np.int64)


@pytest.mark.parametrize("rule", [{"eps": 0.0}, {"eps": -1.0}, {"eps": np.nan}, {"min_samples": 1}])
def test_a_rule_that_means_nothing_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="eps > 0 and min_samples >= 2"):
        make(**rule)
    detector = make()
    with pytest.raises(ValueError, match="eps > 0"):
        detector.adopt((0.0, 0.0), IDENTITY, rule.get("eps", 1.0), rule.get("min_samples", 3))


def test_nothing_is_said_while_warming() -> None:
    scores = make().judge(CROWD, at(*range(10))).scores
    np.testing.assert_array_equal(np.isnan(scores), [True] * 4 + [False] * 6)
    assert (scores[4:] == 0.0).all()


def test_nothing_is_said_without_a_core_point() -> None:
    alone = np.arange(8.0)[:, None] * [10.0, 0.0]
    assert np.isnan(make().judge(alone, at(*range(8))).scores).all()


def test_the_score_is_the_distance_to_the_nearest_core_point_in_eps() -> None:
    detector = make(eps=0.5)
    detector.judge(CROWD, at(*range(10)))
    said = detector.judge(np.array([[0.5, 0.0], [-3.0, 4.0]]), at(10, 11))
    assert said.scores.tolist() == [0.0, 10.0]  # ten others within eps of the first: it is core
    assert said.noise.tolist() == [1]
    assert said.rows.tolist() == [12]
    assert said.nearest.tolist() == [[0.0, 0.0]]
    assert not said.late.any()


def test_a_border_point_is_no_noise() -> None:
    detector = make(min_samples=4)
    crowd = np.array([[0.0, 0.0], [0.1, 0.0], [-0.1, 0.0], [0.0, 0.1], [0.0, -0.1]])
    detector.judge(crowd, at(*range(5)))
    said = detector.judge(row(1.1), at(5))  # exactly one neighbour within eps: (0.1, 0)
    assert said.scores[0] == pytest.approx(1.0)
    assert len(said.noise) == int(said.scores[0] > 1.0)


def test_no_rows_are_no_problem() -> None:
    detector = make()
    said = detector.judge(np.empty((0, 2)), at())
    assert len(said.scores) == len(said.noise) == detector.rows == 0
    assert not detector.full


def test_the_window_is_full_once_it_has_dropped_a_row() -> None:
    detector = make(window_rows=10)
    detector.judge(CROWD, at(*range(10)))
    assert (detector.rows, detector.full) == (10, False)
    detector.judge(row(0.0), at(10))
    assert (detector.rows, detector.full) == (10, True)


def test_old_rows_leave_by_time() -> None:
    detector = make(window_us=5)
    detector.judge(CROWD, at(*range(10)))
    assert detector.rows == 6  # 4 to 9
    assert np.isnan(detector.judge(row(0.0), at(1_000)).scores[0])  # alone again: warming
    assert detector.rows == 1


def test_late_rows_are_judged_and_not_kept() -> None:
    detector = make(window_us=50)
    detector.judge(CROWD, at(*range(100, 110)))
    before = detector.snapshot()
    said = detector.judge(np.array([[9.0, 0.0], [0.0, 0.0]]), at(58, 59))
    assert said.late.tolist() == [True, False]  # 109 - 50 is the oldest that counts
    assert said.scores.tolist() == [9.0, 0.0]
    assert said.rows.tolist() == [11]
    assert detector.rows == 11
    assert detector.snapshot()["watermark"] == before["watermark"]


def test_a_late_row_does_not_make_others_core() -> None:
    detector = make(window_us=50, min_samples=2)
    detector.judge(CROWD, at(*range(100, 110)))
    first = detector.judge(row(9.0), at(1))
    again = detector.judge(row(9.0), at(1))
    assert first.scores[0] == again.scores[0] == 9.0


def test_another_model_judges_the_same_window() -> None:
    detector = make()
    detector.judge(CROWD, at(*range(10)))
    before = detector.snapshot()
    detector.adopt((0.0, 0.0), ((2.0, 0.0), (0.0, 1.0)), 0.5, 3)
    after = detector.snapshot()
    assert all(after[name].tobytes() == before[name].tobytes() for name in before)
    assert detector.judge(row(3.0), at(10)).scores.tolist() == [12.0]


def test_a_snapshot_is_a_copy() -> None:
    detector = make()
    detector.judge(CROWD, at(*range(10)))
    state = detector.snapshot()
    state["features"][:] = 99.0
    assert (detector.snapshot()["features"] == 0.0).all()
    other = make()
    other.restore(detector.snapshot())
    assert (other.rows, other.full) == (10, False)


def good() -> dict[str, np.ndarray]:
    detector = make()
    detector.judge(CROWD, at(*range(10)))
    return detector.snapshot()


@pytest.mark.parametrize(
    "change",
    [
        {"features": None},
        {"times": None},
        {"watermark": None},
        {"full": None},
        {"features": np.zeros((10, 3))},
        {"features": np.zeros(20)},
        {"features": np.zeros((9, 2))},
        {"features": np.zeros((21, 2)), "times": np.zeros(21, np.int64)},
        {"features": np.array([["a", "b"]] * 10)},
        {"watermark": np.empty(0, np.int64)},
        {"full": np.empty(0, np.bool_)},
    ],
    ids=str,
)
def test_a_state_that_is_no_window_is_refused(change: dict[str, Any]) -> None:
    state = {name: array for name, array in {**good(), **change}.items() if array is not None}
    detector = make()
    detector.judge(CROWD[:3], at(0, 1, 2))
    with pytest.raises(ValueError, match=r"."):
        detector.restore(state)
    assert detector.rows == 3
    assert detector.judge(CROWD, at(*range(3, 13))).scores[-1] == 0.0


def test_rows_out_of_all_proportion_are_noise_and_harm_nothing() -> None:
    detector = make()
    detector.judge(CROWD, at(*range(10)))
    scores = detector.judge(
        np.array([[1e300, -1e300], [1e18, 0.0], [0.0, 0.0]]), at(10, 11, 12)
    ).scores
    assert np.isfinite(scores).all()
    assert (scores[:2] > 1e5).all()
    assert scores[2] == 0.0
