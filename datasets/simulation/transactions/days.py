"""Card transactions of one day, frauds and all, as columns.

Frauds and figures are those of the Fraud Detection Handbook, chapter 3, "Transaction data
simulator". Every day is drawn by itself: what one draws does not change another.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import numpy as np

from eddy.datasets.simulation.damage import DAMAGES
from eddy.datasets.simulation.transactions.options import TransactionSimulation
from eddy.datasets.simulation.transactions.population import Population, draw_population
from eddy.models.arrays import Flags, Floats, Ints

DAY_US = 86_400_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SCENARIOS = ("large_amount", "compromised_terminal", "compromised_card")
"""Above 220 in whatever currency; everything at a terminal for 28 days; for 14 days a third of
what is paid with a card, five times as much as usual. The last that applies gives the name."""
DAMAGE_KINDS = tuple(DAMAGES)

_LARGE = 220.0
_TERMINAL_DAYS, _CARD_DAYS = 28, 14
_CARD_SHARE, _CARD_FACTOR = 1 / 3, 5.0
_NOON_S, _AROUND_NOON_S = 43_200.0, 20_000.0
_STRONGEST, _WEAKER = 2.0, 0.8  # shifts of components, in standard deviations
# what random numbers are drawn for; each has a stream of its own
_POPULATION, _COMPROMISES, _PAYMENTS, _FATES, _VECTORS, LABELS = range(6)


@dataclass(frozen=True, slots=True)
class Fates:
    """What becomes of n records.

    Attributes
    ----------
    malformed : ndarray of int64, shape (n,)
        Position in `DAMAGE_KINDS`, -1 for none.
    late, duplicate : ndarray of bool, shape (n,)
    due_us, again_us : ndarray of int64, shape (n,)
        When the record comes, and when it comes again if it does.
    """

    malformed: Ints
    late: Flags
    duplicate: Flags
    due_us: Ints
    again_us: Ints


@dataclass(frozen=True, slots=True)
class TransactionDay:
    """The n transactions of a day, by ascending time.

    Attributes
    ----------
    number, first_row : int
        Which day it is, and how many transactions there were before it.
    end_us : int
        When it ends, in microseconds since 1970, UTC.
    card, terminal, occurred_us : ndarray of int64, shape (n,)
    amount : ndarray of float64, shape (n,)
    scenario : ndarray of int64, shape (n,)
        Position in `SCENARIOS`, -1 for a genuine one.
    vector : ndarray of float64, shape (n, options.vector)
    fates : Fates
        What becomes of the records.
    """

    number: int
    first_row: int
    end_us: int
    card: Ints
    terminal: Ints
    occurred_us: Ints
    amount: Floats
    scenario: Ints
    vector: Floats
    fates: Fates

    def __len__(self) -> int:
        return len(self.card)


def event_id(seed: int, row: int) -> str:
    """Return the id of a transaction by its number.

    The seed is in letters, "a" for 0: no more than twelve digits follow one another, so that no id
    can be taken for a card's number.

    Examples
    --------
    >>> event_id(70, 12)
    'transaction-ha-12'
    """
    return f"transaction-{_letters(seed)}-{row}"


@lru_cache(maxsize=16)
def _letters(seed: int) -> str:
    return "".join("abcdefghij"[int(digit)] for digit in str(seed))


def draw_days(seed: int, options: TransactionSimulation) -> Iterator[TransactionDay]:
    """Yield the days of a simulation in their order."""
    people = draw_population(np.random.default_rng([seed, _POPULATION]), options)
    compromised = _Compromised(options)
    start_us, row = (options.start - EPOCH) // timedelta(microseconds=1), 0
    for number in range(options.days):
        compromised.begin(np.random.default_rng([seed, _COMPROMISES, number]), number)
        rng = np.random.default_rng([seed, _PAYMENTS, number])
        card, since_us = _draw_times(rng, people, start_us % DAY_US)
        terminal = _draw_terminals(rng, people, card)
        amount, scenario = compromised.defraud(
            rng, number, card, terminal, _draw_amounts(rng, people, card)
        )
        occurred_us = start_us + number * DAY_US + since_us
        yield TransactionDay(
            number=number,
            first_row=row,
            end_us=start_us + (number + 1) * DAY_US,
            card=card,
            terminal=terminal,
            occurred_us=occurred_us,
            amount=amount,
            scenario=scenario,
            vector=_draw_vectors(
                np.random.default_rng([seed, _VECTORS, number]), options.vector, scenario
            ),
            fates=_draw_fates(np.random.default_rng([seed, _FATES, number]), options, occurred_us),
        )
        row += len(card)


def _draw_times(rng: np.random.Generator, people: Population, clock_us: int) -> tuple[Ints, Ints]:
    """Return who pays and how long after the day's beginning, by ascending time.

    Noon is noon in UTC; a simulation's day begins when the clock says `clock_us`.
    """
    who = np.repeat(np.arange(len(people.per_day)), rng.poisson(people.per_day))
    second = rng.normal(_NOON_S, _AROUND_NOON_S, len(who))
    inside = np.flatnonzero((second > 0) & (second < DAY_US / 1e6))
    since_us = ((second[inside] * 1e6).astype(np.int64) - clock_us) % DAY_US
    order = np.argsort(since_us, kind="stable")
    return who[inside[order]], since_us[order]


def _draw_terminals(rng: np.random.Generator, people: Population, who: Ints) -> Ints:
    counts = people.first[who + 1] - people.first[who]
    drawn = (rng.random(len(who)) * counts).astype(np.int64)
    return np.asarray(people.reached[people.first[who] + drawn], np.int64)


def _draw_amounts(rng: np.random.Generator, people: Population, who: Ints) -> Floats:
    """Return amounts: normal, and evenly drawn up to twice the mean where that is negative."""
    normal = people.amount[who] + people.spread[who] * rng.standard_normal(len(who))
    evenly = 2 * people.amount[who] * rng.random(len(who))
    return np.maximum(np.round(np.where(normal < 0, evenly, normal), 2), 0.01)


class _Compromised:
    """Terminals and cards, and until which day they are compromised."""

    def __init__(self, options: TransactionSimulation) -> None:
        self._rates = (options.compromised_terminal_rate, options.compromised_card_rate)
        self._terminals = np.zeros(options.all_terminals, np.int64)
        self._cards = np.zeros(options.customers, np.int64)

    def begin(self, rng: np.random.Generator, day: int) -> None:
        """Draw whom it happens to today."""
        self._terminals[_some(rng, len(self._terminals), self._rates[0])] = day + _TERMINAL_DAYS
        self._cards[_some(rng, len(self._cards), self._rates[1])] = day + _CARD_DAYS

    def defraud(
        self, rng: np.random.Generator, day: int, card: Ints, terminal: Ints, amount: Floats
    ) -> tuple[Floats, Ints]:
        """Return the amounts with those of frauds, and the scenarios."""
        stolen = (day < self._cards[card]) & (rng.random(len(card)) < _CARD_SHARE)
        scenario = np.where(amount > _LARGE, 0, -1)
        scenario[day < self._terminals[terminal]] = 1
        scenario[stolen] = 2
        return np.where(stolen, np.round(amount * _CARD_FACTOR, 2), amount), scenario


def _some(rng: np.random.Generator, n: int, rate: float) -> Ints:
    """Draw ``n * rate`` of n, no one twice; what is less than one, by chance."""
    count = min(n, int(n * rate + rng.random()))
    return rng.choice(n, count, replace=False, shuffle=False)


def _draw_vectors(rng: np.random.Generator, width: int, scenario: Ints) -> Floats:
    """Return components: standard normal, shifted for frauds, each less than the one before."""
    shift = _STRONGEST * (-_WEAKER) ** np.arange(width)
    drawn = rng.standard_normal((len(scenario), width))
    return np.asarray(np.round(drawn + np.outer(scenario >= 0, shift), 6))


def _draw_fates(
    rng: np.random.Generator, options: TransactionSimulation, occurred_us: Ints
) -> Fates:
    n = len(occurred_us)
    malformed = rng.random(n) < options.malformed_rate
    late = rng.random(n) < options.late_rate
    wait_s = rng.uniform(0, options.disorder_s, n) + late * rng.uniform(*options.late_s, n)
    due_us = occurred_us + (wait_s * 1e6).astype(np.int64)
    again_s = rng.uniform(0, options.duplicate_s, n)
    return Fates(
        malformed=np.where(malformed, rng.integers(0, len(DAMAGE_KINDS), n), -1),
        late=late,
        duplicate=rng.random(n) < options.duplicate_rate,
        due_us=due_us,
        again_us=due_us + 1 + (again_s * 1e6).astype(np.int64),
    )
