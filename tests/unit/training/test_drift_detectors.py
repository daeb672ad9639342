"""A planted change is found, once and where it is; a world that stays the same has none."""

from datetime import timedelta

import numpy as np
import pytest

from eddy.schemas.decisions import Decisions
from eddy.training.online.drift import SCORE, DriftDetectors, DriftSettings
from tests.support.card_days import START, decisions

SETTINGS = DriftSettings(every=2, reference_rows=500)


def looked(detectors, seed, first, factor=1.0, n=4_000, **changes):
    rows, _ = decisions(n, seed, first=first, amount_factor=factor)
    for name, column in changes.items():
        setattr_column(rows, name, column)
    return [drift for part in cut(rows, 700) for drift in detectors.look(part)]


def cut(rows: Decisions, size: int) -> list[Decisions]:
    columns = ("offsets", "occurred_at", "events", "cards", "features", "scores")
    fields = {"topic", "partition", "model", "challenger", "names", "challenger_scores"}
    return [
        Decisions(
            **{name: getattr(rows, name) for name in fields},
            **{name: getattr(rows, name)[start : start + size] for name in columns},
        )
        for start in range(0, len(rows), size)
    ]


def setattr_column(rows: Decisions, name: str, column) -> None:
    rows.features[:, rows.names.index(name)] = column


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_where_nothing_changed(seed):
    assert looked(DriftDetectors(SETTINGS), seed, 0, n=12_000) == []


def test_a_planted_change_is_found_where_it_is():
    detectors = DriftDetectors(SETTINGS)
    assert looked(detectors, 1, 0) == []
    (drift,) = looked(detectors, 2, 4_000, factor=1.6)
    assert drift.what == "amount"
    planted = START + timedelta(minutes=4_000)
    assert 0 < drift.at / 1e6 - planted.timestamp() < 60 * 2_000
    assert drift.after > 1.3 * drift.before
    assert looked(detectors, 3, 8_000, factor=1.6) == []


def test_scores_are_watched_and_clocks_are_not():
    detectors = DriftDetectors(SETTINGS)
    looked(detectors, 1, 0, is_night=0.0)
    rows, _ = decisions(4_000, 2, first=4_000)
    setattr_column(rows, "is_night", 1.0)
    rows.scores[:] = rows.scores**4
    assert {drift.what for drift in detectors.look(rows)} == {SCORE}


def test_a_small_change_is_none():
    detectors = DriftDetectors(SETTINGS)
    looked(detectors, 1, 0)
    assert looked(detectors, 2, 4_000, factor=1.12, n=12_000) == []
    strict = DriftDetectors(DriftSettings(every=2, reference_rows=500, least_shift=0.03))
    looked(strict, 1, 0)
    assert looked(strict, 2, 4_000, factor=1.12, n=12_000)


def test_missing_values_are_not_looked_at():
    detectors = DriftDetectors(SETTINGS)
    looked(detectors, 1, 0)
    assert looked(detectors, 2, 4_000, amount=np.nan) == []


def test_a_snapshot_goes_on_the_same():
    before, restored = DriftDetectors(SETTINGS), DriftDetectors(SETTINGS)
    looked(before, 1, 0)
    restored.restore(before.snapshot())
    ours, theirs = (looked(each, 2, 4_000, factor=1.6) for each in (before, restored))
    assert ours == theirs
    assert ours
    assert before.snapshot() == restored.snapshot()
