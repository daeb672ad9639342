"""When known content is trained on again: on request, not too often, and periodically."""

from datetime import UTC, datetime, timedelta

import pytest

from eddy.app.retraining.run_log import RetrainingRun
from eddy.app.retraining.watch import RefitSchedule

NOW = datetime(2026, 3, 20, tzinfo=UTC)
REFITS = RefitSchedule(cooldown=timedelta(hours=24), every=timedelta(days=7))


def run(hours_ago, outcome="trained", **more):
    at = NOW - timedelta(hours=hours_ago)
    return RetrainingRun(run_id=str(hours_ago), at=at, why="", outcome=outcome, **more)


@pytest.mark.parametrize(
    ("past", "may"),
    [
        ([], True),
        ([run(1)], True),  # new files came: that was no refit
        ([run(23, anew=True)], False),
        ([run(23, "refused", anew=True)], False),
        ([run(23, "interrupted", anew=True)], False),
        ([run(23, "failed", anew=True, is_outage=True)], True),
        ([run(24, anew=True)], True),
    ],
)
def test_a_request_counts_once_in_the_cooldown(past, may):
    assert REFITS.allows_request(past, NOW) is may


def test_a_refit_is_due_so_long_after_the_last_training_or_try():
    assert REFITS.due_at([]) is None
    assert REFITS.due_at([run(5, "refused")]) is None
    assert REFITS.due_at([run(24), run(5, "refused")]) == NOW + timedelta(days=6)
    assert REFITS.due_at([run(240), run(24, "refused", anew=True)]) == NOW + timedelta(days=6)
    assert RefitSchedule(cooldown=timedelta(0)).due_at([run(1)]) is None
