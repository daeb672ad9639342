"""Training: time order kept, the boundary in its budget, the same again from the same."""

import msgspec
import numpy as np
import pytest

from eddy.models.artefact import digest, encode_parameters
from eddy.models.features.names import FEATURES
from eddy.schemas.errors import ConfigError
from eddy.training.transactions.calibration import boundary, platt
from eddy.training.transactions.fraud_metrics import ScoredRows
from eddy.training.transactions.model_card import model_card
from eddy.training.transactions.prequential import (
    Fold,
    folds,
    learnable,
    newest_window,
    rows_seen,
    rows_to_test,
)
from eddy.training.transactions.settings import Boosting, Threshold
from eddy.training.transactions.table import DAY_US
from eddy.training.transactions.train import text, train, train_until
from tests.support.fraud_tables import QUICK, START_US, table, without_labels_after

HOW = QUICK.train


def change(settings=HOW, **changes):
    return msgspec.structs.replace(settings, **changes)


@pytest.fixture(scope="module")
def rows():
    return table()


@pytest.fixture(scope="module")
def trained(rows):
    return train(rows, HOW)


def test_the_same_rows_and_settings_give_the_same_model(rows, trained):
    again = train(rows, HOW)
    assert digest(encode_parameters(again.parameters)) == digest(
        encode_parameters(trained.parameters)
    )
    assert again.files == trained.files
    assert again.data_sha256 == trained.data_sha256
    assert model_card(again, HOW, None) == model_card(trained, HOW, None)
    other = train(rows, change(seed=1))
    assert encode_parameters(other.parameters) != encode_parameters(trained.parameters)


def test_the_days_held_out_change_nothing(rows, trained):
    """What comes after the training rows, and what was not known by then, cannot matter."""
    end = newest_window(rows, HOW.hold_out_days, HOW.delay_days)
    assert trained.until_us == end.learn_until_us
    assert end.test_start_us - end.learn_until_us == 7 * DAY_US
    changed = rows.rows(slice(None))
    later = rows.occurred_at >= trained.until_us
    features, is_fraud = rows.features.copy(), rows.is_fraud.copy()
    features[later] = 1e6
    is_fraud[later] = 1 - is_fraud[later]
    from dataclasses import replace

    changed = replace(rows, features=features, is_fraud=is_fraud)
    again = train(changed, HOW)
    assert encode_parameters(again.parameters) == encode_parameters(trained.parameters)


def test_labels_that_came_too_late_are_not_learned(rows):
    until = START_US + 28 * DAY_US
    part = learnable(rows, until, 14, known_by_us=until)
    assert (part.labelled_at <= until).all()
    assert part.occurred_at.max() < until - 6 * DAY_US
    whole = learnable(rows, until, 14, known_by_us=until + 7 * DAY_US)
    assert len(whole) > len(part)


@pytest.mark.parametrize("algorithm", ["random_forest", "hist_gradient_boosting"])
def test_a_classifier_is_calibrated_and_within_its_budget(rows, algorithm):
    settings = change(
        algorithm=algorithm, hist_gradient_boosting=Boosting(trees=30, min_rows_leaf=20)
    )
    trained = train(rows, settings)
    fold = newest_window(rows, 7, 7.0)
    test = rows_to_test(rows, fold, 7.0)
    probabilities = trained.scorer.probability(test.columns(trained.scorer.features))
    assert probabilities[test.frauds].mean() > 5 * probabilities[~test.frauds].mean()
    assert abs(probabilities.mean() - test.frauds.mean()) < 0.03
    flagged = trained.scorer.score(test.columns(trained.scorer.features)) > 1.0
    days = (test.occurred_at - fold.test_start_us) // DAY_US
    cards = len(set(zip(days[flagged].tolist(), test.cards[flagged].tolist(), strict=True)))
    assert 2 < cards / 7 < 12  # 6 wanted
    assert trained.parameters.features == list(FEATURES)


def test_an_isolation_forest_wants_no_labels(rows):
    settings = change(kind="isolation_forest")
    trained = train(rows, settings)
    from dataclasses import replace

    # a single fraud is left: without any the days are others, because nobody could judge it
    last = np.flatnonzero(rows.frauds)[-1]
    silent = replace(rows, is_fraud=(np.arange(len(rows)) == last).astype(np.int8))
    again = train(silent, settings)
    assert trained.parameters.detector == "isolation_forest"
    assert trained.parameters.calibration is None
    assert again.files == trained.files
    wanted = rows.columns(trained.scorer.features)
    scores = trained.scorer.score(wanted)
    assert scores[rows.frauds].mean() > scores[~rows.frauds].mean()


def test_missing_values_are_taken_for_typical(rows):
    from dataclasses import replace

    features = rows.features.copy()
    features[::3, FEATURES.index("card_count_1d")] = np.nan
    features[:, FEATURES.index("is_night")] = np.nan
    trained = train(replace(rows, features=features), HOW)
    typical = dict(zip(trained.parameters.features, trained.parameters.typical, strict=True))
    assert typical["is_night"] == 0.0
    wanted = features[:50]
    filled = np.where(np.isnan(wanted), trained.parameters.typical, wanted)
    assert (trained.scorer.score(wanted) == trained.scorer.score(filled)).all()


