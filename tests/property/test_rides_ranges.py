"""What is read around a day's rides: enough before each of them, whatever their offsets."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from eddy.lake.rides.reading import PartitionRides, _covering, _ranges, _runs

OFFSETS = st.lists(st.integers(0, 3_000), min_size=1, max_size=60, unique=True).map(sorted)


def rides(offsets: list[int]) -> PartitionRides:
    where = np.array(offsets, np.int64)
    return PartitionRides(
        where, where * 1_000_000, np.zeros((len(where), 2)), np.arange(len(where))
    )


@given(OFFSETS, st.integers(0, 500))
def test_ranges_reach_far_enough_before_every_offset(offsets: list[int], width: int) -> None:
    ranges = _ranges(np.array(offsets, np.int64), width)
    for offset in offsets:
        held = [(low, up) for low, up in ranges.tolist() if low <= offset <= up]
        assert len(held) == 1
        assert held[0][0] <= max(0, offset - width)
    edges = ranges.ravel().tolist()
    assert edges == sorted(edges)
    assert all(low > before for before, low in zip(edges[1::2], edges[2::2], strict=False))


@given(st.lists(OFFSETS, min_size=1, max_size=4), st.integers(0, 60))
def test_the_filter_is_short_and_leaves_nothing_out(parts: list[list[int]], width: int) -> None:
    ranges = {
        ("events.rides", number): _ranges(np.array(part, np.int64), width)
        for number, part in enumerate(parts)
    }
    text = _covering(ranges)
    found = re.findall(r"source.offset >= (\d+) and source.offset <= (\d+)", text)
    spans = [(int(low), int(up)) for low, up in found]
    assert 1 <= len(spans) <= 16
    assert spans == sorted(spans)
    assert "source.topic in ('events.rides')" in text
    for low, up in np.concatenate(list(ranges.values())).tolist():
        assert any(first <= low and up <= last for first, last in spans)


@given(OFFSETS, st.data(), st.integers(0, 300))
def test_runs_hold_each_ride_of_the_day_once_and_all_that_stands_around(
    offsets: list[int], data: st.DataObject, width: int
) -> None:
    mine = sorted(data.draw(st.sets(st.sampled_from(offsets), min_size=1)))
    others = sorted(set(offsets) - set(mine))
    ranges = _ranges(np.array(mine, np.int64), width)
    found = list(_runs(("t", 0), rides(mine), rides(others) if others else None, ranges))
    seen = [row for one in found for row in one.day_rows.tolist() if row >= 0]
    assert seen == list(range(len(mine)))
    for one, (low, up) in zip(found, ranges.tolist(), strict=True):
        assert one.offsets.tolist() == [at for at in offsets if low <= at <= up]
        assert one.before == sum(low <= at < mine[one.day_rows[one.before]] for at in others)
        assert [mine[row] for row in one.day_rows if row >= 0] == [
            at for at in one.offsets.tolist() if at in mine
        ]
