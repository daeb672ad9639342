"""The learner joins labels to decisions, learns each once, and its versions score as it does."""

from datetime import timedelta

import numpy as np
import pytest

from eddy.models.artefact import decode_parameters, encode_parameters
from eddy.schemas.labels import Label
from eddy.training.online.learner import LearnerSettings, OnlineLearner
from eddy.training.transactions.settings import Threshold
from tests.support.card_days import START, decisions, labels

DAY_ROWS = 1_440


def taught(n=2_000, seed=0, settings=None):
    learner = OnlineLearner(settings)
    rows, is_fraud = decisions(n, seed)
    learner.decided(rows, 0, 0)
    learner.labelled(labels(is_fraud))
    learner.learn()
    return learner, rows, is_fraud


def verdict(number, what="fraud", minutes=0):
    at = START + timedelta(days=2, minutes=minutes)
    return Label(event_id=f"e{number}", verdict=what, labelled_at=at)


def test_a_version_scores_as_the_learner_does():
    learner, rows, is_fraud = taught()
    encoded = encode_parameters(learner.parameters())
    scorer = decode_parameters(encoded, type(learner.parameters())).opened({})
    expected = learner._classifier.predict(rows.features)
    np.testing.assert_allclose(scorer.probability(rows.features), expected, rtol=1e-9)
    missing = rows.features.copy()
    missing[:, 3] = np.nan
    np.testing.assert_allclose(
        scorer.probability(missing), learner._classifier.predict(missing), rtol=1e-9
    )
    assert expected[is_fraud].mean() > 5 * expected[~is_fraud].mean()


def test_the_boundary_keeps_the_budget_of_cards():
    settings = LearnerSettings(threshold=Threshold(cards_per_day=4))
    learner, rows, _ = taught(5 * DAY_ROWS, settings=settings)
    scores = learner.parameters().opened({}).score(rows.features)
    days = np.arange(len(rows)) // DAY_ROWS
    flagged = {
        (day, card) for day, card in np.column_stack([days, rows.cards])[scores > 1].tolist()
    }
    assert 3 <= len(flagged) / 5 <= 4


def test_quality_is_of_predictions_before_their_labels():
    learner, _, is_fraud = taught()
    quality = learner.recent.quality()
    assert quality["fraud_share"] == pytest.approx(is_fraud.mean())
    assert quality["fraud_share"] < 0.15 < 0.7 < quality["average_precision"] < 1
    # the first row was predicted by a learner that knew nothing
    assert learner.recent.predicted[0] == 0.5


def test_labels_are_learned_in_the_order_they_became_known():
    rows, is_fraud = decisions(300)
    verdicts = labels(is_fraud)
    inorder, shuffled = OnlineLearner(), OnlineLearner()
    for learner in (inorder, shuffled):
        learner.decided(rows, 0, 0)
    inorder.labelled(verdicts)
    shuffled.labelled(np.random.default_rng(1).permutation(np.array(verdicts, object)).tolist())
    assert inorder.learn() == shuffled.learn() == 300
    assert inorder.snapshot() == shuffled.snapshot()


def test_a_label_may_come_before_its_decision():
    rows, is_fraud = decisions(300)
    learner = OnlineLearner()
    learner.labelled(labels(is_fraud))
    assert learner.learn() == 0
    learner.decided(rows, 0, 0)
    assert learner.learn() == 300
    assert len(learner.label_queue) == 0


def test_what_is_said_again_is_not_learned_again_and_what_is_corrected_is():
    learner, _, is_fraud = taught(300)
    fraud, genuine = int(np.argmax(is_fraud)), int(np.argmin(is_fraud))
    learner.labelled([verdict(fraud), verdict(genuine, "expected")])
    assert learner.learn() == 0
    learner.labelled([verdict(genuine, minutes=1), verdict(genuine, minutes=2)])
    assert learner.learn() == 1
    learner.labelled(
        [verdict(0, "duplicate"), Label(anomaly_id="a", verdict="fraud", labelled_at=START)]
    )
    assert learner.learn() == 0
    assert learner.ignored == 2
    assert learner.label_queue.counts == {
        "learned": 300,
        "repeated": 3,
        "corrected": 1,
        "given_up": 0,
    }


