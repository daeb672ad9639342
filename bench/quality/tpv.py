"""TPV: the forecaster on real volumes, two-hourly and daily, each interval forecast beforehand.

* nyc_taxi summed to two hours, five labelled windows. Boundary and calendar are the product's
  defaults for a series whose country is unknown. No parameter is fitted to the labels by a program,
  but the method was developed with this series in view. An episode ends after a day without a
  flagged interval. The random scorer flags as many intervals.
* Online Retail II by country, daily, the last third of the time being the test.
* Coverage of the nominal 95 % band, out of sample: each band is published before its interval.
  The figure beside it is the coverage of bands shuffled among the intervals.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.quality.incidents import CASES as INCIDENTS
from bench.quality.nab import CASES as NAB
from bench.quality.rows import Case, Labels, Row, Target
from bench.volumes import daily_merchants, nyc_two_hours, nyc_windows, simulated_segments
from eddy.models.arrays import Floats
from eddy.models.forecasting.calendar import SegmentLocation, moments
from eddy.models.forecasting.forecaster import Forecaster

NYC, RETAIL = "nyc_taxi at 2 h", "Online Retail, day ahead"
COVERAGE = "simulated merchants, coverage by segment"
OURS = "eddy, forecast band"
Datetimes = NDArray[np.datetime64]

NYC_FILES = ("nab/realKnownCause/nyc_taxi.csv", "nab/combined_windows.json")
RETAIL_FILE = "online-retail/online_retail_II_2009-12_2010-12.parquet"
CAUGHT, FALSE = "windows caught of 5", "false episodes"
WAPE, NAIVE, MEDIAN = "WAPE", "weekly naive", "median of the slot's last 4 weeks"

_WEEK, _FOUR_WEEKS = 84, 336
_CALM = np.timedelta64(24, "h")
_TEST_SHARE = 2 / 3
_SEEDS = 20

Coverage = tuple[float, float]
ALL = slice(None)


@dataclass(frozen=True, slots=True)
class IntervalRun:
    """The verdicts on m intervals of n entities, all arrays of shape (m, n)."""

    expected: Floats
    lower: Floats
    upper: Floats
    flagged: Labels

    def coverage(self, volumes: Floats, test: slice, columns: Labels | slice = ALL) -> Coverage:
        """Return the share within the band, and that of volumes of other intervals."""
        low, high = self.lower[test][:, columns], self.upper[test][:, columns]
        actual = volumes[test][:, columns]
        other = [np.random.default_rng(seed).permutation(actual) for seed in range(_SEEDS)]
        chance = np.mean([((low <= permuted) & (permuted <= high)).mean() for permuted in other])
        return float(((low <= actual) & (actual <= high)).mean()), float(chance)


def run(
    starts_us: np.ndarray,
    volumes: Floats,
    forecaster: Forecaster,
    places: list[SegmentLocation],
    slots: int,
) -> IntervalRun:
    """Forecast each interval, then show it; volumes have shape (m, n), NaN is missing."""
    expected, lower, upper = (np.empty(volumes.shape) for _ in range(3))
    flagged = np.empty(volumes.shape, np.bool_)
    for k, (start, row) in enumerate(zip(starts_us, volumes, strict=True)):
        when = moments(int(start), places, slots)
        closed = forecaster.close(when, row, known=np.isfinite(row))
        expected[k], flagged[k] = closed.band.expected, closed.flagged
        lower[k], upper[k] = closed.band.lower, closed.band.upper
    return IntervalRun(expected, lower, upper, flagged)


def wape(volumes: Floats, expected: Floats) -> float:
    """Return the sum of absolute errors over the sum of volumes."""
    known = np.isfinite(volumes) & np.isfinite(expected)
    return float(np.abs(volumes - expected)[known].sum() / np.abs(volumes[known]).sum())


def lagged(volumes: Floats, lags: list[int]) -> Floats:
    """Return the median of the values so many intervals ago; NaN before all are there."""
    shifted = np.full((len(lags), *volumes.shape), np.nan)
    for k, lag in enumerate(lags):
        shifted[k, lag:] = volumes[:-lag]
    return np.asarray(np.median(shifted, axis=0), np.float64)


def episodes(
    times: Datetimes, flagged: Labels, windows: Sequence[tuple[np.datetime64, np.datetime64]]
) -> tuple[int, int]:
    """Return how many windows hold a flagged interval, and how many episodes lie in none.

    Parameters
    ----------
    times : ndarray of datetime64, shape (m,)
        Beginnings of intervals of two hours.
    flagged : ndarray of bool, shape (m,)
    windows : list of (begin, end)
    """
    ends = times + np.timedelta64(2, "h")
    in_window = [(ends > begin) & (times <= end) for begin, end in windows]
    caught = sum(bool((flagged & inside).any()) for inside in in_window)
    outside = times[flagged & ~np.logical_or.reduce(in_window)]
    count = int((np.diff(outside) > _CALM).sum()) + 1 if len(outside) else 0
    return caught, count


def measure_nyc(folder: Path) -> Iterator[Row]:
    """Yield windows caught, false episodes, WAPE and coverage on nyc_taxi."""
    times, starts, volumes = nyc_two_hours(folder)
    windows = nyc_windows(folder)
    for country, name in ((None, OURS), ("US", f"{OURS}, US holidays")):
        forecaster = Forecaster()
        forecaster.grow(1)
        result = run(starts, volumes, forecaster, [SegmentLocation("UTC", country)], 12)
        flagged = result.flagged[:, 0]
        caught, false = episodes(times, flagged, windows)
        chance = _random_episodes(times, flagged, windows)
        yield Row(NYC, name, CAUGHT, caught, chance[0])
        yield Row(NYC, name, FALSE, false, chance[1])
        test = slice(_FOUR_WEEKS, None)
        random = float(np.mean([_shuffled_wape(volumes[test], seed) for seed in range(_SEEDS)]))
        yield Row(NYC, name, WAPE, wape(volumes[test], result.expected[test]), random)
        half = slice(len(volumes) // 2, None)
        yield Row(NYC, name, "coverage of 95 %, second half", *result.coverage(volumes, half))
        yield from _naive(NYC, volumes, test, random, _WEEK) if country is None else ()


def _random_episodes(
    times: Datetimes, flagged: Labels, windows: Sequence[tuple[np.datetime64, np.datetime64]]
) -> tuple[float, float]:
    runs = [
        episodes(times, np.random.default_rng(seed).permutation(flagged), windows)
        for seed in range(_SEEDS)
    ]
    caught, false = np.mean(runs, axis=0)
    return float(caught), float(false)


def _shuffled_wape(volumes: Floats, seed: int) -> float:
    return wape(volumes, np.random.default_rng(seed).permutation(volumes))


def _naive(dataset: str, volumes: Floats, test: slice, random: float, week: int) -> Iterator[Row]:
    weeks = [week * k for k in (1, 2, 3, 4)]
    yield Row(dataset, NAIVE, WAPE, wape(volumes[test], lagged(volumes, weeks[:1])[test]), random)
    yield Row(dataset, MEDIAN, WAPE, wape(volumes[test], lagged(volumes, weeks)[test]), random)


def measure_retail(folder: Path) -> Iterator[Row]:
    """Yield the day-ahead WAPE of the wholesaler as a whole, and of its largest countries."""
    for name, volumes, starts in daily_merchants(folder / RETAIL_FILE):
        test = slice(int(len(volumes) * _TEST_SHARE), None)
        forecaster = Forecaster(slots_per_day=1)
        forecaster.grow(volumes.shape[1])
        result = run(starts, volumes, forecaster, [SegmentLocation("Europe/London", "GB")], 1)
        dataset = f"{RETAIL}: {name}"
        random = float(np.mean([_shuffled_wape(volumes[test], seed) for seed in range(_SEEDS)]))
        yield Row(dataset, OURS, WAPE, wape(volumes[test], result.expected[test]), random)
        yield from _naive(dataset, volumes, test, random, 7)
        yield Row(dataset, OURS, "coverage of 95 %, test", *result.coverage(volumes, test))


def measure_coverage(_: Path) -> Iterator[Row]:
    """Yield the coverage in the second half of the time of each simulated segment."""
    starts, volumes, segment, names = simulated_segments()
    forecaster = Forecaster(len(names))
    forecaster.grow(len(segment), segment)
    result = run(starts, volumes, forecaster, [SegmentLocation()] * len(names), 12)
    test = slice(len(volumes) // 2, None)
    for s, name in enumerate(names):
        coverage = result.coverage(volumes, test, segment == s)
        yield Row(COVERAGE, OURS, f"95 % band, {name}", *coverage)


CASES = (
    Case("tpv-nyc", NYC_FILES, measure_nyc, (Target(NYC, OURS, CAUGHT, 4.5),)),
    Case("tpv-retail", (RETAIL_FILE,), measure_retail),
    Case("tpv-coverage", (), measure_coverage),
    *INCIDENTS,
    *NAB,
)
