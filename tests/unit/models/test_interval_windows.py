"""Event-time windows' edges: many windows at once, bits, memory, eviction, states it refuses."""

from typing import Any

import numpy as np
import pytest

from eddy.models.windows.clock import WindowClock
from eddy.models.windows.kernel import NEVER
from eddy.models.windows.steps import (
    APPROVED,
    DECLINED,
    REFUND,
    REVERSED,
    SALE,
    IntervalRows,
    Step,
    Totals,
)
from eddy.models.windows.windows import IntervalWindows

HOUR = 3_600_000_000
UTC = WindowClock(2 * HOUR)
BERLIN = WindowClock(2 * HOUR, "Europe/Berlin")


def make(clock: WindowClock = UTC, **options: Any) -> IntervalWindows:
    return IntervalWindows(clock, **{"delay_us": 0, "lateness_us": 4 * HOUR, **options})


def sales(*times: float, key: int = 7, amount: float = 1.0) -> IntervalRows:
    """Return sales of one entity at hours."""
    n = len(times)
    return IntervalRows.of(
        [round(t * HOUR) for t in times], [key] * n, [amount] * n, [0] * n, [1] * n
    )


def closed(steps: list[Step]) -> list[int]:
    return [step.closed for step in steps if step.closed is not None]


def random_rows(n: int, entities: int, hours: float, seed: int = 0) -> IntervalRows:
    rng = np.random.default_rng(seed)
    late = rng.exponential(3.0, n) * (rng.random(n) < 0.3)
    return IntervalRows.of(
        ((np.sort(rng.random(n)) * hours - late + 473_000) * HOUR).astype(np.int64),
        rng.integers(0, entities, n),
        rng.random(n) * 100,
        rng.integers(0, 6, n),
        rng.integers(1, 4, n),
    )


def test_kinds_are_told_apart() -> None:
    windows = make()
    kinds = [kind + status for kind in (SALE, REFUND) for status in (APPROVED, DECLINED, REVERSED)]
    amounts = [32.0, 16.0, 8.0, 4.0, 2.0, 1.0]
    list(windows.steps(IntervalRows.of([5] * 6, [0] * 6, amounts, kinds, [1, 2, 3, 4, 5, 6])))
    assert windows.totals(0) == Totals(*(np.array([x]) for x in (28.0, 1, 4, 7, 9)))


def test_an_outage_closes_every_window_in_order_and_loses_nothing() -> None:
    windows = make()
    held: dict[int, float] = {}
    for step in windows.steps(sales(0.5, 3.0, 2_005.0, 2_003.0, 1_999.0, 5_000.0)):
        if step.closed is not None:
            held[step.closed] = float(windows.totals(step.closed).net.sum())
    # From the windows that the first row's lateness reaches, though nothing came for them.
    assert list(held) == list(range(-2, 2_500))
    assert {window: net for window, net in held.items() if net} == {0: 1.0, 1: 1.0, 1_002: 1.0}
    assert windows.too_late == 1  # 1,999 h: its window ended 5 h before the watermark


def test_late_rows_are_told_one_by_one_with_what_the_window_holds_then() -> None:
    windows = make()
    *_, last = windows.steps(sales(0.0, 4.5, 1.0, 1.0, 2.5, 4.6))
    assert last.revisions.rows.tolist() == [2, 3, 4]
    assert last.revisions.windows.tolist() == [0, 0, 1]
    assert last.revisions.slots.tolist() == [0, 0, 0]
    assert last.revisions.totals.net.tolist() == [2.0, 3.0, 1.0]
    assert windows.first_seen.tolist() == [0]
    assert windows.last_seen.tolist() == [2]


def test_lateness_ends_to_the_microsecond() -> None:
    edge = sales(0.0, 6.0, 1.0)
    edge.times_us[1] -= 1
    windows = make()
    steps = list(windows.steps(edge))
    assert windows.too_late == 0
    assert [len(step.revisions) for step in steps][-1] == 1
    edge.times_us[1] += 1
    windows = make()
    *_, last = windows.steps(edge)
    assert (windows.too_late, last.too_late.tolist(), last.slots.tolist()) == (1, [2], [0, -1])
    with pytest.raises(LookupError, match="window 0 is past"):
        windows.totals(0)


def test_the_last_closed_window_can_be_read_without_lateness() -> None:
    windows = make(lateness_us=0)
    list(windows.steps(sales(1.0, 2.0)))
    assert windows.totals(0).net.tolist() == [1.0]


def test_cuts_and_snapshots_change_no_bit() -> None:
    rows = random_rows(3_000, 40, 30.0)
    whole, cut = make(BERLIN), make(BERLIN)
    list(whole.steps(rows))
    for start in range(0, 3_000, 77):
        list(cut.steps(IntervalRows(*(column[start : start + 77] for column in rows))))
        state, cut = cut.snapshot(), make(BERLIN)
        cut.restore(state)
    one, other = whole.snapshot(), cut.snapshot()
    assert list(one) == list(other)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert whole.too_late > 0


