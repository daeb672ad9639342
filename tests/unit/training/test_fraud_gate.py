"""The gate: better by a margin on days nobody has learned from, within the budget; else refused."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from eddy.models.features.names import FEATURES
from eddy.schemas.errors import ConfigError
from eddy.training.transactions.evaluation import evaluate, evaluate_model
from eddy.training.transactions.gate import judge_candidate
from eddy.training.transactions.model_card import evaluation_card, model_card
from eddy.training.transactions.settings import Threshold
from eddy.training.transactions.train import text, train
from tests.support.fraud_tables import QUICK, START_US, table, without_labels_after

GATE = QUICK.gate


def gate(**changes):
    return msgspec.structs.replace(GATE, **changes)


@pytest.fixture(scope="module")
def rows():
    return table()


@pytest.fixture(scope="module")
def good(rows):
    return train(rows, QUICK.train)


@pytest.fixture(scope="module")
def worse(rows):
    """A model that was kept from everything that tells."""
    blind = [name for name in FEATURES if name not in ("amount", "terminal_risk_7d")]
    shuffled = np.random.default_rng(0).permutation(rows.is_fraud)
    features = rows.features.copy()
    # a little to go by, or no calibration is possible
    features[:, FEATURES.index("is_night")] += 0.5 * (rows.is_fraud == 1)
    assert shuffled.sum() == rows.is_fraud.sum()
    settings = msgspec.structs.replace(QUICK.train, features=blind)
    return train(replace(rows, features=features), settings)


def test_a_worse_candidate_is_refused(rows, good, worse):
    decision = judge_candidate(rows, worse.scorer, good.scorer, GATE)
    assert not decision.accepted
    assert "average_precision" in decision.reason
    assert decision.numbers["difference"] < 0
    assert decision.numbers["difference_low"] <= decision.numbers["difference"]


def test_a_better_candidate_is_accepted(rows, good, worse):
    decision = judge_candidate(rows, good.scorer, worse.scorer, GATE)
    assert decision.accepted, decision.reason
    assert decision.numbers["difference_low"] > 0
    assert decision == judge_candidate(rows, good.scorer, worse.scorer, GATE)
    by_cards = judge_candidate(rows, good.scorer, worse.scorer, gate(metric="card_precision"))
    assert by_cards.accepted, by_cards.reason


def test_the_champion_itself_is_no_better_than_the_champion(rows, good):
    decision = judge_candidate(rows, good.scorer, good.scorer, GATE)
    assert not decision.accepted
    assert decision.numbers["difference"] == 0


def test_without_a_champion_it_must_beat_chance(rows, good):
    decision = judge_candidate(rows, good.scorer, None, GATE)
    assert decision.accepted
    assert "random scorer" in decision.reason
    chance = decision.numbers["champion"]
    assert chance < 0.15 < decision.numbers["candidate"]


def test_a_margin_must_be_reached(rows, good, worse):
    decision = judge_candidate(rows, good.scorer, worse.scorer, gate(margin=0.95))
    assert not decision.accepted
    assert "must be by more than 0.95" in decision.reason


def test_the_alert_budget_holds(rows, worse):
    loud = msgspec.structs.replace(QUICK.train, threshold=Threshold(cards_per_day=60.0))
    candidate = train(rows, loud)
    decision = judge_candidate(rows, candidate.scorer, worse.scorer, GATE)
    assert not decision.accepted
    assert "cards a day" in decision.reason
    assert decision.numbers["cards_flagged_a_day"] > decision.numbers["budget"] == 9.0


def test_a_window_the_candidate_has_learned_from_decides_nothing(rows):
    seen_all = train(rows, msgspec.structs.replace(QUICK.train, hold_out_days=0))
    decision = judge_candidate(
        rows, seen_all.scorer, None, GATE, learned_until_us=seen_all.until_us
    )
    assert not decision.accepted
    assert "learned from rows up to" in decision.reason


def test_the_window_is_the_newest_with_labels(rows, good):
    as_then = without_labels_after(rows, 48)  # verdicts take seven days
    decision = judge_candidate(as_then, good.scorer, None, GATE)
    first, _, stop = decision.window.partition(" to ")
    assert stop == text(START_US + 41 * 86_400_000_000)
    assert first == text(START_US + 34 * 86_400_000_000)


def test_too_few_frauds_or_no_labels_or_no_column_is_refused(rows, good):
    few = judge_candidate(rows, good.scorer, None, gate(least_frauds=10_000))
    assert not few.accepted
    assert "too few" in few.reason
    assert not judge_candidate(without_labels_after(rows, 0), good.scorer, None, GATE).accepted
    narrow = replace(rows, names=rows.names[:3], features=rows.features[:, :3])
    lacking = judge_candidate(narrow, good.scorer, None, GATE)
    assert not lacking.accepted
    assert "no columns card_count_1d" in lacking.reason


def test_an_evaluation_stands_beside_chance(rows, good):
    evaluated = evaluate(rows, QUICK)
    assert len(evaluated.windows) == 2
    assert evaluated == evaluate(rows, QUICK)
    for name in ("auc", "average_precision", "card_precision_6", "recall"):
        assert evaluated.figures[name].low > evaluated.random[name].high, name
    assert evaluated.figures["cost_a_day"].value < evaluated.random["cost_a_day"].value
    assert evaluated.random["auc"].value == pytest.approx(0.5, abs=0.08)
    assert 0 < evaluated.figures["calibration_error"].value < 0.05
    card = evaluation_card(evaluated)
    assert all(f"`{name}`" in card for name in evaluated.figures)
    model = model_card(good, QUICK.train, evaluated)
    for line in (good.data_sha256, "`terminal_risk_7d`", "train_days | 14", "| frauds known"):
        assert line in model


def test_a_model_is_evaluated_on_what_came_after_it(rows, good):
    until = text(good.until_us)
    evaluated = evaluate_model(rows, good.scorer, QUICK, "a model", until)
    assert [window.first for window in evaluated.windows] == [
        text(good.until_us),
        text(good.until_us + 7 * 86_400_000_000),
    ]
    assert not evaluated.notes
    unknown = evaluate_model(rows, good.scorer, QUICK, "a model")
    assert len(unknown.windows) == 2
    assert "may have seen" in unknown.notes[0]
    with pytest.raises(ConfigError, match="no later window"):
        evaluate_model(rows, good.scorer, QUICK, "a model", text(START_US + 49 * 86_400_000_000))