def test_too_little_to_learn_from_is_named(rows):
    with pytest.raises(ConfigError, match=r"train\.train_days: .* too few"):
        train(table(days=16), HOW)
    with pytest.raises(ConfigError, match="no labelled rows"):
        train(without_labels_after(rows, 0), HOW)
    with pytest.raises(ConfigError, match="no columns v9"):
        train(rows, change(features=["amount", "v9"]))


def test_nothing_held_out_learns_up_to_the_newest_labels_that_had_their_delay(rows):
    trained = train(rows, change(hold_out_days=0))
    assert trained.until_us == START_US + 41 * DAY_US
    assert trained.settings(HOW)["learned_until"] == text(trained.until_us)


def test_windows_follow_one_another_and_leave_the_delay(rows):
    windows = folds(rows, 3, 7, 7.0, None)
    assert [fold.test_stop_us for fold in windows[:-1]] == [
        fold.test_start_us for fold in windows[1:]
    ]
    assert windows[-1].test_stop_us == START_US + 41 * DAY_US
    (named,) = folds(rows, 1, 7, 7.0, text(windows[1].test_start_us)[:10])
    assert named == windows[1]
    with pytest.raises(ConfigError, match="last_test_start 'soon'"):
        folds(rows, 1, 7, 7.0, "soon")


def test_cards_known_to_be_defrauded_leave_the_test(rows):
    fold = newest_window(rows, 7, 7.0)
    test = rows_to_test(rows, fold, 7.0)
    start = fold.test_start_us
    for day in range(7):
        before = rows.rows(
            rows.between(fold.learn_until_us - 7 * DAY_US, start + (day - 7) * DAY_US)
        )
        known = set(before.cards[before.frauds].tolist())
        assert known
        today = rows.rows(rows.between(start + day * DAY_US, start + (day + 1) * DAY_US))
        left = test.rows(test.between(start + day * DAY_US, start + (day + 1) * DAY_US))
        assert sorted(left.events) == sorted(
            event
            for event, card in zip(today.events, today.cards.tolist(), strict=True)
            if card not in known
        )
    assert len(rows_seen(rows, fold, 0.0)) > len(test)


def scored(probabilities, cards=None, fraud=None, amounts=None, days=None):
    n = len(probabilities)
    return ScoredRows(
        days=np.zeros(n, np.int64) if days is None else np.array(days),
        cards=np.arange(n, dtype=np.uint64) if cards is None else np.array(cards, np.uint64),
        is_fraud=np.zeros(n, bool) if fraud is None else np.array(fraud),
        amounts=np.ones(n) if amounts is None else np.array(amounts, float),
        weights=np.ones(n),
        scores=np.zeros(n),
        probabilities=np.array(probabilities, float),
    )


def test_a_boundary_by_budget_counts_cards_not_rows():
    rows = scored([0.9, 0.8, 0.7, 0.6, 0.5], cards=[1, 1, 2, 3, 4])
    assert boundary(rows, Threshold(cards_per_day=2)) == 0.6  # cards 1 and 2 are above
    two_days = scored([0.9, 0.8, 0.7, 0.6], days=[0, 0, 0, 1])
    assert boundary(two_days, Threshold(cards_per_day=1)) == 0.7
    assert boundary(rows, Threshold(cards_per_day=50)) == 0.5
    assert boundary(scored([0.0, 0.0]), Threshold(cards_per_day=1)) > 0


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ([100, 1, 100, 1], 0.3),  # the second fraud pays for the alert between
        ([100, 1, 6, 1], 0.8),  # it does not: 6 saved, 10 spent
        ([1, 1, 1, 1], 0.9),  # nothing is worth an alert
    ],
)
def test_a_boundary_by_cost_is_where_cost_is_least(amounts, expected):
    rows = scored([0.9, 0.8, 0.5, 0.3], fraud=[True, False, True, False], amounts=amounts)
    threshold = Threshold(by="cost", alert_cost=5.0, missed_share=1.0)
    assert boundary(rows, threshold) == expected


def test_platt_finds_the_line_it_was_drawn_from():
    random = np.random.default_rng(0)
    logits = random.normal(-1, 2, 40_000)
    fraud = random.random(40_000) < 1 / (1 + np.exp(-(0.7 * logits - 0.4)))
    slope, intercept = platt(logits, fraud, np.ones(len(fraud)))
    assert (slope, intercept) == (pytest.approx(0.7, abs=0.05), pytest.approx(-0.4, abs=0.05))
    with pytest.raises(ConfigError, match="ranks frauds no higher"):
        platt(-logits, fraud, np.ones(len(fraud)))


def test_platt_survives_a_perfect_split():
    logits = np.array([-3.0, -2.0, 2.0, 3.0])
    slope, intercept = platt(logits, logits > 0, np.ones(4))
    assert 0 < slope < 100
    assert np.isfinite(intercept)


def test_a_fold_says_when_learning_ends(rows):
    fold = newest_window(rows, 7, 3.5)
    assert fold == Fold(fold.test_start_us - 7 * DAY_US // 2, fold.test_start_us, fold.test_stop_us)
    trained = train_until(rows, HOW, fold.learn_until_us, fold.test_start_us)
    assert trained.until_us == fold.learn_until_us