def test_a_snapshot_between_steps_goes_on_from_there() -> None:
    rows = random_rows(500, 10, 20.0, seed=1)
    whole, stopped = make(), make()
    steps = list(whole.steps(rows))
    for step in stopped.steps(rows):
        if step.closed == steps[5].closed:
            break
    resumed = make()
    resumed.restore(stopped.snapshot())
    rest = list(resumed.steps(IntervalRows(*(column[step.stop :] for column in rows))))
    assert closed(rest) == closed(steps[6:])
    one, other = whole.snapshot(), resumed.snapshot()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_advance_closes_as_rows_do_and_never_goes_back() -> None:
    by_rows, by_time = make(), make()
    list(by_rows.steps(sales(1.0)))
    list(by_time.steps(sales(1.0)))
    by_row = closed(list(by_rows.steps(sales(9.0, key=8))))
    assert closed(list(by_time.advance(9 * HOUR))) == by_row == [0, 1, 2, 3]
    assert by_time.watermark_us == by_rows.watermark_us == 9 * HOUR
    assert not list(by_time.advance(3 * HOUR))
    assert by_time.watermark_us == 9 * HOUR
    list(by_time.steps(sales(1.0)))
    assert by_time.too_late == 1


@pytest.mark.parametrize(
    ("start", "shorter"), [(1_711_832_400, 1), (1_729_976_400, -1)], ids=["spring", "autumn"]
)
def test_a_day_on_which_clocks_are_set_closes_its_windows_once(start: int, shorter: int) -> None:
    windows = make(BERLIN, lateness_us=0)
    start_h = start / 3_600
    hourly = sales(*(start_h + hour + 0.5 for hour in range(30)))
    counts = [
        int(windows.totals(step.closed).sales.sum())
        for step in windows.steps(hourly)
        if step.closed is not None
    ]
    # The first and the last window may be cut.
    assert sorted(counts[1:-1]) == sorted([2] * (len(counts) - 3) + [2 - shorter])


def test_there_is_room_again_after_eviction() -> None:
    windows = make(most_entities=2)
    first = IntervalRows.of([0, 0, 0], [0, 5, 9], [1.0, 2.0, 4.0], [0, 0, 0], [1, 1, 1])
    (*_, step) = windows.steps(first)
    assert (step.new.tolist(), step.untracked.tolist()) == ([0, 1], [2])
    assert step.slots.tolist() == [0, 1, -1]
    with pytest.raises(ValueError, match="seen from window"):
        windows.evict(np.array([1], np.int32))
    list(windows.steps(sales(9.0, key=0)))
    assert windows.silent(windows.oldest).tolist() == [1]
    windows.evict(windows.silent(windows.oldest))
    assert (windows.entities, windows.last_seen[1]) == (1, NEVER)
    for bad in ([1], [0, 0], [2], [-1]):
        with pytest.raises(ValueError, match=r"slot that is free|seen from window"):
            windows.evict(np.array(bad, np.int32))
    (*_, step) = windows.steps(sales(9.5, key=9, amount=3.0))
    assert (step.new.tolist(), step.slots.tolist()) == ([0], [1])
    assert windows.totals(4).net.tolist() == [1.0, 3.0]
    assert windows.lookup(np.array([0, 5, 9], np.uint64)).tolist() == [0, -1, 1]


def test_a_row_that_is_too_late_makes_no_entity() -> None:
    windows = make()
    list(windows.steps(sales(100.0)))
    list(windows.steps(sales(1.0, key=8)))
    assert (windows.entities, windows.too_late) == (1, 1)


def test_counts_stop_at_the_largest_number() -> None:
    windows = make()
    rows = IntervalRows.of([0, 0], [1, 1], [1.0, 1.0], [0, 0], [2**31 - 2, 2**40])
    list(windows.steps(rows))
    assert windows.totals(0).sales.tolist() == [2**31 - 1]


def test_another_rule_takes_the_state_over() -> None:
    before = make(lateness_us=8 * HOUR, delay_us=HOUR)
    list(before.steps(sales(0.5, 3.0, 5.0, 9.0)))
    shorter, longer = make(lateness_us=0), make(lateness_us=100 * HOUR, most_entities=1)
    for after in (shorter, longer):
        after.restore(before.snapshot())
        assert after.watermark_us == 8 * HOUR
        assert after.totals(4).net.tolist() == [1.0]  # open still
    list(shorter.steps(sales(2.5)))
    assert shorter.too_late == 1
    list(longer.steps(sales(2.5, -9.0)))
    assert longer.totals(1).net.tolist() == [2.0]
    assert longer.too_late == 1  # what was past before stays past


