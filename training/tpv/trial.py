"""The trial: history goes through the forecaster as a stream would, and errors are compared."""

from dataclasses import dataclass

import numpy as np

from eddy.models.arrays import Flags, Floats
from eddy.models.forecasting.network.model_comparison import Champion
from eddy.models.forecasting.network.weights import NetworkWeights
from eddy.training.tpv.examples import History

_SURE = 2.0  # standard errors
_WORTHWHILE = 0.02  # of the WAPE: for less nobody wants two models to look after


@dataclass(frozen=True, slots=True)
class Trial:
    """What was forecast of T intervals of n merchants, each before it was seen; shape (T, n).

    Attributes
    ----------
    expected : ndarray of float64
        One interval ahead.
    later : ndarray of float64
        Two intervals ahead, as the stream judges while an interval may still be revised.
    inside : ndarray of bool
        Whether the interval ended within its band.
    """

    expected: Floats
    later: Floats
    inside: Flags


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much one forecast is better than another, as shares of the volume.

    Attributes
    ----------
    mean : float
        The difference of both WAPEs; above zero where the one is better.
    error : float
        Its standard error, by days.
    wape : float
        Of the other.
    """

    mean: float
    error: float
    wape: float

    @property
    def is_sure(self) -> bool:
        """Whether it is more than chance, and enough to matter."""
        return self.mean > max(_SURE * self.error, _WORTHWHILE * self.wape)


def trial(
    history: History, network: NetworkWeights | None, champion: Champion, coverage: float
) -> Trial:
    """Run a fresh forecaster over all of the history."""
    forecaster = history.forecaster(coverage)
    forecaster.use(network, champion)
    shape = history.known.shape
    expected, later, inside = np.empty(shape), np.full(shape, np.nan), np.empty(shape, np.bool_)
    intervals = list(history.intervals())
    for k, (when, net, known) in enumerate(intervals):
        if k + 1 < len(intervals):
            later[k + 1] = forecaster.ahead([when, intervals[k + 1][0]])[1].expected
        band = forecaster.close(when, net, known=known).band
        expected[k], inside[k] = band.expected, (band.lower <= net) & (net <= band.upper)
    return Trial(expected, later, inside)


def wape(volumes: Floats, expected: Floats) -> float:
    """Return the sum of absolute errors over the sum of volumes, where both are known."""
    known = np.isfinite(volumes) & np.isfinite(expected)
    total = float(np.abs(volumes[known]).sum())
    return float(np.abs(volumes - expected)[known].sum()) / total if total > 0 else float("nan")


def bias(volumes: Floats, expected: Floats) -> float:
    """Return by how much too much is expected in all, as a share of the volume."""
    known = np.isfinite(volumes) & np.isfinite(expected)
    total = float(volumes[known].sum())
    return float((expected - volumes)[known].sum()) / total if total > 0 else float("nan")


def gain(volumes: Floats, forecast: Floats, reference: Floats, slots_per_day: int) -> Gain:
    """Return by how much `forecast` is better than `reference`; all of shape (T, n)."""
    known = np.isfinite(volumes) & np.isfinite(forecast) & np.isfinite(reference)
    gains = np.where(known, np.abs(volumes - reference) - np.abs(volumes - forecast), 0.0)
    days = np.add.reduceat(gains.sum(axis=1), np.arange(0, len(gains), slots_per_day))
    total = max(float(np.abs(np.where(known, volumes, 0.0)).sum()), 1e-300)
    error = float(days.std(ddof=1)) * np.sqrt(len(days)) if len(days) > 1 else np.inf
    return Gain(float(days.sum()) / total, float(error) / total, wape(volumes, reference))


def lagged(volumes: Floats, lags: list[int]) -> Floats:
    """Return the median of the values so many intervals ago; NaN before all are there."""
    shifted = np.full((len(lags), *volumes.shape), np.nan)
    for k, lag in enumerate(lags):
        shifted[k, lag:] = volumes[:-lag]
    return np.asarray(np.median(shifted, axis=0), np.float64)
