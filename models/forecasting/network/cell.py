"""One step of an LSTM for very many entities, in numpy, the same in every bit everywhere.

``i, f, g, o = x K + h R + b``, ``c' = s(f) c + s(i) tanh(g)``, ``h' = s(o) tanh(c')`` with the
logistic s (Hochreiter and Schmidhuber 1997, Gers et al. 2000; gates in the order of Keras).

Only additions, multiplications and divisions of single numbers are used, in a fixed order: a sum
of products by a linear-algebra library, or its tanh, differs in the last bits with the machine, the
number of threads and of rows, and a replay must not. So tanh is the rational function of Eigen
(``generic_fast_tanh_float``; 4e-7 off at most), and products are added input by input. Entities
are taken in blocks that stay in the cache: 100,000 of them take a fifth of a second.
"""

import numpy as np

from eddy.models.arrays import Ints, Singles
from eddy.models.forecasting.network.weights import GATES, NetworkWeights

_BLOCK = 1024  # entities
_HALF = np.float32(0.5)
_TANH_FLAT = np.float32(7.90531110763549805)  # beyond, tanh is one in single precision
_TANH_ODD = tuple(
    map(
        np.float32,
        (
            -2.76076847742355e-16,
            2.00018790482477e-13,
            -8.60467152213735e-11,
            5.12229709037114e-08,
            1.48572235717979e-05,
            6.37261928875436e-04,
            4.89352455891786e-03,
        ),
    )
)
_TANH_EVEN = tuple(
    map(
        np.float32,
        (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03),
    )
)


class Cell:
    """The LSTM, ready to run.

    Parameters
    ----------
    weights : NetworkWeights
    shared : int
        How many of the inputs, the last ones, are the same for all entities of a segment.
    """

    def __init__(self, weights: NetworkWeights, shared: int) -> None:
        count = len(weights.inputs) - shared
        kernel = np.array(weights.kernel, np.float32).reshape(-1, GATES * weights.width)
        recurrent = np.array(weights.recurrent, np.float32)
        self.width = weights.width
        self._bias = np.array(weights.bias, np.float32)
        self._shared = kernel[count:]
        self._each = np.concatenate([kernel[:count], recurrent])  # differs from entity to entity
        self._output = np.array(weights.output, np.float32)
        self._output_bias = np.float32(weights.output_bias)

    def step(
        self, individual: Singles, shared: Singles, segment: Ints, h: Singles, c: Singles
    ) -> tuple[Singles, Singles, Singles]:
        """Take the next step of k entities; changes nothing.

        Parameters
        ----------
        individual : ndarray of float32, shape (k, inputs less shared)
        shared : ndarray of float32, shape (s, shared)
            Of each segment.
        segment : ndarray of int64, shape (k,)
        h, c : ndarray of float32, shape (k, w)
            Hidden state and cell state before.

        Returns
        -------
        h, c : ndarray of float32, shape (k, w)
            After.
        output : ndarray of float32, shape (k,)
            Not bounded.
        """
        after_h, after_c = np.empty_like(h), np.empty_like(c)
        output = np.empty(len(h), np.float32)
        gates = _add_products(np.tile(self._bias[:, None], (1, len(shared))), self._shared, shared)
        for start in range(0, len(h), _BLOCK):
            block = slice(start, start + _BLOCK)
            z = gates[:, segment[block]]
            z = _add_products(z, self._each, np.concatenate([individual[block], h[block]], axis=1))
            state_h, state_c = self._states(z, c[block].T)
            after_h[block], after_c[block] = state_h.T, state_c.T
            output[block] = self._answer(state_h)
        return after_h, after_c, output

    def _states(self, z: Singles, c: Singles) -> tuple[Singles, Singles]:
        """Return hidden and cell state of gates of shape (4 w, k)."""
        w = self.width
        z[: 2 * w] *= _HALF  # s(z) = (1 + tanh(z / 2)) / 2
        z[3 * w :] *= _HALF
        t = tanh(z)
        enter, keep, leave = (_HALF * t[part] + _HALF for part in _parts(w))
        after = keep * c + enter * t[2 * w : 3 * w]
        return leave * tanh(after), after

    def _answer(self, h: Singles) -> Singles:
        answer = np.full(h.shape[1], self._output_bias)
        for weight, row in zip(self._output, h, strict=True):
            answer += weight * row
        return answer


def tanh(x: Singles) -> Singles:
    """Return the hyperbolic tangent, 4e-7 off at most; exactly 0 at 0, and 1 at most."""
    x = np.clip(x, -_TANH_FLAT, _TANH_FLAT)
    square = x * x
    over = np.full_like(square, _TANH_ODD[0])
    for factor in _TANH_ODD[1:]:
        over *= square
        over += factor
    over *= x
    under = np.full_like(square, _TANH_EVEN[0])
    for factor in _TANH_EVEN[1:]:
        under *= square
        under += factor
    over /= under
    return np.clip(over, np.float32(-1.0), np.float32(1.0))


def _parts(width: int) -> tuple[slice, slice, slice]:
    """Return where input, forget and output gate stand."""
    return slice(0, width), slice(width, 2 * width), slice(3 * width, 4 * width)


def _add_products(z: Singles, weights: Singles, inputs: Singles) -> Singles:
    """Add ``(inputs @ weights).T`` to z of shape (4 w, k), input by input."""
    product = np.empty_like(z)
    for row, column in zip(weights, np.ascontiguousarray(inputs.T), strict=True):
        np.multiply(row[:, None], column, out=product)
        z += product
    return z
