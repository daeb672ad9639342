"""Who is paid when: payments drawn by the hour or a part of it, incidents and all."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.simulation.payments.activity import activity
from eddy.datasets.simulation.payments.incidents import (
    LEVEL_SHIFT,
    SETTLE_HOURS,
    Active,
    Incidents,
    by_hour,
    draw_incidents,
)
from eddy.datasets.simulation.payments.merchants import SimulatedMerchants, draw_merchants
from eddy.datasets.simulation.payments.options import PaymentSimulation
from eddy.models.arrays import Floats, Ints

CHUNK_PAYMENTS = 8192
HOUR_US = 3_600_000_000
_CHUNK_HOURS = (24, 12, 8, 6, 4, 3, 2, 1)  # whole days hold whole chunks
_MOST_CELLS = 2_000_000
# what random numbers are drawn for; each has a stream of its own
_MERCHANTS, _INCIDENTS, _DAYS, PAYMENTS = range(4)


@dataclass(frozen=True, slots=True)
class World:
    """What is settled before the first payment.

    `busy` is what `payment_activity.activity` returns.
    """

    merchants: SimulatedMerchants
    busy: Floats
    incidents: Incidents

    @classmethod
    def draw(cls, seed: int, options: PaymentSimulation) -> "World":
        """Draw the merchants, and what will go wrong with them."""
        busy = activity(options)
        merchants = draw_merchants(np.random.default_rng([seed, _MERCHANTS]), options)
        rng = np.random.default_rng([seed, _INCIDENTS])
        return cls(merchants, busy, draw_incidents(rng, options, merchants, busy))


@dataclass(frozen=True, slots=True)
class TimeSlice:
    """A stretch of time that is drawn at once: some hours, or a part of one.

    `until` and `labels` have a cell for every hour of the stretch and merchant, in this order:
    the payments expected up to and with the cell, and the kind of incident there, -1 for none.
    """

    until: Floats
    labels: NDArray[np.int8]
    begin_us: int
    cell_us: int
    end_us: int
    part: float


def chunks(seed: int, options: PaymentSimulation, world: World) -> Iterator[TimeSlice]:
    """Yield chunks of roughly `CHUNK_PAYMENTS`, in their order."""
    hours, parts = _chunk_size(options)
    active, day, factors = Active(world.incidents), -1, np.empty(0)
    for first in range(0, options.days * 24, hours):
        if first // 24 != day:
            day = first // 24
            factors = _day_factors(seed, day, options, world.merchants)
        rates, labels = _cells(world, active.within(first, first + hours), first, hours, factors)
        until = np.cumsum(rates)
        for part in range(parts):
            begin_us = first * HOUR_US + part * HOUR_US // parts
            end_us = (first + hours - 1) * HOUR_US + (part + 1) * HOUR_US // parts
            cell_us = (end_us - begin_us) // hours
            yield TimeSlice(until, labels, begin_us, cell_us, end_us, 1 / parts)


def _chunk_size(options: PaymentSimulation) -> tuple[int, int]:
    """Return how many hours a chunk has, and into how many parts it is cut where that is one."""
    wanted = CHUNK_PAYMENTS * 24 / (options.merchants * options.payments_per_day)
    wanted = min(wanted, max(1.0, _MOST_CELLS / options.merchants))
    hours = next((size for size in _CHUNK_HOURS if size <= wanted), 1)
    return hours, max(1, math.ceil(1 / wanted))


def _day_factors(
    seed: int, day: int, options: PaymentSimulation, merchants: SimulatedMerchants
) -> Floats:
    """Return each merchant's mean payments on a day of its own, 24 hours from the start."""
    rng = np.random.default_rng([seed, _DAYS, day])
    luck = options.day_spread * rng.standard_normal(options.merchants)
    return merchants.payments_per_day * np.exp(luck - options.day_spread**2 / 2)


def _cells(
    world: World, active: Incidents, first: int, hours: int, factors: Floats
) -> tuple[Floats, NDArray[np.int8]]:
    """Return payments expected and kinds of incident by hour and merchant, as one row each."""
    rates = world.busy[world.merchants.shape, first : first + hours].T * factors
    labels = np.full(rates.shape, -1, np.int8)
    for cell, over in by_hour(active, first, first + hours):
        np.multiply.at(rates[cell], over.merchant, over.factor)
        shifted = over.kind == LEVEL_SHIFT
        news = over.taken(shifted & (first + cell < over.start + SETTLE_HOURS))
        labels[cell, news.merchant] = LEVEL_SHIFT
        passing = over.taken(~shifted)
        labels[cell, passing.merchant] = passing.kind
    return rates.ravel(), labels.ravel()


@dataclass(frozen=True, slots=True)
class Drawn:
    """Who was paid and when, by ascending time; `anomaly` as `TimeSlice.labels`."""

    merchant: Ints
    occurred_us: Ints
    anomaly: Ints


def draw_times(rng: np.random.Generator, chunk: TimeSlice, merchants: int, start_us: int) -> Drawn:
    """Draw the payments of a chunk: a Poisson process whose rate is constant within a cell."""
    total = chunk.until[-1]
    n = int(rng.poisson(total * chunk.part))
    # cells without payments have no width; rounding must not reach beyond the last that has one
    where = np.minimum(rng.random(n) * total, np.nextafter(total, 0))
    cell = np.searchsorted(chunk.until, where, "right")
    hour, merchant = np.divmod(cell, merchants)
    within_us = (rng.random(n) * chunk.cell_us).astype(np.int64)
    occurred_us = start_us + chunk.begin_us + hour * HOUR_US + within_us
    order = np.argsort(occurred_us, kind="stable")
    anomaly = chunk.labels[cell].astype(np.int64)
    return Drawn(merchant[order], occurred_us[order], anomaly[order])
