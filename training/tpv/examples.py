"""What a network across merchants learns from: history as the stream would have met it.

The seasonal baseline runs over the totals, interval after interval; what it expected, what the
network would have been told, and what came of it are examples. So nothing is defined twice, and
no example knows of anything after its interval.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import holidays
import numpy as np

from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.models.arrays import Flags, Floats, Ints, Singles
from eddy.models.domains.tpv.merchants import MOST_SEGMENTS
from eddy.models.forecasting.calendar import CalendarFeatures, SegmentLocation, moments
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.forecasting.network.features import INPUTS
from eddy.models.forecasting.network.weights import GATES, NetworkWeights

_COUNTRIES = frozenset(holidays.list_supported_countries(include_aliases=True))
_OBSERVED_MOST = 8.0  # levels: of more, one interval would outweigh a week


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples of k merchants over T intervals.

    Attributes
    ----------
    individual : ndarray of float32, shape (T, k, inputs of an entity)
    shared : ndarray of float32, shape (T, s, inputs of a segment)
    expected, observed : ndarray of float32, shape (T, k)
        By the baseline, and what came; in the merchant's level at the time.
    weight : ndarray of float32, shape (T, k)
        Of the error; 0 where the interval is unknown, flagged, or nothing could be expected.
    segment : ndarray of int64, shape (k,)
    """

    individual: Singles
    shared: Singles
    expected: Singles
    observed: Singles
    weight: Singles
    segment: Ints

    def __len__(self) -> int:
        return len(self.individual)

    def inputs(self, begin: int, stop: int, merchant: int) -> Singles:
        """Return the inputs of a run of intervals, shape (stop - begin, inputs)."""
        shared = self.shared[begin:stop, self.segment[merchant]]
        return np.concatenate([self.individual[begin:stop, merchant], shared], axis=1)


def blank(slots_per_day: int, width: int = 1) -> NetworkWeights:
    """Return a network that knows nothing: its forecasts are the baseline's."""
    gates = (0.0,) * (GATES * width)
    return NetworkWeights(
        inputs=INPUTS,
        slots_per_day=slots_per_day,
        kernel=(gates,) * len(INPUTS),
        recurrent=(gates,) * width,
        bias=gates,
        output=(0.0,) * width,
        output_bias=0.0,
    )


class History:
    """Totals, and the calendar and segments a judge would see them with.

    Parameters
    ----------
    totals : IntervalTotals
    """

    def __init__(self, totals: IntervalTotals) -> None:
        self.totals = totals
        places, self.segment = _segments(totals)
        self._places = places + [SegmentLocation(totals.zone)] * (MOST_SEGMENTS - len(places))
        # a partition that brought nothing at all tells of the feed, not of the merchants
        is_fed = (totals.payments > 0).any(axis=1, keepdims=True)
        self.known = np.isfinite(totals.net) & is_fed

    def forecaster(self, coverage: float) -> Forecaster:
        """Return a fresh forecaster that has met all merchants."""
        slots = self.totals.slots_per_day
        forecaster = Forecaster(MOST_SEGMENTS, slots_per_day=slots, coverage=coverage)
        forecaster.grow(len(self.segment), self.segment)
        return forecaster

    def intervals(self) -> Iterator[tuple[CalendarFeatures, Floats, Flags]]:
        """Yield each interval's moments, totals and which of them are known."""
        slots = self.totals.slots_per_day
        starts = self.totals.window_starts_us.tolist()
        for start, net, known in zip(starts, self.totals.net, self.known, strict=True):
            yield moments(start, self._places, slots), net, known


def examples(history: History, merchants: Ints, warming: int) -> Examples:
    """Return the examples of some merchants; the first `warming` intervals weigh nothing.

    A merchant's weight is half that of every other, and half its share of the volume.
    """
    forecaster, totals = history.forecaster(0.95), history.totals
    forecaster.use(blank(totals.slots_per_day), "baseline")
    rows = []
    for when, net, known in history.intervals():
        level = forecaster.baseline.level()[merchants]
        individual, shared = forecaster.inputs(when)
        closed = forecaster.close(when, net, known=known)
        expected, y = closed.band.expected[merchants], np.nan_to_num(net[merchants])
        is_fit = known[merchants] & ~closed.flagged[merchants] & (level > 0) & (expected > 0)
        unit = np.where(is_fit, level, 1.0)
        columns = individual[merchants], shared, expected / unit, y / unit, is_fit
        rows.append([np.asarray(column, np.float32) for column in columns])
    inputs, common, base, came, weight = _stacked(rows)
    result = Examples(inputs, common, base, came, weight, history.segment[merchants])
    volume = np.nansum(np.maximum(totals.net[:, merchants], 0.0), axis=0)
    share = volume / max(volume.mean(), 1e-300)
    result.expected[result.weight == 0] = 0.0
    result.weight[:] *= (0.5 + 0.5 * share).astype(np.float32)
    result.weight[:warming] = 0.0
    np.clip(result.observed, 0.0, _OBSERVED_MOST, out=result.observed)
    return result


def _stacked(rows: list[list[Singles]]) -> list[Singles]:
    return [np.stack(column) for column in zip(*rows, strict=True)]


def _segments(totals: IntervalTotals) -> tuple[list[SegmentLocation], Ints]:
    """Return the places of the pairs of trade and country there are, and each merchant's number.

    As in a judge, those beyond `MOST_SEGMENTS` share the first, of those with neither.
    """
    upper = [(trade, country.upper()) for trade, country in totals.segments]
    known = [(trade, country if country in _COUNTRIES else "") for trade, country in upper]
    pairs = list(dict.fromkeys([("", ""), *known]))[:MOST_SEGMENTS]
    number_of = {pair: number for number, pair in enumerate(pairs)}
    places = [SegmentLocation(totals.zone, country or None) for _, country in pairs]
    return places, np.array([number_of.get(pair, 0) for pair in known], np.int64)
