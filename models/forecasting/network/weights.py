"""The weights of the LSTM across entities, as an artefact holds them."""

import math
from collections.abc import Iterable
from itertools import chain
from typing import Annotated

import msgspec
from msgspec import Meta

Row = tuple[float, ...]
Matrix = tuple[Row, ...]

GATES = 4  # input, forget, candidate, output: the order of Keras
_MOST = 1e6  # of a weight: beyond, a single precision sum could overflow


class NetworkWeights(msgspec.Struct, frozen=True, kw_only=True):
    """An LSTM of d inputs and w hidden units with one output, laid out as Keras does.

    Single-precision numbers go through JSON without loss.

    Attributes
    ----------
    inputs : tuple of str, length d
        Names, in order, from `eddy.models.forecasting.network.features`: those it was trained with.
    slots_per_day : int
        Intervals a day it was trained on.
    kernel : d rows of 4 w numbers
        From the inputs to the gates (input, forget, candidate, output).
    recurrent : w rows of 4 w numbers
        From the hidden state to the gates.
    bias : 4 w numbers
    output : w numbers
        From the hidden state to the correction.
    output_bias : float

    Raises
    ------
    ValueError
        The shapes do not fit one another, or a number is beyond a million.
    """

    inputs: tuple[str, ...]
    slots_per_day: Annotated[int, Meta(ge=1, le=1440)]
    kernel: Matrix
    recurrent: Matrix
    bias: Row
    output: Row
    output_bias: float

    def __post_init__(self) -> None:
        width = len(self.output)
        wanted = [("kernel", self.kernel, len(self.inputs)), ("recurrent", self.recurrent, width)]
        for name, matrix, rows in wanted:
            if len(matrix) != rows or any(len(row) != GATES * width for row in matrix):
                raise ValueError(f"{name}: not {rows} x {GATES * width}")
        if width < 1 or len(self.bias) != GATES * width:
            raise ValueError(f"bias: not {GATES * width} numbers, of a width of at least 1")
        if not all(map(_is_small, self._numbers())):
            raise ValueError("weights: not all are finite and at most a million")

    @property
    def width(self) -> int:
        """Hidden units."""
        return len(self.output)

    def _numbers(self) -> Iterable[float]:
        matrices = chain.from_iterable((*self.kernel, *self.recurrent))
        return chain(matrices, self.bias, self.output, [self.output_bias])


def _is_small(number: float) -> bool:
    return math.isfinite(number) and abs(number) <= _MOST
