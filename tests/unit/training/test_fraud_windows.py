"""Which days a model learns from and is judged on: those whose labels have had the time to come."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from eddy.models.features.names import FEATURES
from eddy.schemas.errors import ConfigError
from eddy.training.transactions.evaluation import evaluate_model, figures_of
from eddy.training.transactions.gate import judge_candidate
from eddy.training.transactions.model_card import model_card
from eddy.training.transactions.prequential import newest_rows, newest_window
from eddy.training.transactions.settings import Threshold
from eddy.training.transactions.table import DAY_US, NO_TIME, UNKNOWN, with_silence_as_genuine
from eddy.training.transactions.train import train, train_until
from tests.support.fraud_tables import QUICK, START_US, table

HOW = QUICK.train


def change(settings, **changes):
    return msgspec.structs.replace(settings, **changes)


def unlabelled(rows, flags):
    """Return the table with nothing known of some rows."""
    return replace(
        rows,
        is_fraud=np.where(flags, UNKNOWN, rows.is_fraud).astype(np.int8),
        labelled_at=np.where(flags, NO_TIME, rows.labelled_at),
    )


@pytest.fixture(scope="module")
def rows():
    return table()


@pytest.fixture(scope="module")
def reported(rows):
    """Frauds are reported after three days, as of the newest row; of the genuine, one in five."""
    rows = replace(rows, labelled_at=rows.occurred_at + 3 * DAY_US)
    silent = ~rows.frauds & (np.random.default_rng(3).random(len(rows)) > 0.2)
    return unlabelled(rows, silent | (rows.labelled_at > rows.occurred_at[-1]))


@pytest.fixture(scope="module")
def good(reported):
    return train(with_silence_as_genuine(reported, 7.0), HOW)


def test_days_on_which_labels_may_still_come_are_not_judged(reported):
    read = with_silence_as_genuine(reported, 7.0)
    fold = newest_window(read, 7, 7.0)
    assert fold.test_stop_us == START_US + 41 * DAY_US
    window = read.rows(read.between(fold.test_start_us, fold.test_stop_us))
    assert window.labelled.all()
    younger = read.rows(read.between(fold.test_stop_us + DAY_US, START_US + 49 * DAY_US))
    assert younger.frauds.sum() > 0.1 * younger.labelled.sum()  # of all rows it is 5 %


def test_the_window_ends_with_the_newest_label_where_that_is_earlier(rows):
    early = unlabelled(rows, rows.occurred_at >= START_US + 30 * DAY_US)
    assert newest_window(early, 7, 7.0).test_stop_us == START_US + 30 * DAY_US
    assert newest_rows(early, 7, 7.0).test_stop_us == START_US + 49 * DAY_US


def test_cards_flagged_are_counted_on_rows_without_a_label_too(reported, good):
    read = with_silence_as_genuine(reported, 7.0)
    lenient = change(QUICK.gate, least_labelled=0.1, cards_per_day=12.0)
    whole = judge_candidate(read, good.scorer, None, lenient)
    part = judge_candidate(reported, good.scorer, None, lenient)
    assert part.window == whole.window
    assert part.numbers["rows"] < 0.4 * part.numbers["rows_seen"]
    assert part.numbers["cards_flagged_a_day"] == whole.numbers["cards_flagged_a_day"] > 3
    evaluated = evaluate_model(reported, good.scorer, QUICK, "it")
    again = evaluate_model(read, good.scorer, QUICK, "it")
    assert "cards_flagged_a_day" in figures_of(QUICK.evaluate, HOW)
    assert evaluated.figures["cards_flagged_a_day"] == again.figures["cards_flagged_a_day"]
    assert evaluated.random["cards_flagged_a_day"].value > 3


def test_a_window_with_few_labels_decides_nothing(reported, good):
    decision = judge_candidate(reported, good.scorer, None, QUICK.gate)
    assert not decision.accepted
    assert "of the rows in the newest labelled 7 days have a label" in decision.reason
    assert "gate.least_labelled is 0.5" in decision.reason


def test_a_champion_that_wants_a_column_the_table_lacks_is_no_walkover(rows):
    wide = replace(
        rows,
        names=(*FEATURES, "v1"),
        features=np.column_stack([rows.features, rows.features[:, 0]]),
    )
    champion, candidate = train(wide, HOW), train(rows, HOW)
    decision = judge_candidate(rows, candidate.scorer, champion.scorer, QUICK.gate)
    assert not decision.accepted
    assert "champion" in decision.reason
    assert "no columns v1" in decision.reason


def test_cards_a_day_of_rows_that_were_thinned_out_are_not_counted(rows):
    thinned = replace(rows, weights=np.where(rows.frauds, 1.0, 10.0))
    with pytest.raises(ConfigError, match=r"threshold\.by: cards_per_day .*--genuine-share 1\.0"):
        train(thinned, HOW)
    trained = train(thinned, change(HOW, threshold=Threshold(by="cost")))
    with pytest.raises(ConfigError, match="the gate counts all cards"):
        judge_candidate(thinned, trained.scorer, None, QUICK.gate)


@pytest.mark.parametrize("after_days", [None, 7.0])
def test_an_isolation_forest_learns_without_any_label(rows, after_days):
    silent = with_silence_as_genuine(unlabelled(rows, np.ones(len(rows), bool)), after_days)
    trained = train(silent, change(HOW, kind="isolation_forest"))
    assert trained.until_us == START_US + 35 * DAY_US  # 7 days held out, 7 of delay
    whole = train(silent, change(HOW, kind="isolation_forest", hold_out_days=0))
    assert whole.until_us == START_US + 49 * DAY_US
    scores = whole.scorer.score(rows.columns(whole.scorer.features))
    assert scores[rows.frauds].mean() > scores[~rows.frauds].mean()
    with pytest.raises(ConfigError, match="cost wants frauds that are known"):
        train(silent, change(HOW, kind="isolation_forest", threshold=Threshold(by="cost")))


@pytest.mark.parametrize("kind", ["classifier", "isolation_forest"])
def test_a_boundary_by_cost_knows_no_label_that_came_later(rows, kind):
    settings = change(HOW, kind=kind, threshold=Threshold(by="cost"))
    fold = newest_window(rows, 7, 7.0)
    late = rows.frauds & (rows.occurred_at >= fold.learn_until_us - 3 * DAY_US)
    as_known = replace(
        rows,
        is_fraud=np.where(late, 0, rows.is_fraud).astype(np.int8),
    )
    as_it_came = replace(rows, labelled_at=np.where(late, NO_TIME - 1, rows.labelled_at))
    # what was known by then: nothing of the late ones
    hidden = unlabelled(as_known, late)
    trained = train_until(as_it_came, settings, fold.learn_until_us, fold.test_start_us)
    blind = train_until(hidden, settings, fold.learn_until_us, fold.test_start_us)
    assert trained.parameters.boundary == blind.parameters.boundary
    seer = train_until(rows, settings, fold.learn_until_us, fold.test_start_us)
    assert trained.parameters.boundary != seer.parameters.boundary


def test_a_calibration_without_its_delay_says_so(rows):
    reaching = train(rows, HOW)
    assert reaching.settings(HOW)["calibration_delay_days"] == 7.0
    assert "days left before them for labels to come | 7 |" in model_card(reaching, HOW, None)
    short = table(days=36)  # fourteen to learn from: seven of them to calibrate on
    trained = train(short, HOW)
    assert trained.settings(HOW)["calibration_delay_days"] == 0.0
    assert "| 0, not 7: the table does not reach back" in model_card(trained, HOW, None)
