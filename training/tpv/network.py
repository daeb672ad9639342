"""Training the network across merchants: Keras on JAX, truncated back-propagation through time.

Runs of two weeks of single merchants, their first days only to warm the state up, are shown in an
order that the seed sets; the loss is that of a mean. In half of the runs
intervals are hidden at random, as those are that the stream forecasts across. It ends when the
validation part is not forecast better any more, and the best weights count; before the first epoch
the network is the baseline. The same examples and seed give the same weights.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from eddy.models.arrays import Ints, Singles
from eddy.models.forecasting.network.features import INPUTS
from eddy.models.forecasting.network.weights import NetworkWeights
from eddy.schemas.errors import ConfigError
from eddy.schemas.installation import pip_install
from eddy.training.tpv.examples import Examples

OnProgress = Callable[[int, int], None]
"""Called with the epochs done and their greatest number."""

_WINDOW_DAYS = 14
_WINDOW_LEAST, _WINDOW_MOST = 56, 336  # intervals
_WARM_SHARE = 7  # one in so many intervals of a run warms up
_BATCH = 64
_RUNS_LEAST, _RUNS_MOST = 512, 4096  # an epoch
_HIDDEN_SHARE = 0.3
_PATIENCE = 4
_LOSING = INPUTS.index("difference"), INPUTS.index("is_known"), INPUTS.index("common")


@dataclass(frozen=True, slots=True)
class Fitting:
    """Parameters of fitting a network.

    Attributes
    ----------
    epochs, width, seed : int
    rate : float
        Of learning.
    """

    epochs: int
    width: int
    seed: int
    rate: float


def keras() -> Any:
    """Return Keras on JAX.

    Raises
    ------
    ConfigError
        Either is not installed, or Keras was imported before with another backend.
    """
    os.environ.setdefault("KERAS_BACKEND", "jax")
    try:
        import jax  # noqa: F401, PLC0415 # takes seconds, and judging does without
        import keras as module  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            f"training a network needs Keras and JAX: {pip_install('train-network')}, "
            "or train without it: --no-network"
        ) from error
    if module.backend.backend() != "jax":
        raise ConfigError(f"KERAS_BACKEND: jax, not {module.backend.backend()}")
    return module


def fit(
    examples: Examples,
    stops: tuple[int, int],
    fitting: Fitting,
    slots_per_day: int,
    on_progress: OnProgress,
) -> NetworkWeights:
    """Return the weights that forecast the validation part best.

    Parameters
    ----------
    examples : Examples
    stops : (int, int)
        Where the training part and the validation part end; what comes after is not looked at.
    fitting : Fitting
    slots_per_day : int
    on_progress : callable
    """
    model, random = _model(fitting), np.random.default_rng(fitting.seed)
    window = int(np.clip(_WINDOW_DAYS * slots_per_day, _WINDOW_LEAST, _WINDOW_MOST))
    window = min(window, stops[0])
    learned = _Runs(examples, 0, stops[0], window)
    judged = _Runs(examples, stops[0] - window // _WARM_SHARE, stops[1], window, every=True)
    best, best_weights, since = _loss(model, judged), model.get_weights(), 0
    for epoch in range(fitting.epochs):
        for batch in learned.batches(random):
            model.train_on_batch(*batch)
        on_progress(epoch + 1, fitting.epochs)
        loss = _loss(model, judged)
        since = 0 if loss < best else since + 1
        if loss < best:
            best, best_weights = loss, model.get_weights()
        if since >= _PATIENCE:
            break
    return _exported(best_weights, slots_per_day)


class _Runs:
    """Runs of intervals of single merchants, in batches of one shape."""

    def __init__(
        self, examples: Examples, begin: int, stop: int, window: int, *, every: bool = False
    ) -> None:
        self._examples, self._window = examples, window
        self._warm = window // _WARM_SHARE
        last = max(stop - window, begin)
        merchants = examples.individual.shape[1]
        stride = window - self._warm
        if not every:  # of few merchants, runs overlap
            stride = int(np.clip((last - begin) * merchants // _RUNS_LEAST, 1, stride))
        starts = np.arange(begin, last + 1, stride)
        self._begin = np.tile(np.append(starts, last) if every else starts, merchants)
        self._merchant = np.repeat(np.arange(merchants), len(self._begin) // merchants)
        self._stop = stop

    def batches(self, random: np.random.Generator) -> Iterator[tuple[Singles, Singles, Singles]]:
        """Yield the runs of an epoch, some with intervals hidden."""
        order = random.permutation(len(self._begin))[:_RUNS_MOST]
        order = np.resize(order, -(-len(order) // _BATCH) * _BATCH)
        for rows in order.reshape(-1, _BATCH):
            inputs, targets, weight = self._stack(rows)
            hidden = random.random(inputs.shape[:2]) < _HIDDEN_SHARE
            hidden &= random.random((len(rows), 1)) < 0.5
            for column in _LOSING:
                inputs[..., column][hidden] = 0.0
            yield inputs, targets, weight

    def all(self) -> Iterator[tuple[Singles, Singles, Singles]]:
        """Yield all runs as they are; the last batch is filled up with weights of zero."""
        for start in range(0, len(self._begin), _BATCH):
            rows = np.arange(start, start + _BATCH)
            inputs, targets, weight = self._stack(rows % len(self._begin))
            weight[rows >= len(self._begin)] = 0.0
            yield inputs, targets, weight

    def _stack(self, rows: Ints) -> tuple[Singles, Singles, Singles]:
        """Return inputs (b, window, d), targets (b, window, 2) and weights (b, window)."""
        examples, size = self._examples, self._window
        inputs = np.zeros((len(rows), size, len(INPUTS)), np.float32)
        targets = np.zeros((len(rows), size, 2), np.float32)
        weight = np.zeros((len(rows), size), np.float32)
        for k, row in enumerate(rows.tolist()):
            begin, merchant = int(self._begin[row]), int(self._merchant[row])
            stop = min(begin + size, self._stop)
            inputs[k, : stop - begin] = examples.inputs(begin, stop, merchant)
            targets[k, : stop - begin, 0] = examples.observed[begin:stop, merchant]
            targets[k, : stop - begin, 1] = examples.expected[begin:stop, merchant]
            weight[k, : stop - begin] = examples.weight[begin:stop, merchant]
        weight[:, : self._warm] = 0.0
        return inputs, targets, weight


def _model(fitting: Fitting) -> Any:
    """Return the network; before it is trained it corrects nothing."""
    library = keras()
    seeds = [1_000_003 * fitting.seed + k for k in range(2)]
    model = library.Sequential(
        [
            library.layers.LSTM(
                fitting.width,
                return_sequences=True,
                kernel_initializer=library.initializers.GlorotUniform(seed=seeds[0]),
                recurrent_initializer=library.initializers.Orthogonal(seed=seeds[1]),
            ),
            library.layers.Dense(1, kernel_initializer="zeros"),
        ]
    )
    model.build((None, None, len(INPUTS)))
    optimizer = library.optimizers.Adam(fitting.rate, clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=_error)
    return model


def _error(targets: Any, answer: Any) -> Any:
    """Return the quasi-likelihood's loss ``E r - y log r`` of a correction r, shape (b, window).

    That of a variance proportional to the mean (Wedderburn 1974): its least is at the mean, as the
    baseline's is. The absolute error's is at the median, which of small merchants is a quarter
    below; and on simulated merchants it learned half as much of what there was to learn.
    """
    ops = keras().ops
    a = ops.tanh(answer[..., 0])
    factor = (2.0 + a) / (2.0 - a)
    return targets[..., 1] * factor - targets[..., 0] * ops.log(factor)


def _loss(model: Any, runs: _Runs) -> float:
    """Return the weighted mean error over all runs."""
    total, weights = 0.0, 0.0
    for inputs, targets, weight in runs.all():
        answer = np.asarray(model.predict_on_batch(inputs))
        total += float((np.asarray(_error(targets, answer)) * weight).sum(dtype=np.float64))
        weights += float(weight.sum(dtype=np.float64))
    return total / max(weights, 1e-300)


def _exported(weights: list[Singles], slots_per_day: int) -> NetworkWeights:
    kernel, recurrent, bias, output, output_bias = (array.tolist() for array in weights)
    return NetworkWeights(
        inputs=INPUTS,
        slots_per_day=slots_per_day,
        kernel=tuple(map(tuple, kernel)),
        recurrent=tuple(map(tuple, recurrent)),
        bias=tuple(bias),
        output=tuple(row[0] for row in output),
        output_bias=output_bias[0],
    )
