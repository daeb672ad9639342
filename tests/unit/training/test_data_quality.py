"""The quality gate's figures: what they are of known distributions, and which way they judge."""

import numpy as np
import pytest

from eddy.training.transactions.data_quality import (
    QualityBounds,
    check_drift,
    check_labels,
    check_schema,
    check_volume,
    profile,
    stability_index,
)
from tests.support.card_days import decisions, table_of

BOUNDS = QualityBounds()


def table(seed=0, n=3_000, factor=1.0, first=0):
    rows, is_fraud = decisions(n, seed, first=first, amount_factor=factor)
    return table_of(rows, is_fraud)


def drift(of, reference, bounds=BOUNDS):
    return {check.what: check for check in check_drift(of, reference, bounds)}


def test_the_stability_index_is_what_it_is_by_hand():
    assert stability_index([0.5, 0.5], [0.5, 0.5]) == 0.0
    by_hand = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert stability_index([0.5, 0.5], [0.8, 0.2]) == pytest.approx(by_hand)
    assert np.isfinite(stability_index([1.0, 0.0], [0.0, 1.0]))


def test_bins_hold_a_tenth_each_and_many_equal_values_have_one_of_their_own():
    rows = table()
    rows.features[:, 1] = 0.0
    rows.features[:300, 1] = np.arange(1, 301)
    bins = profile(rows)
    np.testing.assert_allclose(bins.shares["amount"], 0.1, atol=0.005)
    name = rows.names[1]
    assert bins.shares[name][0] == pytest.approx(0.9)
    assert sum(bins.shares[name]) == pytest.approx(1)
    rows.features[:, 2] = np.nan
    assert rows.names[2] not in profile(rows).edges


def test_the_same_world_has_not_drifted_and_another_unit_has():
    reference = profile(table())
    assert all(check.ok for check in drift(table(1), reference).values())
    cents = drift(table(1, factor=100.0), reference)
    assert [what for what, check in cents.items() if not check.ok] == ["drift of amount"]
    slight = drift(table(1, factor=1.15), reference)
    assert slight["drift of amount"].ok
    strict = drift(table(1, factor=1.15), reference, QualityBounds(most_drift=0.02))
    assert not strict["drift of amount"].ok


def test_a_feature_that_is_gone_or_empty_has_drifted():
    reference, gone = profile(table()), table(1)
    gone.features[:, gone.names.index("amount")] = np.nan
    assert not drift(gone, reference)["drift of amount"].ok
    fewer, is_fraud = decisions(500, names=("amount",))
    assert not drift(table_of(fewer, is_fraud), reference)["drift of card_count_1d"].ok


def test_without_a_reference_or_rows_nothing_is_said():
    assert [check.ok for check in check_drift(table(), None, BOUNDS)] == [True]
    few = check_drift(table(1, n=20, factor=100), profile(table()), BOUNDS)
    assert [check.ok for check in few] == [True]


@pytest.mark.parametrize(
    ("rows", "usual", "ok"), [(1_440, [1_440], True), (100, [1_440], False), (1_440, [200], False)]
)
def test_volume_is_by_the_day(rows, usual, ok):
    assert check_volume(table(n=rows), usual, BOUNDS).ok is ok
    assert check_volume(table(n=rows), [], BOUNDS).ok


def test_labels_are_looked_for_where_they_can_be():
    rows = table(n=5_760)  # four days
    rows.is_fraud[2_880:] = -1
    is_ok = {check.what: check.ok for check in check_labels(rows, rows, 2.0, BOUNDS)}
    assert is_ok == {"labelled": True, "frauds": True}
    is_ok = {check.what: check.ok for check in check_labels(rows, rows, 0.0, BOUNDS)}
    assert is_ok["labelled"]  # just half of them
    rows.is_fraud[2_000:] = -1
    assert not check_labels(rows, rows, 0.0, BOUNDS)[0].ok


@pytest.mark.parametrize(("share", "ok"), [(0.0, False), (0.05, True), (0.5, False)])
def test_frauds_are_neither_absent_nor_everywhere(share, ok):
    rows = table()
    rows.is_fraud[:] = np.arange(len(rows)) < share * len(rows)
    assert check_labels(rows, rows, 0.0, BOUNDS)[1].ok is ok


@pytest.mark.parametrize(
    ("rows", "bad", "ok"), [(100, 0, True), (1_000, 10, True), (100, 5, False)]
)
def test_form_is_a_share_of_the_records(rows, bad, ok):
    assert check_schema("x", rows, bad, BOUNDS).ok is ok
    assert not check_schema("x", 0, 0, BOUNDS).ok
