"""How good scores of transactions are: rank metrics, cards a day, cost, calibration.

Card precision@k after the Fraud Detection Handbook, chapter 4: of the k cards with the highest
score of a day, the share that were defrauded that day; cards found on an earlier day leave the
later ones; the mean over days.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Flags, Floats, Ints
from eddy.training.transactions.table import DAY_US, TrainingTable


@dataclass(frozen=True)
class ScoredRows:
    """n labelled rows that were scored.

    Attributes
    ----------
    days : ndarray of int64, shape (n,)
        The number of each row's day, counted from the start of its window.
    cards : ndarray of uint64, shape (n,)
    is_fraud : ndarray of bool, shape (n,)
    amounts, weights : ndarray of float64, shape (n,)
    scores : ndarray of float64, shape (n,)
        1.0 is the boundary.
    probabilities : ndarray of float64, shape (n,)
    seen : ScoredRows, optional
        All rows of the same days, where some have no label: alerts are raised on these, too.
    """

    days: Ints
    cards: NDArray[np.uint64]
    is_fraud: Flags
    amounts: Floats
    weights: Floats
    scores: Floats
    probabilities: Floats
    seen: "ScoredRows | None" = None

    @classmethod
    def of(
        cls, table: TrainingTable, start_us: int, scores: Floats, probabilities: Floats
    ) -> "ScoredRows":
        """Score the rows of a table, whose days are counted from a time on."""
        return cls(
            (table.occurred_at - start_us) // DAY_US,
            table.cards,
            table.frauds,
            table.amounts,
            table.weights,
            scores,
            probabilities,
        )

    def __len__(self) -> int:
        return len(self.days)

    def with_scores(self, scores: Floats, probabilities: Floats) -> "ScoredRows":
        """Return the same rows as another scorer has them."""
        return replace(self, scores=scores, probabilities=probabilities)

    @cached_property
    def ranked(self) -> "Ranked":
        """The rows by score, highest first."""
        return Ranked.of(self.scores, self.is_fraud)

    @cached_property
    def card_days(self) -> "CardDays":
        """The rows summed up to cards a day."""
        return CardDays.of(self.days, self.cards, self.scores, self.is_fraud)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows by score, highest first; the places where one score ends and a lower one begins."""

    order: Ints
    is_fraud: Flags
    ends: Ints

    @classmethod
    def of(cls, scores: Floats, is_fraud: Flags) -> "Ranked":
        """Rank rows."""
        order = np.argsort(-scores, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
        return cls(order, is_fraud[order], ends)

    def average_precision(self, weights: Floats) -> float:
        """Return the area under precision over recall, as `sklearn.metrics` defines it.

        NaN where there is no fraud of any weight.
        """
        right, flagged = self._sums(weights)
        if right[-1] <= 0:
            return float("nan")
        with np.errstate(invalid="ignore", divide="ignore"):
            precision = np.where(flagged > 0, right / flagged, 0.0)
        return float(np.sum(np.diff(right, prepend=0.0) * precision) / right[-1])

    def auc(self, weights: Floats) -> float:
        """Return the area under the ROC curve; NaN where there is only one class."""
        right, flagged = self._sums(weights)
        wrong = flagged - right
        if right[-1] <= 0 or wrong[-1] <= 0:
            return float("nan")
        area = np.sum(np.diff(wrong, prepend=0.0) * (right + np.append(0.0, right[:-1])) / 2)
        return float(area / (right[-1] * wrong[-1]))

    def _sums(self, weights: Floats) -> tuple[Floats, Floats]:
        ordered = weights[self.order]
        flagged = np.cumsum(ordered)[self.ends]
        right = np.cumsum(np.where(self.is_fraud, ordered, 0.0))[self.ends]
        return right, flagged


@dataclass(frozen=True, slots=True)
class CardDays:
    """One row a card and day, by day; the highest score first.

    Attributes
    ----------
    days : ndarray of int64, shape (m,)
    cards : ndarray of uint64, shape (m,)
    best : ndarray of float64, shape (m,)
        The card's highest score of the day.
    is_fraud : ndarray of bool, shape (m,)
        Whether it was defrauded that day.
    """

    days: Ints
    cards: NDArray[np.uint64]
    best: Floats
    is_fraud: Flags

    @classmethod
    def of(
        cls, row_days: Ints, row_cards: NDArray[np.uint64], scores: Floats, is_fraud: Flags
    ) -> "CardDays":
        """Sum rows up; any score that ranks will do."""
        order = np.lexsort((row_cards, row_days))
        days, cards = row_days[order], row_cards[order]
        is_new = np.append(True, (np.diff(days) != 0) | (cards[1:] != cards[:-1]))[: len(days)]
        starts = np.flatnonzero(is_new)
        best = np.maximum.reduceat(scores[order], starts)
        fraud = np.logical_or.reduceat(is_fraud[order], starts)
        days, cards = days[starts], cards[starts]
        by_rank = np.lexsort((cards, -best, days))
        return cls(days[by_rank], cards[by_rank], best[by_rank], fraud[by_rank])

    def precision(self, most: int) -> tuple[Ints, Floats]:
        """Return the days, and the share of `most` cards that were rightly picked on each."""
        detected: NDArray[np.uint64] = np.empty(0, np.uint64)
        days = np.unique(self.days)
        shares = np.empty(len(days))
        for place, day in enumerate(days.tolist()):
            today = slice(*np.searchsorted(self.days, [day, day + 1]).tolist())
            left = ~np.isin(self.cards[today], detected)
            hit = self.is_fraud[today][left][:most]
            detected = np.append(detected, self.cards[today][left][:most][hit])
            shares[place] = hit.sum() / most
        return days, shares

    def flagged(self) -> tuple[Ints, Ints]:
        """Return the days, and how many cards had a score above the boundary on each."""
        days, place = np.unique(self.days, return_inverse=True)
        return days, np.bincount(place[self.best > 1.0], minlength=len(days))


def cost(rows: ScoredRows, alert_cost: float, missed_share: float) -> Floats:
    """Return what each row cost: an alert, a missed fraud's share of its amount, or nothing."""
    flagged = rows.scores > 1.0
    missed = rows.is_fraud & ~flagged
    return rows.weights * (
        flagged * alert_cost + missed * missed_share * np.maximum(rows.amounts, 0.0)
    )


Statistic = Callable[[Ints], float]
"""``statistic(times)`` of some rows whose days, ascending, count so many times each."""

Figure = Callable[[ScoredRows], Statistic]
"""``figure(rows)`` prepares what need not be done again for each resample."""


def average_precision(rows: ScoredRows) -> Statistic:
    """Return the area under precision over recall."""
    place = _places(rows)
    return lambda times: rows.ranked.average_precision(rows.weights * times[place])


def auc(rows: ScoredRows) -> Statistic:
    """Return the area under the ROC curve."""
    place = _places(rows)
    return lambda times: rows.ranked.auc(rows.weights * times[place])


def card_precision(most: int) -> Figure:
    """Return the figure card precision@most: the mean over days."""
    return lambda rows: _mean_of(rows.card_days.precision(most)[1])


def cards_flagged(rows: ScoredRows) -> Statistic:
    """Return how many cards a day are above the boundary, on rows with a label or without."""
    days, counts = (rows.seen or rows).card_days.flagged()
    return _mean_of(counts[np.isin(days, rows.days)])


def daily_cost(alert_cost: float, missed_share: float) -> Figure:
    """Return the figure of the mean cost of a day."""

    def figure(rows: ScoredRows) -> Statistic:
        return _mean_of(np.bincount(_places(rows), cost(rows, alert_cost, missed_share)))

    return figure


def recall(rows: ScoredRows) -> Statistic:
    """Return the share of frauds above the boundary."""
    place, right = _places(rows), rows.weights * rows.is_fraud
    return _ratio_of(_daily(place, right * (rows.scores > 1.0)), _daily(place, right))


def precision(rows: ScoredRows) -> Statistic:
    """Return the share of frauds among what is above the boundary."""
    place, flagged = _places(rows), rows.weights * (rows.scores > 1.0)
    return _ratio_of(_daily(place, flagged * rows.is_fraud), _daily(place, flagged))


def calibration_error(rows: ScoredRows, bins: int = 10) -> Statistic:
    """Return the mean distance of probability and frequency over bins of equally many rows.

    (Naeini, Cooper, Hauskrecht 2015: expected calibration error, equal-mass bins.)
    """
    place, n = _places(rows), len(rows)
    bin_of = np.empty(n, np.int64)
    bin_of[np.argsort(rows.probabilities, kind="stable")] = np.arange(n) * bins // max(n, 1)
    shape = int(place.max(initial=-1)) + 1, bins
    off = np.zeros(shape)
    np.add.at(off, (place, bin_of), rows.weights * (rows.probabilities - rows.is_fraud))
    weight = np.bincount(place, rows.weights)
    return lambda times: float(np.abs(times @ off).sum() / np.sum(times * weight))


def _mean_of(daily: NDArray[np.float64] | Ints) -> Statistic:
    return lambda times: float(np.average(daily, weights=times))


def _daily(place: Ints, parts: Floats) -> Floats:
    return np.asarray(np.bincount(place, parts), np.float64)


def _ratio_of(part: Floats, whole: Floats) -> Statistic:
    def statistic(times: Ints) -> float:
        below = float(np.sum(whole * times))
        return float(np.sum(part * times)) / below if below else 0.0

    return statistic


def _places(rows: ScoredRows) -> Ints:
    """Return the place of each row's day among the days there are."""
    return np.unique(rows.days, return_inverse=True)[1]
