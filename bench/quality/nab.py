"""NAB's realKnownCause: seven real series with labelled windows, and the benchmark's own scoring.

Scoring after Lavin and Ahmad 2015 ("Evaluating Real-time Anomaly Detection Algorithms"), standard
profile: the first detection in a window earns up to 1 by how early it is, one outside costs up to
0.11 by how far behind the last window, a window missed costs 1; the sum is normalised, 0 for who
detects nothing and 100 for who detects each window at its first point. The first 15 % of a series
(at most 750 points) are not scored. As there, one threshold for all series is chosen by the score,
for each detector alike; the detector's own boundary is given beside it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from bench.quality.rows import Case, Row, Target
from eddy.models.arrays import Floats
from eddy.models.forecasting.values import ValueStreams

DATASET = "NAB realKnownCause, standard profile"
OURS, GAUSSIAN = "eddy, value streams", "rolling Gaussian, 6,400 values"
OWN, BEST = "NAB score at score > 1", "NAB score, best threshold"
SERIES = (
    "ambient_temperature_system_failure",
    "cpu_utilization_asg_misconfiguration",
    "ec2_request_latency_system_failure",
    "machine_temperature_system_failure",
    "nyc_taxi",
    "rogue_agent_key_hold",
    "rogue_agent_key_updown",
)
FILES = ("nab/combined_windows.json", *(f"nab/realKnownCause/{name}.csv" for name in SERIES))

_TP, _FP, _FN = 1.0, 0.11, 1.0
_PROBATION, _PROBATION_MOST = 0.15, 750
_THRESHOLDS = 400
_GAUSSIAN_WINDOW = 6_400
_SEEDS = 10


@dataclass(frozen=True, slots=True)
class Series:
    """One series.

    Attributes
    ----------
    values : ndarray of float64, shape (n,)
    windows : list of (int, int)
        First and last position of each labelled window.
    """

    values: Floats
    windows: list[tuple[int, int]]

    @property
    def probation(self) -> int:
        """How many values are not scored."""
        return int(min(_PROBATION * len(self.values), _PROBATION_MOST))


@cache
def corpus(folder: Path) -> tuple[Series, ...]:
    """Read the seven series."""
    labels = json.loads((folder / FILES[0]).read_text())
    all_series = []
    for name in SERIES:
        table = pd.read_csv(folder / f"nab/realKnownCause/{name}.csv", parse_dates=["timestamp"])
        windows = []
        for begin, end in labels[f"realKnownCause/{name}.csv"]:
            inside = table.timestamp.between(pd.Timestamp(begin), pd.Timestamp(end))
            at = np.flatnonzero(inside.to_numpy())
            windows.append((int(at[0]), int(at[-1])))
        all_series.append(Series(table.value.to_numpy(float), windows))
    return tuple(all_series)


def _sigmoid(position: Floats) -> Floats:
    scaled = 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, 3.0))) - 1.0
    return np.asarray(np.where(position > 3.0, -1.0, scaled), np.float64)


def worth(series: Series) -> Floats:
    """Return what a detection at each value is worth; in windows only the first one counts."""
    n = len(series.values)
    at, value = np.arange(n), np.full(n, -_FP)
    for (begin, end), (following, _) in zip(
        series.windows, [*series.windows[1:], (n, n)], strict=True
    ):
        width = end - begin + 1
        after = slice(end + 1, following)
        value[after] = _FP * _sigmoid((at[after] - end) / max(width - 1, 1))
        inside = slice(begin, end + 1)
        first = float(_sigmoid(np.array([-1.0]))[0])
        value[inside] = _TP * _sigmoid(-(end - at[inside] + 1) / width) / first
    value[: series.probation] = 0.0
    return value


def raw_score(series: Series, detected: np.ndarray, value: Floats) -> float:
    """Return the sum over one series, before it is normalised."""
    detected = detected & (np.arange(len(detected)) >= series.probation)
    total, outside = 0.0, detected.copy()
    for begin, end in series.windows:
        inside = np.flatnonzero(detected[begin : end + 1])
        total += value[begin + inside[0]] if len(inside) else -_FN
        outside[begin : end + 1] = False
    return total + float(value[outside].sum())


def nab_score(all_series: tuple[Series, ...], scores: list[Floats], threshold: float) -> float:
    """Return the normalised score of a detector at a threshold: 0 for silence, 100 at best."""
    windows = sum(len(series.windows) for series in all_series)
    total = sum(
        raw_score(series, np.nan_to_num(given, nan=-np.inf) > threshold, worth(series))
        for series, given in zip(all_series, scores, strict=True)
    )
    return float(100.0 * (total + _FN * windows) / ((_TP + _FN) * windows))


def best_score(all_series: tuple[Series, ...], scores: list[Floats]) -> float:
    """Return the score at the threshold that is best over all series together."""
    known = np.concatenate(scores)
    known = known[np.isfinite(known)]
    shares = 1.0 - np.geomspace(1e-5, 1.0, _THRESHOLDS)
    thresholds = np.unique(np.quantile(known, shares))
    return max(nab_score(all_series, scores, float(threshold)) for threshold in thresholds)


def ours(all_series: tuple[Series, ...]) -> list[Floats]:
    """Return the scores of the value streams, each value judged by those before it."""
    longest = max(len(series.values) for series in all_series)
    values = np.full((longest, len(all_series)), np.nan)
    for column, series in enumerate(all_series):
        values[: len(series.values), column] = series.values
    streams = ValueStreams(len(all_series))
    scores = np.array([streams.score(row, np.isfinite(row)) for row in values])
    return [scores[: len(series.values), column] for column, series in enumerate(all_series)]


def rolling_gaussian(series: Series) -> Floats:
    """Return the distance from the mean of the values before, in standard deviations."""
    before = pd.Series(series.values).shift(1).rolling(_GAUSSIAN_WINDOW, min_periods=30)
    spread = before.std().clip(lower=1e-6)
    return np.asarray((pd.Series(series.values) - before.mean()).abs() / spread, float)


def measure(folder: Path) -> Iterator[Row]:
    """Yield NAB's scores of our detector and of a rolling Gaussian, random scorers beside."""
    all_series = corpus(folder)
    for name, scores in (
        (OURS, ours(all_series)),
        (GAUSSIAN, [rolling_gaussian(series) for series in all_series]),
    ):
        # of the Gaussian the usual three standard deviations
        boundary = 1.0 if name == OURS else 3.0
        yield Row(
            DATASET,
            name,
            OWN if name == OURS else "NAB score at 3 deviations",
            nab_score(all_series, scores, boundary),
            _chance(partial(nab_score, all_series, threshold=boundary), scores),
        )
        yield Row(
            DATASET,
            name,
            BEST,
            best_score(all_series, scores),
            _chance(lambda given: best_score(all_series, given), scores),
        )


def _chance(metric: Callable[[list[Floats]], float], scores: list[Floats]) -> float:
    runs = []
    for seed in range(_SEEDS):
        random = np.random.default_rng(seed)
        runs.append(metric([random.permutation(values) for values in scores]))
    return float(np.mean(runs))


CASES = (
    # the target is what the rolling Gaussian reaches, 13.9
    Case(
        name="nab",
        files=FILES,
        measure=measure,
        targets=(Target(DATASET, OURS, BEST, 14.0),),
    ),
)
