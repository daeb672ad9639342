"""The windowed DBSCAN says of every row what scikit-learn's says on the window: a plain oracle."""

import os
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from eddy.datasets.history.rides import ride_records
from eddy.models.detectors.dbscan.windowed import WindowedDbscan
from eddy.models.domains.rides.default import DEFAULT_PARAMETERS
from eddy.models.domains.rides.features import NAMES, features
from eddy.schemas.columns import Program
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.rides import Ride

DATA = Path(os.environ.get("EDDY_DATA", Path(__file__).parents[3] / "shared/data"))
RIDES = DATA / "rides" / "green_tripdata_2023-12.parquet"
FOREVER = 1 << 62


class Oracle:
    """The same window, kept as a list and judged anew from scratch for every row."""

    def __init__(
        self, eps: float, min_samples: int, window_rows: int, window_us: int | None, min_window: int
    ) -> None:
        self.eps, self.min_samples, self.min_window = eps, min_samples, min_window
        self.window_rows, self.window_us = window_rows, window_us or FOREVER
        self.window: deque[tuple[Any, int]] = deque()
        self.watermark, self.judged = -FOREVER, 0

    def score(self, row: Any, time: int) -> tuple[float, bool]:
        """Return the score, and whether the row is late."""
        self.watermark = max(self.watermark, time)
        oldest = self.watermark - self.window_us
        late = time < oldest
        window = self.window
        if not late:
            while window and (len(window) >= self.window_rows or window[0][1] < oldest):
                window.popleft()
        window.append((row, time))
        score = np.nan
        if len(window) >= self.min_window:
            score = self._judge(np.array([point for point, _ in window]))
        if late:
            window.pop()
        return score, late

    def _judge(self, points: Any) -> float:
        apart = ((points[:, None] - points[None]) ** 2).sum(axis=2)
        core = (apart <= self.eps**2).sum(axis=1) >= self.min_samples
        self.judged += 1
        if self.judged % 16 == 1:
            self._ask_scikit_learn(points, core, apart[-1])
        if not core.any():
            return np.nan
        return float(np.sqrt(apart[-1][core].min()) / self.eps)

    def _ask_scikit_learn(self, points: Any, core: Any, apart: Any) -> None:
        # the kd-tree compares squared differences as they are; "brute" expands the square
        fitted = DBSCAN(eps=self.eps, min_samples=self.min_samples, algorithm="kd_tree").fit(points)
        assert fitted.core_sample_indices_.tolist() == np.flatnonzero(core).tolist()
        assert (fitted.labels_[-1] == -1) == (not (apart[core] <= self.eps**2).any())


def compare(rows: Any, times: Any, cuts: list[int], **rule: Any) -> None:
    detector, oracle = WindowedDbscan(**rule), Oracle(**rule)
    edges = [0, *sorted(cut % (len(rows) + 1) for cut in cuts), len(rows)]
    expected = [oracle.score(row, time) for row, time in zip(rows, times.tolist(), strict=True)]
    for start, stop in pairwise(edges):
        said = detector.judge(rows[start:stop], times[start:stop])
        scores = np.array([score for score, _ in expected[start:stop]])
        np.testing.assert_array_equal(np.isnan(said.scores), np.isnan(scores))
        np.testing.assert_allclose(said.scores, scores, rtol=1e-12)
        np.testing.assert_array_equal(said.noise, np.flatnonzero(scores > 1.0))
        np.testing.assert_array_equal(said.late, [late for _, late in expected[start:stop]])
        assert (said.low <= said.nearest).all()
        assert (said.nearest <= said.high).all()
    assert detector.rows == len(oracle.window)


