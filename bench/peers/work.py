"""The work that the Python peers do: the engine's own detector, and a small anomaly record."""

import math
import threading
import time
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.model import MIN_WINDOW, WINDOW, parameters
from bench.peers.job import PeerJob
from eddy.models.detectors.dbscan.windowed import WindowedDbscan
from eddy.models.domains.rides.features import features

_COUNT_EVERY_S = 0.05

_encode = msgspec.json.Encoder().encode


class Windows:
    """One windowed DBSCAN a partition, as the engine has them.

    The detector is made for batches: a call costs 20 µs for one row and 0.3 µs a row for many.
    """

    def __init__(self) -> None:
        self._detectors: dict[int, WindowedDbscan] = {}
        self._row, self._time = np.zeros((1, 2)), np.zeros(1, np.int64)
        _new_detector().judge(self._row, self._time)  # compiles before the first event

    def noise(self, partition: int, numbers: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which rows (distance_km, duration_s) of a partition are noise, and learn them."""
        times = np.zeros(len(numbers), np.int64)
        return self._detector(partition).judge(features(numbers), times).scores > 1.0

    def is_noise(self, partition: int, distance_km: float, duration_s: float) -> bool:
        """Return the same of one row."""
        row = self._row
        row[0, 0], row[0, 1] = _feature(distance_km), _feature(duration_s / 60.0)
        return bool(self._detector(partition).judge(row, self._time).scores[0] > 1.0)

    def _detector(self, partition: int) -> WindowedDbscan:
        detector = self._detectors.get(partition)
        if detector is None:
            detector = self._detectors[partition] = _new_detector()
        return detector


def _new_detector() -> WindowedDbscan:
    model = msgspec.structs.asdict(parameters())
    return WindowedDbscan(**model, window_rows=WINDOW, min_window=MIN_WINDOW)


def _feature(value: float) -> float:
    """Return one of `eddy.models.domains.rides.features`, without an array."""
    return math.copysign(math.log1p(abs(value)), value)


def anomaly_fields(event_id: str, occurred_at: str) -> dict[str, Any]:
    """Return the fields of an anomaly: fewer than the engine's own has."""
    return {
        "anomaly_id": event_id,
        "domain": "rides",
        "event_id": event_id,
        "occurred_at": occurred_at,
        "score": 1.0,
        "threshold": 1.0,
    }


def anomaly(event_id: str, occurred_at: str) -> bytes:
    """Return an anomaly as JSON."""
    return _encode(anomaly_fields(event_id, occurred_at))


class Counter:
    """Counts events into a file that is looked at from outside, a few times a second."""

    def __init__(self, job: PeerJob) -> None:
        self._count = 0
        self._file = job.counter
        threading.Thread(target=self._write, daemon=True).start()

    def add(self, events: int) -> None:
        """Count some events."""
        self._count += events

    def _write(self) -> None:
        partial = self._file.with_suffix(".partial")
        while True:
            partial.write_text(str(self._count))
            partial.replace(self._file)
            time.sleep(_COUNT_EVERY_S)