def test_what_is_no_snapshot_of_these_windows_is_refused() -> None:
    windows = make()
    list(windows.steps(sales(0.5, 3.0, key=0)))
    good = windows.snapshot()
    for name in good:
        with pytest.raises(ValueError, match="not (windows|a table)"):
            make().restore({key: value for key, value in good.items() if key != name})
    for name, bad in (
        ("net", good["net"][:, :0]),
        ("windows", good["windows"][::-1]),
        ("keys", np.array([1.5])),
        ("free", np.array([3], np.int32)),
        ("free", np.array([0, 0], np.int32)),
    ):
        with pytest.raises(ValueError, match="not "):
            make().restore({**good, name: bad})
    with pytest.raises(ValueError, match="windows of 7200000000 us in UTC"):
        make(BERLIN).restore(good)
    assert windows.snapshot()["net"].tolist() == good["net"].tolist()


def test_rows_that_mean_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="kinds are below 6"):
        IntervalRows.of([0], [0], [1.0], [6], [1])
    with pytest.raises(ValueError, match="columns that differ"):
        IntervalRows.of([0, 1], [0], [1.0], [0], [1])
    with pytest.raises(ValueError, match="no time below zero"):
        make(delay_us=-1)
    assert not list(make().steps(IntervalRows.none()))


def test_a_hundred_thousand_entities_take_at_most_400_bytes_each() -> None:
    windows = make(BERLIN, delay_us=HOUR // 6)
    keys = np.random.default_rng(0).integers(0, 2**64, 100_000, np.uint64)
    ones = np.ones(100_000)
    for hours in (0, 2, 4, 6):
        times = np.full(100_000, hours * HOUR)
        list(windows.steps(IntervalRows.of(times, keys, ones, np.zeros(100_000), ones)))
    assert windows.entities == 100_000
    assert windows.bytes / windows.entities <= 400
    assert windows.totals(windows.open_window).net.sum() == 100_000


def test_what_finds_no_room_adds_up_in_its_pool() -> None:
    windows = make(most_entities=1, most_pools=3)
    keys, pools = [1, 2, 3, 4, 5, 2], [10, 10, 10, 11, 12, 10]
    rows = IntervalRows.of([0] * 6, keys, [1.0, 2.0, 4.0, 8.0, 16.0, 32.0], [0] * 6, [1] * 6, pools)
    (*_, step) = windows.steps(rows)
    # the third pool is kept for those that find no room in theirs
    assert step.slots.tolist() == [0, 1, 1, 2, 3, 1]
    assert step.new.tolist() == [0, 1, 3, 4]
    assert step.untracked.tolist() == [1, 2, 3, 4, 5]
    assert windows.totals(0).net.tolist() == [1.0, 38.0, 8.0, 16.0]
    assert windows.is_pool.tolist() == [False, True, True, True]
    assert (windows.entities, windows.untracked, windows.is_full) == (1, 5, True)
    list(windows.steps(sales(30.0, key=9)))
    assert windows.silent(windows.oldest).tolist() == [0]
    with pytest.raises(ValueError, match="a pool"):
        windows.evict(np.array([1], np.int32))


def test_steps_end_at_pauses_within_a_window() -> None:
    windows = make(lateness_us=0, pauses=2)
    steps = list(windows.steps(sales(0.1, 0.7, 1.0, 4.5)))
    assert [(s.stop, s.closed, s.paused) for s in steps] == [
        (1, None, True),
        (3, None, True),
        (3, 0, False),
        (3, None, True),
        (3, None, True),
        (3, 1, False),
        (4, None, False),
    ]
    assert windows.stop_us == 4 * HOUR + 2 * HOUR // 3
    again = make(lateness_us=0, pauses=1)
    again.restore(windows.snapshot())
    assert again.stop_us == 5 * HOUR
    assert [(s.closed, s.paused) for s in again.advance(7 * HOUR)] == [
        (None, True),
        (2, False),
        (None, True),
    ]


@pytest.mark.parametrize("pauses", [1, 2, 6, 10, 11])
def test_every_pause_is_passed_once(pauses: int) -> None:
    windows = make(BERLIN, pauses=pauses)
    list(windows.steps(sales(473_000.0)))
    steps = list(windows.advance((473_000 + 48) * HOUR))
    windows_closed = closed(steps)
    assert len(set(windows_closed)) == len(windows_closed) >= 24
    between = [s.paused for s in steps]
    last = max(i for i, paused in enumerate(between) if not paused)
    first = between.index(False)
    assert sum(between[first:last]) == pauses * (len(windows_closed) - 1)


def test_dead_time_is_passed_over() -> None:
    windows = make(dead_us=48 * HOUR)
    rows = sales(1.0, 9_001.5, 9_003.0, 9_002.5, 8_999.5)
    steps = list(windows.steps(rows))
    # the two days after the first row, and what the last rows may still change
    assert closed(steps) == [*range(-2, 25), 4498, 4499, 4500]
    assert [s.revisions.rows.tolist() for s in steps if len(s.revisions)] == [[4]]
    cut = make(dead_us=48 * HOUR)
    for row in range(5):
        list(cut.steps(IntervalRows(*(column[row : row + 1] for column in rows))))
    assert {k: v.tobytes() for k, v in cut.snapshot().items()} == {
        k: v.tobytes() for k, v in windows.snapshot().items()
    }