def test_memory_is_bounded_and_what_is_forgotten_is_counted():
    settings = LearnerSettings(keep_days=1.0, most_rows=1_000, most_waiting=50)
    learner = OnlineLearner(settings)
    for part in range(5):
        rows, _ = decisions(500, part, first=500 * part)
        learner.decided(rows, 0, part)
    assert len(learner.kept) == 1_000
    assert learner.kept.evicted == {"room": 1_500, "age": 0}
    rows, _ = decisions(10, first=10_000)
    learner.decided(rows, 0, 5)
    assert len(learner.kept) == 10
    assert learner.kept.evicted == {"room": 1_510, "age": 990}
    assert learner.kept.oldest_records() == {0: 5}
    learner.labelled(labels(np.ones(80, bool)))
    assert learner.learn() == 0
    assert len(learner.label_queue) == 50
    learner.labelled([Label(event_id="x", verdict="fraud", labelled_at=START + timedelta(days=9))])
    learner.learn()
    assert len(learner.label_queue) == 1
    assert learner.label_queue.counts["given_up"] == 80


def test_a_restart_goes_on_and_learns_nothing_twice():
    parts = [decisions(400, seed, first=400 * seed) for seed in range(3)]
    whole, before = OnlineLearner(), OnlineLearner()
    for learner in (whole, before):
        for record, (rows, is_fraud) in enumerate(parts[:2]):
            learner.decided(rows, 0, record)
            learner.labelled(labels(is_fraud[:200], 400 * record))
        learner.learn()
    after = OnlineLearner()
    after.restore(before.snapshot())
    for record, (rows, _) in enumerate(parts[:2]):
        after.remember(rows, 0, record)
    for learner in (whole, after):
        learner.decided(parts[2][0], 0, 2)
        for place, (_, is_fraud) in enumerate(parts):
            learner.labelled(labels(is_fraud, 400 * place))
        assert learner.learn() == 1_200 - 400
    assert after.snapshot() == whole.snapshot()
    assert after.rows == 1_200


def test_what_nobody_speaks_of_is_genuine_after_a_while_and_can_be_corrected():
    n = 10 * DAY_ROWS
    rows, is_fraud = decisions(n)
    settings = LearnerSettings(genuine_after_days=4.0)
    learner = OnlineLearner(settings)
    learner.decided(rows, 0, 0)
    learner.labelled([label for label in labels(is_fraud) if label.verdict == "fraud"])
    frauds = int(is_fraud.sum())
    assert learner.learn(all_labels_read=False) == frauds
    old = ~is_fraud[: n - 4 * DAY_ROWS]
    assert learner.learn() == learner.silent == old.sum()
    assert learner.learn() == 0
    learner.labelled([verdict(int(np.argmin(is_fraud)))])
    assert learner.learn() == 1
    assert learner.label_queue.counts["corrected"] == 1


@pytest.mark.parametrize("every", [1, 10])
def test_silence_may_be_thinned_out_and_probabilities_make_up_for_it(every):
    rows, is_fraud = decisions(6 * DAY_ROWS)
    learner = OnlineLearner(LearnerSettings(genuine_after_days=1.0, silent_every=every))
    learner.decided(rows, 0, 0)
    learner.labelled([label for label in labels(is_fraud) if label.verdict == "fraud"])
    learner.learn()
    genuine = learner.rows - learner.frauds
    old = int((~is_fraud[: 5 * DAY_ROWS]).sum())
    assert genuine == learner.silent == pytest.approx(old / every, rel=0.1)
    probabilities = learner.parameters().opened({}).probability(rows.features[: 5 * DAY_ROWS])
    assert probabilities.mean() == pytest.approx(is_fraud.mean(), rel=0.35)
    thinned = learner._classifier.predict(rows.features[: 5 * DAY_ROWS])
    assert np.median(thinned) / np.median(probabilities) == pytest.approx(every, rel=0.35)


def test_records_without_a_feature_are_kept_without_it():
    learner, _, _ = taught(300)
    rows, is_fraud = decisions(50, 1, first=300, names=("card_count_1d", "amount"))
    learner.decided(rows, 0, 1)
    learner.labelled(labels(is_fraud, 300))
    assert learner.learn() == 50
    kept = learner.kept.values[300:]
    np.testing.assert_array_equal(kept[:, 0], rows.features[:, 1])
    assert np.isnan(kept[:, 1]).all()


def test_there_is_no_version_of_too_little():
    learner, _, _ = taught(60)
    assert not learner.is_ready
    with pytest.raises(ValueError, match="too few"):
        learner.parameters()
    assert not OnlineLearner().is_ready


def test_other_snapshots_are_refused():
    with pytest.raises(ValueError, match="not a learner's"):
        OnlineLearner().restore(b"something")
