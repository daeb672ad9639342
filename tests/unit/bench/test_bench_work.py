import json
import time
from datetime import UTC, datetime

import numpy as np
import pytest

from bench.model import MIN_WINDOW, WINDOW, parameters, register
from bench.peers.job import AT_LEAST_ONCE, PeerJob
from bench.peers.work import Counter, Windows, anomaly
from eddy.models.detectors.dbscan.windowed import WindowedDbscan
from eddy.models.domains.rides.features import features
from eddy.models.domains.rides.parameters import DbscanParameters
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.names import CHAMPION
from eddy.models.registry.registry import Registry

MOST_ROWS = 1_000


@pytest.fixture(scope="module")
def rides():
    rng = np.random.default_rng(0)
    rows = np.exp(rng.normal([1.3, 6.3], [0.7, 0.8], (3 * MOST_ROWS, 2)))
    rows[::97] = np.exp(rng.uniform([5, 9], [9, 12], rows[::97].shape))
    return rows


def expected(rides):
    model = parameters()
    detector = WindowedDbscan(
        center=model.center,
        transform=model.transform,
        eps=model.eps,
        min_samples=model.min_samples,
        window_rows=WINDOW,
        min_window=MIN_WINDOW,
    )
    return detector.judge(features(rides), np.zeros(len(rides), np.int64)).scores > 1.0


def test_peers_find_what_the_engines_detector_finds(rides):
    windows = Windows()
    batches = [windows.noise(0, rides[n : n + MOST_ROWS]) for n in range(0, len(rides), MOST_ROWS)]
    found = np.concatenate(batches)
    assert found.any()
    np.testing.assert_array_equal(found, expected(rides))


def test_one_at_a_time_is_the_same(rides):
    windows = Windows()
    found = [windows.is_noise(3, km, seconds) for km, seconds in rides.tolist()]
    np.testing.assert_array_equal(found, expected(rides))


def test_every_partition_has_a_window_of_its_own(rides):
    windows = Windows()
    assert not windows.noise(0, rides[:MOST_ROWS]).all()
    windows.noise(1, rides[:10])
    np.testing.assert_array_equal(
        windows.noise(0, rides[MOST_ROWS : 2 * MOST_ROWS]),
        expected(rides)[MOST_ROWS : 2 * MOST_ROWS],
    )


def test_an_anomaly_names_its_event():
    assert json.loads(anomaly("ride-1", "2024-01-01T00:00:00Z"))["event_id"] == "ride-1"


def test_a_counter_can_be_looked_at_from_outside(tmp_path):
    job = PeerJob(
        bootstrap="",
        events="",
        anomalies="",
        group="",
        folder=str(tmp_path),
        guarantee=AT_LEAST_ONCE,
    )
    Counter(job).add(5)
    deadline = time.monotonic() + 10
    while not job.counter.exists() or job.counter.read_text() != "5":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_engine_finds_the_same_model_in_its_registry(tmp_path):
    register(tmp_path)
    registry = Registry(FolderStore(tmp_path), lambda: datetime.now(UTC))
    assert registry.load("rides", CHAMPION, DbscanParameters).parameters == parameters()


def test_a_smaller_window_gets_a_larger_radius():
    small, usual = parameters(WINDOW // 4), parameters()
    assert small.eps == 2 * usual.eps
    assert small.min_samples == usual.min_samples