# points on a grid of eps/2, eps/5 or eps: distances of exactly eps, and many duplicates
on_grid = st.tuples(st.integers(-12, 12), st.integers(-12, 12))
anywhere = st.tuples(st.floats(-3, 3), st.floats(-3, 3))
far = st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5))
rules = st.fixed_dictionaries(
    {
        "eps": st.sampled_from([1.0, 0.5, 0.25]),
        "min_samples": st.integers(2, 6),
        "window_rows": st.integers(2, 40),
        "window_us": st.none() | st.integers(1, 60),
        "min_window": st.integers(1, 8),
    }
)
steps = st.integers(1, 120).flatmap(
    lambda n: st.lists(st.integers(-25, 10), min_size=n, max_size=n)
)
cuts = st.lists(st.integers(0, 200), max_size=6)


def clock(gaps: list[int]) -> Any:
    """Event times: mostly onwards, and back now and then, beyond the window, too."""
    return np.cumsum(np.where(np.array(gaps) > -15, 1, gaps)).astype(np.int64)


@settings(max_examples=150, deadline=None)
@given(rules, steps, cuts, st.data())
def test_on_a_grid_with_distances_of_exactly_eps(rule, gaps, cuts, data) -> None:
    unit = rule["eps"] / data.draw(st.sampled_from([1, 2, 4]))
    drawn = data.draw(st.lists(on_grid, min_size=len(gaps), max_size=len(gaps)))
    compare(np.array(drawn) * unit, clock(gaps), cuts, **rule)


@settings(max_examples=150, deadline=None)
@given(rules, steps, cuts, st.data())
def test_anywhere(rule, gaps, cuts, data) -> None:
    points = st.one_of(anywhere, anywhere, far)
    drawn = data.draw(st.lists(points, min_size=len(gaps), max_size=len(gaps)))
    compare(np.array(drawn), clock(gaps), cuts, **rule)


@settings(max_examples=60, deadline=None)
@given(rules, steps, cuts, st.data())
def test_few_places_many_duplicates(rule, gaps, cuts, data) -> None:
    places = np.array(data.draw(st.lists(anywhere, min_size=1, max_size=5)))
    which = data.draw(
        st.lists(st.integers(0, len(places) - 1), min_size=len(gaps), max_size=len(gaps))
    )
    compare(places[which], clock(gaps), cuts, **rule)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(10, 200), st.booleans())
