"""What goes wrong with merchants: the truth of a simulation, drawn before its payments."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.simulation.payments.merchants import SimulatedMerchants
from eddy.datasets.simulation.payments.options import PaymentSimulation
from eddy.models.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of incident.

    Attributes
    ----------
    hours : (int, int), optional
        How long at least and at most; None lasts to the end of the simulation.
    factors : tuple of (float, float)
        Ranges of what the merchant's payments are multiplied with; each is as likely.
    """

    hours: tuple[int, int] | None
    factors: tuple[tuple[float, float], ...]


KINDS: dict[str, Kind] = {
    "drop_out": Kind(hours=(4, 36), factors=((0.0, 0.0),)),
    "spike": Kind(hours=(2, 8), factors=((2.5, 6.0),)),
    "dip": Kind(hours=(6, 36), factors=((0.1, 0.45),)),
    "level_shift": Kind(hours=None, factors=((0.35, 0.65), (1.6, 2.8))),
}
NAMES = tuple(KINDS)
LEVEL_SHIFT = NAMES.index("level_shift")

SETTLE_HOURS = 48
"""How long a level shift is news; the new level is ordinary then."""
_GAP_HOURS = 24  # between one incident of a merchant and the next


@dataclass(frozen=True, slots=True)
class Incidents:
    """Incidents by ascending start, then merchant; no two of a merchant are less than a day apart.

    Attributes
    ----------
    merchant, kind : ndarray of int64, shape (n,)
        Positions among the merchants and in `NAMES`.
    start, end : ndarray of int64, shape (n,)
        Hours since the start of the simulation, the end excluded.
    factor : ndarray of float64, shape (n,)
        What the merchant's payments are multiplied with.
    """

    merchant: Ints
    kind: Ints
    start: Ints
    end: Ints
    factor: Floats

    def __len__(self) -> int:
        return len(self.start)

    def taken(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Incidents":
        """Return some of them, in the order of `rows`."""
        return Incidents(
            self.merchant[rows], self.kind[rows], self.start[rows], self.end[rows],
            self.factor[rows],
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: list["Incidents"]) -> "Incidents":
        """Return all parts as one, in the order of the list."""
        return cls(
            merchant=np.concatenate([part.merchant for part in parts]),
            kind=np.concatenate([part.kind for part in parts]),
            start=np.concatenate([part.start for part in parts]),
            end=np.concatenate([part.end for part in parts]),
            factor=np.concatenate([part.factor for part in parts]),
        )

    def news_end(self) -> Ints:
        """Return the hours in which each ends to be remarkable."""
        settled = np.minimum(self.end, self.start + SETTLE_HOURS)
        return np.where(self.kind == LEVEL_SHIFT, settled, self.end)


def draw_incidents(
    rng: np.random.Generator,
    options: PaymentSimulation,
    merchants: SimulatedMerchants,
    busy: Floats,
) -> Incidents:
    """Draw incidents that begin at a time when the merchant has customers.

    Parameters
    ----------
    rng : numpy.random.Generator
    options : PaymentSimulation
    merchants : SimulatedMerchants
    busy : ndarray of float64, shape (shapes, hours)
        As `payment_activity.activity` returns it.
    """
    parts = [_draw_kind(rng, kind, options, merchants, busy) for kind in range(len(NAMES))]
    drawn = Incidents.joined(parts)
    apart = _apart(_first_shifts(drawn.taken(np.lexsort((drawn.start, drawn.merchant)))))
    return apart.taken(np.lexsort((apart.merchant, apart.start)))


def _draw_kind(
    rng: np.random.Generator,
    kind: int,
    options: PaymentSimulation,
    merchants: SimulatedMerchants,
    busy: Floats,
) -> Incidents:
    name, hours = NAMES[kind], options.days * 24
    days = max(0, options.days - options.calm_days)
    rate = getattr(options, f"{name}_rate")
    n = int(rng.poisson(rate * days * options.merchants))
    who = rng.integers(0, options.merchants, n)
    day = options.calm_days + rng.integers(0, max(1, days), n)
    start = _busy_hours(rng, busy, merchants.shape[who], day)
    shortest, longest = KINDS[name].hours or (hours, hours)
    lasts = rng.integers(shortest, longest + 1, n)
    bounds = np.array(KINDS[name].factors)[rng.integers(0, len(KINDS[name].factors), n)]
    return Incidents(
        merchant=who,
        kind=np.full(n, kind, np.int64),
        start=start,
        end=np.minimum(start + lasts, hours),
        factor=bounds[:, 0] + rng.random(n) * (bounds[:, 1] - bounds[:, 0]),
    )


def _busy_hours(rng: np.random.Generator, busy: Floats, shape: Ints, day: Ints) -> Ints:
    """Draw an hour of each day, the busier the likelier."""
    drawn, hours = rng.random(len(day)), np.zeros(len(day), np.int64)
    for row in range(len(busy)):
        here = np.flatnonzero(shape == row)
        until = np.concatenate([[0.0], np.cumsum(busy[row])])
        low, high = until[day[here] * 24], until[day[here] * 24 + 24]
        wanted = np.minimum(low + drawn[here] * (high - low), np.nextafter(high, 0))
        hours[here] = np.searchsorted(until, wanted, "right") - 1
    return hours


def _first_shifts(ordered: Incidents) -> Incidents:
    """Leave out all level shifts of a merchant but its first."""
    shifts = np.flatnonzero(ordered.kind == LEVEL_SHIFT)
    _, first = np.unique(ordered.merchant[shifts], return_index=True)
    keep = ordered.kind != LEVEL_SHIFT
    keep[shifts[first]] = True
    return ordered.taken(keep)


def _apart(ordered: Incidents) -> Incidents:
    """Leave out what begins too soon after an earlier incident of the same merchant."""
    if not len(ordered):
        return ordered
    calm_again = ordered.news_end() + _GAP_HOURS
    # each merchant's hours lie behind all of the one before it: one running maximum serves all
    offset = ordered.merchant * (int(calm_again.max()) + 1)
    latest = np.maximum.accumulate(calm_again + offset)
    return ordered.taken(ordered.start + offset >= np.concatenate([[0], latest[:-1]]))


def expected_payments(incidents: Incidents, merchants: SimulatedMerchants, busy: Floats) -> Floats:
    """Return how many payments each incident's hours would have seen without it, on average."""
    until = np.concatenate([np.zeros((len(busy), 1)), np.cumsum(busy, axis=1)], axis=1)
    shape = merchants.shape[incidents.merchant]
    ordinary = merchants.payments_per_day[incidents.merchant] * (
        until[shape, incidents.end] - until[shape, incidents.start]
    )
    shifts = incidents.taken(incidents.kind == LEVEL_SHIFT)
    begins = np.full(len(merchants.shape), np.iinfo(np.int64).max)
    level = np.ones(len(merchants.shape))
    begins[shifts.merchant], level[shifts.merchant] = shifts.start, shifts.factor
    shifted = incidents.start > begins[incidents.merchant]
    return np.asarray(np.where(shifted, ordinary * level[incidents.merchant], ordinary))


class Active:
    """Goes through time and tells which incidents touch each stretch of it.

    Stretches must come in their order. What is over is forgotten, so that each costs as much as
    there is going on.
    """

    def __init__(self, incidents: Incidents) -> None:
        self._all = incidents
        self._rows = np.empty(0, np.intp)
        self._next = 0

    def within(self, first_hour: int, end_hour: int) -> Incidents:
        """Return the incidents that touch the hours from `first_hour` up to `end_hour`."""
        begun = int(np.searchsorted(self._all.start, end_hour, "left"))
        rows = np.concatenate([self._rows, np.arange(self._next, begun)])
        self._rows, self._next = rows[self._all.end[rows] > first_hour], begun
        return self._all.taken(self._rows)


def by_hour(active: Incidents, first_hour: int, end_hour: int) -> Iterator[tuple[int, Incidents]]:
    """Yield each hour, counted from the first, with the incidents that lie over it."""
    for hour in range(first_hour, end_hour):
        over = active.taken((active.start <= hour) & (hour < active.end))
        if len(over):
            yield hour - first_hour, over
