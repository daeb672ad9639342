"""Verdicts on simulated card transactions, as they become known: late, and some at first wrong."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.simulation.transactions.days import (
    EPOCH,
    LABELS,
    TransactionDay,
    draw_days,
    event_id,
)
from eddy.datasets.simulation.transactions.options import TransactionSimulation
from eddy.models.arrays import Ints
from eddy.schemas.labels import Label

_CONCENTRATION = 4.0
"""Of the beta distribution of delays: a broad hump between the least and the most."""


def labels(seed: int, options: TransactionSimulation) -> Iterator[tuple[int, Label]]:
    """Yield labels with when they become known, in microseconds since 1970, in this order.

    Every fraud has one and so has a share of the genuine transactions. A few of the genuine are
    taken for frauds at first, and cleared later: the last verdict on an event is always the truth.
    No label comes before its event does, also where that is late. They go on after the last
    transaction, for as long as verdicts take.
    """
    waiting = _Verdicts.none()
    for day in draw_days(seed, options):
        drawn = _draw_verdicts(np.random.default_rng([seed, LABELS, day.number]), options, day)
        known, waiting = waiting.joined(drawn).until(day.end_us)
        yield from known.labels(seed)
    yield from waiting.labels(seed)


@dataclass(frozen=True, slots=True)
class _Verdicts:
    """When verdicts become known, on which transactions by number, and what they say."""

    due_us: Ints
    row: Ints
    is_fraud: NDArray[np.bool_]

    @classmethod
    def none(cls) -> "_Verdicts":
        return cls(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_))

    def joined(self, other: "_Verdicts") -> "_Verdicts":
        return _Verdicts(
            np.concatenate([self.due_us, other.due_us]),
            np.concatenate([self.row, other.row]),
            np.concatenate([self.is_fraud, other.is_fraud]),
        )

    def taken(self, rows: NDArray[np.intp]) -> "_Verdicts":
        return _Verdicts(self.due_us[rows], self.row[rows], self.is_fraud[rows])

    def until(self, end_us: int) -> tuple["_Verdicts", "_Verdicts"]:
        """Return those known before a time, and the others; both by ascending time."""
        order = np.lexsort((self.row, self.due_us))
        count = int(np.searchsorted(self.due_us[order], end_us))
        return self.taken(order[:count]), self.taken(order[count:])

    def labels(self, seed: int) -> Iterator[tuple[int, Label]]:
        since = self.due_us.astype("m8[us]").tolist()
        columns = (self.due_us.tolist(), since, self.row.tolist(), self.is_fraud.tolist())
        for due_us, after, row, is_fraud in zip(*columns, strict=True):
            yield (
                due_us,
                Label(
                    event_id=event_id(seed, row),
                    verdict="fraud" if is_fraud else "genuine",
                    labelled_at=EPOCH + after,
                    labelled_by="simulation",
                ),
            )


def _draw_verdicts(
    rng: np.random.Generator, options: TransactionSimulation, day: TransactionDay
) -> _Verdicts:
    """Draw what will be said of a day's transactions, corrections too."""
    n, is_fraud = len(day), day.scenario >= 0
    mistaken = _draw_mistaken(rng, options, is_fraud)
    is_labelled = is_fraud | mistaken | (rng.random(n) < options.genuine_labels)
    known_us = np.maximum(day.occurred_us + _draw_delays(rng, options, n), day.fates.due_us + 1)
    corrected_us = known_us + _draw_delays(rng, options, n)
    first, again = np.flatnonzero(is_labelled), np.flatnonzero(mistaken)
    return _Verdicts(
        np.concatenate([known_us[first], corrected_us[again]]),
        day.first_row + np.concatenate([first, again]),
        np.concatenate([(is_fraud | mistaken)[first], is_fraud[again]]),
    )


def _draw_mistaken(
    rng: np.random.Generator, options: TransactionSimulation, is_fraud: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Draw genuine transactions that are taken for frauds at first."""
    genuine = np.flatnonzero(~is_fraud)
    count = rng.binomial(len(is_fraud) - len(genuine), options.mistaken_labels)
    mistaken = np.zeros(len(is_fraud), np.bool_)
    mistaken[rng.permutation(genuine)[:count]] = True
    return mistaken


def _draw_delays(rng: np.random.Generator, options: TransactionSimulation, n: int) -> Ints:
    """Return delays in microseconds: a beta distribution between the bounds, with that mean."""
    least, most = options.label_delay_s
    if least == most:
        return np.full(n, int(most * 1e6), np.int64)
    mean = (options.label_delay_mean_s - least) / (most - least)
    share = rng.beta(_CONCENTRATION * mean, _CONCENTRATION * (1 - mean), n)
    return np.asarray(((least + share * (most - least)) * 1e6).astype(np.int64))
