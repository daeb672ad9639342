"""Training the forecast band: an LSTM across merchants, from interval totals, against the baseline.

The totals are cut in time into a part to learn from, one to choose by and one to report on. The
network is the champion only where it forecast the second part better than the baseline, by more
than chance and by enough to matter one interval ahead, and no worse two ahead; else it is published
beside the baseline, to be measured on the live stream.
"""

from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.models.arrays import Floats
from eddy.models.artefact import digest
from eddy.models.domains.tpv.parameters import BandParameters
from eddy.schemas.errors import ConfigError
from eddy.training.tpv.examples import History, examples
from eddy.training.tpv.network import Fitting, OnProgress, fit
from eddy.training.tpv.trial import Trial, bias, gain, lagged, trial, wape

_WARMING_DAYS = 14
_FEWEST_DAYS = 42
_LEARNED, _CHOSEN = 0.6, 0.8  # shares of the intervals, by which both parts end
_YARDSTICKS = {"weekly_naive": (1,), "four_week_median": (1, 2, 3, 4)}


class TpvTraining(msgspec.Struct, frozen=True, kw_only=True):
    """How to train.

    Attributes
    ----------
    network : bool
        Whether to train one at all.
    epochs, width, seed : int
        At most so many; hidden units; of everything that is drawn.
    rate : float
        Of learning.
    most_merchants : int
        The network learns from so many: the largest half, and others drawn.
    coverage, false_alarm_rate : float
        See `eddy.models.domains.tpv.domain.BandParameters`.

    Raises
    ------
    ConfigError
        A value is out of its bounds.
    """

    network: bool = True
    epochs: int = 20
    width: int = 16
    seed: int = 0
    rate: float = 0.003
    most_merchants: int = 1000
    coverage: Annotated[float, Meta(ge=0.5, lt=1)] = 0.95
    false_alarm_rate: Annotated[float, Meta(gt=0, le=0.05)] = 0.001

    def __post_init__(self) -> None:
        if self.epochs < 1 or not 1 <= self.width <= 256 or self.most_merchants < 1:
            raise ConfigError("epochs, most_merchants: at least 1; width: from 1 to 256")
        if self.seed < 0 or not 0 < self.rate < 1:
            raise ConfigError("seed: at least 0; rate: between 0 and 1")


def _quiet(done: int, most: int) -> None:
    """Report nothing."""


def train(
    totals: IntervalTotals, options: TpvTraining, on_progress: OnProgress = _quiet
) -> tuple[BandParameters, dict[str, float]]:
    """Train a network and compare it with the baseline.

    Parameters
    ----------
    totals : IntervalTotals
        Six weeks at least.
    options : TpvTraining
    on_progress : callable
        ``on_progress(done, most)`` after each epoch.

    Returns
    -------
    parameters : BandParameters
    metrics : dict of str to float
        `wape_*` over the last fifth of the time, one interval ahead: of the network, the baseline,
        the value a week ago and the median of the last four weeks; `wape_*_two_ahead`; `coverage_*`
        there of the nominal band; `bias_*`, by how much too much was expected in all;
        `validation_wape_*`, `validation_gain` with its standard error `validation_gain_error`, on
        the fifth before; `uses_network` is 1 where it is the champion.

    Raises
    ------
    ConfigError
        The totals are too few, or Keras is not installed.
    """
    _check(totals)
    history = History(totals)
    stops = int(len(totals) * _LEARNED), int(len(totals) * _CHOSEN)
    base = trial(history, None, "baseline", options.coverage)
    metrics = _reported(totals, history, base, stops[1], "baseline") | _yardsticks(totals, stops[1])
    parameters = BandParameters(
        coverage=options.coverage, false_alarm_rate=options.false_alarm_rate
    )
    if not options.network:
        return parameters, metrics
    slots = totals.slots_per_day
    learned = examples(history, _drawn(totals, options), _WARMING_DAYS * slots)
    fitting = Fitting(options.epochs, options.width, options.seed, options.rate)
    network = fit(learned, stops, fitting, slots, on_progress)
    challenger = trial(history, network, "network", options.coverage)
    metrics |= _reported(totals, history, challenger, stops[1], "network")
    is_better, comparison = _comparison(totals, history, base, challenger, stops)
    uses = "network" if is_better else "baseline"
    metrics |= comparison | {"uses_network": float(is_better)}
    return msgspec.structs.replace(parameters, network=network, uses=uses), metrics


def data_sha256(totals: IntervalTotals) -> str:
    """Identify totals by their content."""
    arrays = (totals.window_starts_us.astype("<i8"), totals.net.astype("<f8"))
    text = msgspec.json.encode([totals.merchants, totals.segments, totals.zone, totals.interval_s])
    return digest(b"".join([*(array.tobytes() for array in arrays), text]))


def _drawn(totals: IntervalTotals, options: TpvTraining) -> NDArray[np.int64]:
    """Return the merchants to learn from, ascending."""
    volume = np.nansum(np.maximum(totals.net, 0.0), axis=0)
    order = np.argsort(-volume, kind="stable")
    half = (options.most_merchants + 1) // 2
    others = np.random.default_rng(options.seed).permutation(order[half:])
    return np.sort(np.concatenate([order[:half], others[: options.most_merchants - half]]))


def _volumes(totals: IntervalTotals, history: History) -> Floats:
    return np.where(history.known, np.maximum(totals.net, 0.0), np.nan)


def _reported(
    totals: IntervalTotals, history: History, result: Trial, begin: int, name: str
) -> dict[str, float]:
    volumes = _volumes(totals, history)[begin:]
    known = history.known[begin:]
    return {
        f"wape_{name}": wape(volumes, result.expected[begin:]),
        f"wape_{name}_two_ahead": wape(volumes, result.later[begin:]),
        f"coverage_{name}": float(result.inside[begin:][known].mean()),
        f"bias_{name}": bias(volumes, result.expected[begin:]),
    }


def _yardsticks(totals: IntervalTotals, begin: int) -> dict[str, float]:
    week, metrics = 7 * totals.slots_per_day, {}
    volumes = np.maximum(totals.net, 0.0)
    for name, weeks in _YARDSTICKS.items():
        guess = lagged(volumes, [week * k for k in weeks])
        metrics[f"wape_{name}"] = wape(volumes[begin:], guess[begin:])
    return metrics


def _comparison(
    totals: IntervalTotals, history: History, base: Trial, challenger: Trial, stops: tuple[int, int]
) -> tuple[bool, dict[str, float]]:
    """Return whether the network is to be the champion, and the metrics that decide it."""
    part = slice(*stops)
    volumes, slots = _volumes(totals, history)[part], totals.slots_per_day
    one_ahead = gain(volumes, challenger.expected[part], base.expected[part], slots)
    two_ahead = gain(volumes, challenger.later[part], base.later[part], slots)
    metrics = {
        "validation_wape_network": wape(volumes, challenger.expected[part]),
        "validation_wape_baseline": wape(volumes, base.expected[part]),
        "validation_gain": one_ahead.mean,
        "validation_gain_error": one_ahead.error,
        "validation_gain_two_ahead": two_ahead.mean,
    }
    return one_ahead.is_sure and two_ahead.mean >= 0, metrics


def _check(totals: IntervalTotals) -> None:
    days = len(totals) / totals.slots_per_day
    if days < _FEWEST_DAYS:
        raise ConfigError(
            f"train tpv: {days:.0f} days of payments; at least {_FEWEST_DAYS} are needed"
        )
    if not np.isfinite(totals.net).any():
        raise ConfigError("train tpv: no interval of any merchant is known")
