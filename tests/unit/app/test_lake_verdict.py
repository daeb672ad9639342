"""What the check calls wrong, and what it leaves time."""

import pytest

from eddy.app import settings
from eddy.app.lake.check import LakeVerdict, grace_of
from eddy.lake.sink.comparison import TableVerdict

NOTHING = dict.fromkeys(
    ("missing", "pending", "set_aside", "duplicates", "doubled", "extra"), 0
)  # fmt: skip


def verdict(*, is_compacted=False, **counts):
    one = TableVerdict(table="t", records=9, rows=9, examples=["where"], **{**NOTHING, **counts})
    return LakeVerdict(is_compacted=is_compacted, seconds=1.0, tables=[one])


@pytest.mark.parametrize(
    ("counts", "problems", "differences"),
    [
        ({"set_aside": 1, "duplicates": 2, "doubled": 3}, [], []),
        ({"pending": 2}, ["t: 2 pending (where)"], []),
        (
            {"missing": 1, "pending": 2},
            ["t: 1 missing, 2 pending (where)"],
            ["t: 1 missing (where)"],
        ),
        ({"extra": 4}, ["t: 4 extra (where)"], ["t: 4 extra (where)"]),
    ],
    ids=["nothing", "late", "lost", "too much"],
)
def test_what_is_wrong_and_what_may_pass(counts, problems, differences):
    said = verdict(**counts)
    assert (said.problems(), said.differences()) == (problems, differences)


def test_after_compaction_a_duplicate_is_wrong():
    said = verdict(is_compacted=True, duplicates=2, doubled=3)
    assert said.problems() == said.differences() == ["t: 3 duplicate (where)"]


@pytest.mark.parametrize(("interval_s", "grace_s"), [(1.0, 120.0), (60.0, 120.0), (300.0, 360.0)])
def test_a_record_has_a_commit_and_a_minute_to_arrive(interval_s, grace_s):
    assert grace_of(settings.load(flags={"lake.commit_interval_s": interval_s})) == grace_s
