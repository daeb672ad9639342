"""The figures, against scikit-learn and against the Handbook's own words."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from eddy.training.transactions import fraud_metrics as metrics
from eddy.training.transactions import intervals
from eddy.training.transactions.fraud_metrics import CardDays, ScoredRows


def drawn(n=4_000, seed=0, days=7):
    random = np.random.default_rng(seed)
    fraud = random.random(n) < 0.05
    scores = np.round(random.random(n) + 0.5 * fraud, 2)  # with many ties
    return ScoredRows(
        days=random.integers(0, days, n),
        cards=random.integers(1, 300, n).astype(np.uint64),
        is_fraud=fraud,
        amounts=random.exponential(40, n),
        weights=random.uniform(0.5, 3.0, n),
        scores=scores,
        probabilities=scores / 2,
    )


def once(rows):
    return np.ones(len(np.unique(rows.days)), np.int64)


def test_ranks_are_scikit_learns():
    rows = drawn()
    weights = {"sample_weight": rows.weights}
    assert intervals.value([rows], metrics.average_precision) == pytest.approx(
        average_precision_score(rows.is_fraud, rows.scores, **weights)
    )
    assert intervals.value([rows], metrics.auc) == pytest.approx(
        roc_auc_score(rows.is_fraud, rows.scores, **weights)
    )


def test_a_day_that_counts_twice_is_a_day_that_is_there_twice():
    rows = drawn()
    times = np.array([1, 0, 2, 1, 3, 0, 1])
    again = np.repeat(np.arange(len(rows)), times[rows.days])
    doubled = average_precision_score(
        rows.is_fraud[again], rows.scores[again], sample_weight=rows.weights[again]
    )
    assert metrics.average_precision(rows)(times) == pytest.approx(doubled)


def naive_card_precision(rows, k):
    """The Handbook's loop over days, chapter 4, "Precision top-k metrics"."""
    detected, shares = set(), []
    for day in np.unique(rows.days):
        cards = {}
        for row in np.flatnonzero(rows.days == day):
            if rows.cards[row] not in detected:
                best, fraud = cards.get(rows.cards[row], (-1.0, False))
                pair = max(best, rows.scores[row]), fraud or rows.is_fraud[row]
                cards[rows.cards[row]] = pair
        top = sorted(cards, key=lambda card: (-cards[card][0], card))[:k]
        hits = [card for card in top if cards[card][1]]
        detected.update(hits)
        shares.append(len(hits) / k)
    return np.mean(shares)


@pytest.mark.parametrize("k", [1, 5, 40, 1_000])
def test_card_precision_is_the_handbooks(k):
    rows = drawn(seed=k)
    assert intervals.value([rows], metrics.card_precision(k)) == pytest.approx(
        naive_card_precision(rows, k)
    )


def test_cards_flagged_counts_a_card_once_a_day():
    rows = ScoredRows(
        days=np.array([0, 0, 0, 1]),
        cards=np.array([7, 7, 8, 7], np.uint64),
        is_fraud=np.zeros(4, bool),
        amounts=np.ones(4),
        weights=np.ones(4),
        scores=np.array([1.5, 1.2, 1.0, 3.0]),  # 1.0 is the boundary, not above it
        probabilities=np.zeros(4),
    )
    assert intervals.value([rows], metrics.cards_flagged) == 1.0
    cards = CardDays.of(rows.days, rows.cards, rows.scores, rows.is_fraud)
    assert cards.best.tolist() == [1.5, 1.0, 3.0]


def test_cost_is_alerts_and_what_was_missed():
    rows = ScoredRows(
        days=np.array([0, 0, 0, 1]),
        cards=np.arange(4, dtype=np.uint64),
        is_fraud=np.array([True, True, False, False]),
        amounts=np.array([100.0, 30.0, 50.0, -9.0]),
        weights=np.ones(4),
        scores=np.array([2.0, 0.5, 2.0, 0.1]),
        probabilities=np.zeros(4),
    )
    assert metrics.cost(rows, alert_cost=5.0, missed_share=0.5).tolist() == [5.0, 15.0, 5.0, 0.0]
    assert intervals.value([rows], metrics.daily_cost(5.0, 0.5)) == 12.5
    assert intervals.value([rows], metrics.recall) == 0.5
    assert intervals.value([rows], metrics.precision) == 0.5


def test_calibration_error_is_zero_only_where_probabilities_hold():
    random = np.random.default_rng(5)
    probabilities = random.uniform(0, 0.4, 60_000)
    rows = drawn(60_000)
    honest = metrics.replace(
        rows, is_fraud=random.random(60_000) < probabilities, probabilities=probabilities
    )
    assert intervals.value([honest], metrics.calibration_error) < 0.01
    boastful = metrics.replace(honest, probabilities=probabilities * 2)
    assert intervals.value([boastful], metrics.calibration_error) == pytest.approx(0.2, abs=0.02)


def test_intervals_hold_the_value_and_shrink_with_days():
    few, many = drawn(4_000, days=5), drawn(40_000, days=50)
    widths = []
    for rows in (few, many):
        interval = intervals.with_interval([rows], metrics.average_precision, 200, 0.9, seed=3)
        assert interval.low < interval.value < interval.high
        widths.append(interval.high - interval.low)
    assert widths[1] < widths[0]
    again = intervals.with_interval([few], metrics.average_precision, 200, 0.9, seed=3)
    assert again == intervals.with_interval([few], metrics.average_precision, 200, 0.9, seed=3)


def test_paired_differences_are_of_the_same_days():
    rows = drawn()
    same = intervals.differences(rows, rows, metrics.average_precision, 50, seed=0)
    assert not same.any()
    worse = rows.with_scores(np.random.default_rng(1).permutation(rows.scores), rows.probabilities)
    drawn_differences = intervals.differences(rows, worse, metrics.average_precision, 50, seed=0)
    assert (drawn_differences > 0).all()