def test_crowds(seed: int, min_samples: int, window_rows: int, timed: bool) -> None:
    """More rows, clouds of any density; min_samples large enough to matter."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(400, 2)) * rng.choice([0.1, 1, 5], (400, 1))
    if rng.random() < 0.5:
        rows = np.round(rows * 4) / 4
    moments = np.arange(400) - (rng.random(400) < 0.1) * rng.integers(0, 300, 400)
    window_us = int(rng.integers(20, 300)) if timed else None
    compare(
        rows, moments.astype(np.int64), [100, 101], eps=float(rng.choice([0.25, 0.5, 1.0])),
        min_samples=min_samples, window_rows=window_rows, window_us=window_us,
        min_window=min(min_samples, window_rows),
    )  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(rules, steps, st.integers(0, 200), st.data())
def test_a_snapshot_anywhere_changes_nothing(rule, gaps, at, data) -> None:
    drawn = data.draw(st.lists(on_grid, min_size=len(gaps), max_size=len(gaps)))
    rows, times = np.array(drawn) * rule["eps"] / 2, clock(gaps)
    whole = WindowedDbscan(**rule).judge(rows, times).scores
    first, second = WindowedDbscan(**rule), WindowedDbscan(**rule)
    first.judge(rows[:at], times[:at])
    second.restore(first.snapshot())
    assert second.judge(rows[at:], times[at:]).scores.tobytes() == whole[at:].tobytes()


@settings(max_examples=100, deadline=None)
@given(rules, steps, st.integers(0, 60), st.data())
def test_full_means_that_older_rows_cannot_matter(rule, gaps, start, data) -> None:
    drawn = data.draw(st.lists(on_grid, min_size=len(gaps), max_size=len(gaps)))
    # a window bounded by time promises it for rows in order of time only
    times = clock(gaps) if rule["window_us"] is None else np.arange(len(gaps), dtype=np.int64)
    begun_late(np.array(drawn) * rule["eps"] / 2, times, start, **rule)


def test_full_is_never_claimed_of_a_window_bounded_by_time() -> None:
    detector = WindowedDbscan(eps=0.5, min_samples=3, window_rows=20, window_us=20, min_window=2)
    detector.judge(np.zeros((100, 2)), np.arange(100, dtype=np.int64))
    assert detector.rows <= 20
    assert not detector.full


def begun_late(rows: Any, times: Any, start: int, **rule: Any) -> None:
    """Begin in the middle; once full, every score must be that of the whole run."""
    whole, late_comer = WindowedDbscan(**rule).judge(rows, times).scores, WindowedDbscan(**rule)
    for at in range(start, len(rows)):
        if late_comer.full:
            assert late_comer.judge(rows[at:], times[at:]).scores.tobytes() == whole[at:].tobytes()
            return
        late_comer.judge(rows[at : at + 1], times[at : at + 1])


# --- real rides ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real() -> tuple[Any, Any]:
    """Features and times of a month of real rides, in the file's order."""
    if not RIDES.exists():
        pytest.skip(f"no real rides: {RIDES} is not there; EDDY_DATA names the folder of data")
    decoder, rows, times = Decoder(Ride, max_skew_s=300.0), [], []
    places = [Program.of(Ride).numbers.index(name) for name in NAMES]
    for payloads in ride_records(RIDES, zone="America/New_York"):
        kept, addresses, lengths = buffers(payloads)
        columns = decoder.decode(addresses, lengths, np.full(len(payloads), -1)).columns
        del kept
        rows.append(columns.values[columns.valid][:, places])
        times.append(columns.occurred_at[columns.valid])
    return features(np.concatenate(rows)), np.concatenate(times)


def rides_detector(window_rows: int, **more: Any) -> WindowedDbscan:
    model = DEFAULT_PARAMETERS
    return WindowedDbscan(
        center=model.center, transform=model.transform, eps=model.eps,
        min_samples=model.min_samples, window_rows=window_rows, **more,
    )  # fmt: skip


def test_real_rides_are_labelled_as_scikit_learn_does(real: tuple[Any, Any]) -> None:
    rows, times = real
    window = 2_000
    scores = rides_detector(window).judge(rows, times).scores
    model = DEFAULT_PARAMETERS
    (a, b), (c, d) = model.transform
    x, y = rows[:, 0] - model.center[0], rows[:, 1] - model.center[1]
    points = np.column_stack([a * x + b * y, c * x + d * y])
    rng = np.random.default_rng(0)
    noise = np.flatnonzero(scores > 1.0)
    close = np.flatnonzero((scores > 0.7) & (scores <= 1.0))
    checked = np.concatenate([rng.choice(noise, 25), rng.choice(close, 20)])
    checked = np.concatenate([checked, rng.integers(1_000, len(rows), 15)])
    for at in checked[checked >= 1_000].tolist():
        fitted = DBSCAN(eps=model.eps, min_samples=model.min_samples, algorithm="kd_tree")
        labels = fitted.fit_predict(points[max(0, at + 1 - window) : at + 1])
        assert (labels[-1] == -1) == (scores[at] > 1.0), at


@pytest.mark.parametrize("window_us", [None, 2 * 86_400_000_000])
def test_real_rides_in_any_batches_score_the_same(
    real: tuple[Any, Any], window_us: int | None
) -> None:
    rows, times = real
    whole = rides_detector(2_500, window_us=window_us).judge(rows, times).scores
    for size in (1_000, 7_777):
        detector = rides_detector(2_500, window_us=window_us)
        parts = [
            detector.judge(rows[at : at + size], times[at : at + size]).scores
            for at in range(0, len(rows), size)
        ]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
