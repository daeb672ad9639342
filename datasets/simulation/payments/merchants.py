"""The merchants of a simulation: how large each is, and what it trades in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.simulation.payments.activity import HABITS
from eddy.datasets.simulation.payments.options import PaymentSimulation
from eddy.datasets.simulation.payments.segments import SEGMENTS
from eddy.models.arrays import Floats

_TICKET_SPREAD = 0.3  # merchants of one trade are cheaper or dearer


@dataclass(frozen=True, slots=True)
class SimulatedMerchants:
    """All merchants, by position.

    Attributes
    ----------
    segment : ndarray of int64, shape (merchants,)
        Position in `payment_segments.NAMES`.
    shape : ndarray of int64, shape (merchants,)
        Row of `payment_activity.activity`.
    payments_per_day : ndarray of float64, shape (merchants,)
        On an ordinary day.
    amount, spread : ndarray of float64, shape (merchants,)
        Median of a payment, and standard deviation of its logarithm.
    """

    segment: NDArray[np.int64]
    shape: NDArray[np.int64]
    payments_per_day: Floats
    amount: Floats
    spread: Floats


def merchant_id(position: int) -> str:
    """Return the name of a merchant; the same in every simulation."""
    return f"merchant-{position:07d}"


def draw_merchants(rng: np.random.Generator, options: PaymentSimulation) -> SimulatedMerchants:
    """Draw the merchants; their sizes come to the mean that was asked for."""
    n, trades = options.merchants, list(SEGMENTS.values())
    weights = np.cumsum([trade.share for trade in trades])
    segment = np.searchsorted(weights, rng.random(n) * weights[-1], "right")
    size = np.exp(options.size_spread * rng.standard_normal(n))
    ticket = np.exp(_TICKET_SPREAD * rng.standard_normal(n))
    return SimulatedMerchants(
        segment=segment,
        shape=segment * len(HABITS) + rng.integers(0, len(HABITS), n),
        payments_per_day=size * (options.payments_per_day / size.mean()),
        amount=np.array([trade.amount for trade in trades])[segment] * ticket,
        spread=np.array([trade.spread for trade in trades])[segment],
    )
