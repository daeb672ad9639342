"""Who pays in a simulation of card transactions, how much and how often, and at which terminals.

The figures are those of the Fraud Detection Handbook, chapter 3, "Transaction data simulator".
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.simulation.transactions.options import TransactionSimulation
from eddy.models.arrays import Floats, Ints

RADIUS = 5.0
"""How far customers go; there is one terminal on a unit of area, on average."""
_MEAN_AMOUNTS = (5.0, 100.0)
_SPREAD = 0.5  # standard deviation of a customer's amounts, in means
_AT_ONCE = 4_096
_KEPT_NAMES = 65_536  # naming anew takes as long as all else of a record


@dataclass(frozen=True, slots=True)
class Population:
    """All customers, by position, and the terminals that each can reach.

    Attributes
    ----------
    per_day : ndarray of float64, shape (customers,)
        Transactions a day, on average.
    amount, spread : ndarray of float64, shape (customers,)
        Mean and standard deviation of an amount.
    first : ndarray of int64, shape (customers + 1,)
        Where a customer's terminals begin in `reached`, and where those of the next one do.
    reached : ndarray of int32, shape (n,)
        Positions of terminals: those within the radius, or the nearest where there is none.
    """

    per_day: Floats
    amount: Floats
    spread: Floats
    first: Ints
    reached: NDArray[np.int32]


@lru_cache(_KEPT_NAMES)
def card_token(position: int) -> str:
    """Return the token of a customer's card; the same in every simulation."""
    return f"card-{position:07d}"


@lru_cache(_KEPT_NAMES)
def terminal_id(position: int) -> str:
    """Return the name of a terminal; the same in every simulation."""
    return f"terminal-{position:08d}"


def draw_population(rng: np.random.Generator, options: TransactionSimulation) -> Population:
    """Draw the customers and where they live, and where the terminals stand."""
    n, side = options.customers, np.sqrt(options.all_terminals)
    homes = rng.uniform(0, side, (n, 2))
    places = rng.uniform(0, side, (options.all_terminals, 2))
    amount = rng.uniform(*_MEAN_AMOUNTS, n)
    counts, reached = _reach(homes, places)
    return Population(
        per_day=rng.uniform(0, 2 * options.transactions_per_day, n),
        amount=amount,
        spread=amount * _SPREAD,
        first=np.concatenate([[0], np.cumsum(counts)]),
        reached=reached,
    )


def _reach(homes: Floats, places: Floats) -> tuple[Ints, NDArray[np.int32]]:
    """Return how many terminals each customer reaches, and which, customer by customer."""
    cells = _Cells.of(places)
    parts = [cells.within(homes[row : row + _AT_ONCE]) for row in range(0, len(homes), _AT_ONCE)]
    counts = np.concatenate([count for count, _ in parts])
    return counts, np.concatenate([near for _, near in parts])


@dataclass(frozen=True, slots=True)
class _Cells:
    """Terminals by square cells as wide as the radius: nobody goes farther than the next cell.

    `order` has the terminals cell by cell; `begins` says where in it a cell begins.
    """

    places: Floats
    order: Ints
    begins: Ints
    width: int

    @classmethod
    def of(cls, places: Floats) -> "_Cells":
        column, row = np.floor(places / RADIUS).astype(np.int64).T
        width = int(max(column.max(), row.max())) + 1
        cell = column * width + row
        order = np.argsort(cell, kind="stable")
        begins = np.searchsorted(cell[order], np.arange(width * width + 1))
        return cls(places, order, begins, width)

    def within(self, homes: Floats) -> tuple[Ints, NDArray[np.int32]]:
        """Return how many terminals are within the radius of each home, and which."""
        sides = [self._beside(homes, step) for step in (-1, 0, 1)]
        who = np.concatenate([who for who, _ in sides])
        near = np.concatenate([near for _, near in sides])
        apart = homes[who] - self.places[near]
        inside = np.flatnonzero(np.einsum("ij,ij->i", apart, apart) <= RADIUS**2)
        inside = inside[np.argsort(who[inside], kind="stable")]
        counts = np.bincount(who[inside], minlength=len(homes))
        near = near[inside]
        if not counts.all():  # where there are but a few terminals, somebody may live far off
            lonely = np.flatnonzero(counts == 0)
            at = np.cumsum(counts)[lonely]
            near = np.insert(near, at, [self._nearest(homes[row]) for row in lonely])
            counts[lonely] = 1
        return counts, near.astype(np.int32)

    def _beside(self, homes: Floats, step: int) -> tuple[Ints, Ints]:
        """Return pairs of home and terminal: three cells of the column `step` from the home's."""
        column, row = np.floor(homes / RADIUS).astype(np.int64).T
        column, row = column + step, np.minimum(row, self.width)
        here = (column >= 0) & (column < self.width)
        column = np.where(here, column, 0)
        first = self.begins[column * self.width + np.clip(row - 1, 0, self.width)]
        last = self.begins[column * self.width + np.clip(row + 2, 0, self.width)]
        lengths = np.where(here, last - first, 0)
        before = np.cumsum(lengths) - lengths
        positions = np.arange(lengths.sum()) + np.repeat(first - before, lengths)
        return np.repeat(np.arange(len(homes)), lengths), self.order[positions]

    def _nearest(self, home: Floats) -> int:
        apart = self.places - home
        return int(np.argmin(np.einsum("ij,ij->i", apart, apart)))
