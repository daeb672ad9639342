"""What every detector does; `eddy.models.checks` says it."""

import inspect
from collections.abc import Callable
from importlib import import_module
from pkgutil import walk_packages
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import eddy.models.detectors
from eddy.models.checks import DETECTOR_CHECKS
from eddy.models.detector import Detector
from eddy.models.detectors.dbscan.windowed import WindowedDbscan

Rows = tuple[np.ndarray, np.ndarray]


def clouds(rows: int, width: int, seed: int = 0) -> Rows:
    """Two dense clouds, some far rows, some repeated; a second apart, not quite in order."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, width)) * 0.2 + rng.integers(0, 2, (rows, 1)) * 3.0
    far = rng.random(rows) < 0.03
    features[far] += rng.uniform(-30, 30, (int(far.sum()), width))
    again = rng.random(rows) < 0.1
    features[again] = np.round(features[again], 1)
    times = np.arange(rows, dtype=np.int64) * 1_000_000
    times -= (rng.random(rows) < 0.02) * rng.integers(0, 200_000_000, rows)
    return features, times


def dbscan(**options: Any) -> Callable[[], Detector]:
    settings = {"min_samples": 8, "window_rows": 120, "min_window": 30, "eps": 0.15, **options}
    return lambda: WindowedDbscan(**settings)


# name -> factory and how many features it takes; a new detector adds its rows
DETECTORS: dict[str, tuple[Callable[[], Detector], int]] = {
    "windowed_dbscan": (dbscan(), 2),
    "windowed_dbscan, by time": (dbscan(window_us=100_000_000), 2),
    "windowed_dbscan, turned": (
        dbscan(center=(1.0, 2.0), transform=((2.0, 0.3), (-1.0, 1.0)), eps=0.3),
        2,
    ),
}


def test_every_detector_there_is_is_checked() -> None:
    package = eddy.models.detectors
    modules = walk_packages(package.__path__, f"{package.__name__}.")
    classes = {
        value
        for module in modules
        for value in vars(import_module(module.name)).values()
        if inspect.isclass(value) and value.__module__ == module.name
    }
    verbs = ("name", "judge", "snapshot", "restore")
    detectors = {one for one in classes if all(hasattr(one, verb) for verb in verbs)}
    assert detectors == {type(make()) for make, _ in DETECTORS.values()}


@pytest.mark.parametrize("check", DETECTOR_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector(name: str, check: Callable[..., None]) -> None:
    make, width = DETECTORS[name]
    check(make, *clouds(900, width))


@pytest.mark.parametrize("name", DETECTORS)
def test_something_is_found(name: str) -> None:
    make, width = DETECTORS[name]
    scores = make().judge(*clouds(900, width)).scores
    assert 0.005 < np.mean(scores > 1) < 0.3


class Broken:
    """A detector that passes or fails as told."""

    name = "broken"

    def __init__(self, fault: str) -> None:
        self.fault, self.seen, self.kept = fault, 0, []

    def judge(self, features: np.ndarray, times: np.ndarray) -> SimpleNamespace:
        first = self.seen
        self.seen += len(features)
        scores = np.arange(first, self.seen, dtype=np.float64)
        if self.fault == "batches":
            scores[:] = len(features)
        if self.fault == "random":
            scores = np.random.default_rng().random(len(features))
        if self.fault == "infinite":
            scores[-1:] = np.inf
        if self.fault == "late nan":
            scores[-1:] = np.nan
        if self.fault == "writes":
            features *= 2
        if self.fault == "grows":
            self.kept.append(features.copy())
        return SimpleNamespace(scores=scores)

    def snapshot(self) -> dict[str, np.ndarray]:
        kept = np.concatenate([np.empty((0, 2)), *self.kept])
        return {"seen": np.array([self.seen]), "kept": kept}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        self.seen = 0 if self.fault == "forgets" else int(state["seen"][0])


@pytest.mark.parametrize(
    ("fault", "found_by"),
    [
        ("none", None),
        ("random", "check_same_input_same_scores"),
        ("batches", "check_batches_do_not_matter"),
        ("forgets", "check_snapshot_round_trip"),
        ("grows", "check_memory_is_bounded"),
        ("infinite", "check_scores_are_numbers"),
        ("late nan", "check_scores_are_numbers"),
        ("writes", "check_input_is_left_alone"),
    ],
)
def test_the_checks_find_faults(fault: str, found_by: str | None) -> None:
    failed = set()
    for check in DETECTOR_CHECKS:
        try:
            check(lambda: Broken(fault), *clouds(200, 2))
        except AssertionError:
            failed.add(check.__name__)
    assert (found_by in failed) if found_by else not failed
