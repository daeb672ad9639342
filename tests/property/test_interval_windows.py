"""Event-time windows hold what pandas finds over all accepted rows, however the rows come."""

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from eddy.models.entity_table import EntityTable
from eddy.models.packing import pack, unpack
from eddy.models.windows.clock import WindowClock
from eddy.models.windows.kernel import OTHERS as OTHERS_KEY
from eddy.models.windows.steps import IntervalRows
from eddy.models.windows.windows import IntervalWindows

MINUTE = 60_000_000
HOUR = 60 * MINUTE
NAMES = ("net", "sales", "refunds", "declined", "reversed")
COUNT_OF_KIND = (1, 3, 4, 2, 3, 4)  # positions in NAMES
# Hours before clocks are set forward and back in Berlin and New York, and an ordinary day.
STARTS = [
    pd.Timestamp(text, tz="UTC").value // 1000
    for text in (
        "2024-03-30T20",
        "2024-10-26T20",
        "2024-03-10T01",
        "2024-11-03T00",
        "2024-06-01T00",
    )
]

OTHERS = int(OTHERS_KEY)


class Oracle:
    """The same rules, row by row in dictionaries; says what must be said, in order."""

    def __init__(
        self, clock: WindowClock, delay: int, lateness: int, most: int, evicts: bool, pools: int
    ):
        self.clock, self.delay, self.lateness = clock, delay, lateness
        self.most, self.evicts, self.most_pools = most, evicts, pools
        self.pools: set[int] = set()
        self.watermark: int | None = None
        self.open = 0
        self.cells: dict[tuple[int, int], list[float]] = {}
        self.last_seen: dict[int, int] = {}
        self.log: list[tuple[Any, ...]] = []
        self.accepted: list[tuple[int, int, int]] = []

    def end(self, window: int) -> int:
        return int(self.clock.end_us(window))

    def add(
        self, row: int, time: int, key: int, amount: float, kind: int, count: int, pool: int
    ) -> None:
        self.move(time - self.delay)
        window = int(self.clock.index_of(time))
        if self.end(window) + self.lateness <= self.watermark:
            self.log.append(("too late", row))
            return
        if key not in self.last_seen and len(self.last_seen) == self.most:
            self.log.append(("untracked", row))
            if not self.most_pools:
                return
            key = pool if pool in self.pools or len(self.pools) < self.most_pools - 1 else OTHERS
            if key not in self.pools:
                self.log.append(("new", row))
            self.pools.add(key)
        elif key not in self.last_seen:
            self.log.append(("new", row))
        if key not in self.pools:
            self.last_seen[key] = max(window, self.last_seen.get(key, window))
        self.accepted.append((row, key, window))
        cell = self.cells.setdefault((key, window), [0.0, 0, 0, 0, 0])
        cell[0] += {0: amount, 3: -amount}.get(kind, 0.0)
        cell[COUNT_OF_KIND[kind]] += count
        if window < self.open:
            self.log.append(("revised", row, key, window, tuple(cell)))

    def move(self, watermark: int) -> None:
        if self.watermark is None:
            self.watermark = watermark - self.lateness
            self.open = int(self.clock.index_of(self.watermark))
        while self.end(self.open) <= watermark:
            self.close()
        self.watermark = max(self.watermark, watermark)

    def close(self) -> None:
        if self.clock.exists(self.open):
            done = {k: tuple(c) for (k, w), c in self.cells.items() if w == self.open}
            self.log.append(("closed", self.open, done))
            self.watermark = self.end(self.open)
            oldest = self.open
            while self.end(oldest - 1) + self.lateness > self.watermark:
                oldest -= 1
            if self.evicts:
                self.last_seen = {k: w for k, w in self.last_seen.items() if w >= oldest}
        self.open += 1


def cells_by_key(windows: IntervalWindows, window: int) -> dict[int, tuple[float, ...]]:
    totals = windows.totals(window)
    columns = [getattr(totals, name) for name in NAMES]
    touched = np.flatnonzero(np.any([column != 0 for column in columns], axis=0))
    return {int(windows.keys[s]): tuple(column[s].item() for column in columns) for s in touched}


def cells_of(totals: Any) -> list[tuple[float, ...]]:
    return list(zip(*(getattr(totals, name).tolist() for name in NAMES), strict=True))


def told(windows: IntervalWindows, steps: Any, first: int, evicts: bool) -> list[tuple[Any, ...]]:
    """Return what steps say, in the order of rows, which are counted from `first` on."""
    log: list[tuple[Any, ...]] = []
    watermark = windows.watermark_us
    for step in steps:
        said = [(r, 1, ("too late", r + first)) for r in step.too_late.tolist()]
        said += [(r, 1, ("untracked", r + first)) for r in step.untracked.tolist()]
        said += [(r, 1, ("new", r + first)) for r in step.new.tolist()]
        revised = step.revisions
        keys = windows.keys[revised.slots].tolist()
        for r, key, window, cell in zip(
            revised.rows.tolist(),
            keys,
            revised.windows.tolist(),
            cells_of(revised.totals),
            strict=True,
        ):
            said.append((r, 2, ("revised", r + first, key, window, cell)))
        assert all(step.start <= r < step.stop for r, _, _ in said)
        log += [words for _, _, words in sorted(said, key=lambda one: one[:2])]
        if step.closed is not None:
            done = cells_by_key(windows, step.closed)
            log.append(("closed", step.closed, done))
            if evicts:
                windows.evict(windows.silent(windows.oldest))
        assert watermark is None or windows.watermark_us >= watermark
        watermark = windows.watermark_us
    return log


@st.composite
def payments(draw: st.DrawFn) -> IntervalRows:
    """Rows that drift forward, come late, twice, and now and then after hours of nothing."""
    n = draw(st.integers(1, 50))
    drift = draw(st.sampled_from([0, 7, 40])) * MINUTE
    jitter = st.integers(-500, 100) | st.just(0) | st.integers(-10, 10)
    jumps = st.just(0) | st.just(0) | st.just(0) | st.integers(0, 3_000)
    now, times = draw(st.sampled_from(STARTS)), []
    for _ in range(n):
        now += drift + draw(jumps) * MINUTE
        times.append(now + draw(jitter) * MINUTE)
    several = {"min_size": n, "max_size": n}
    rows = [
        times,
        draw(st.lists(st.integers(0, 6), **several)),
        [quarters / 4 for quarters in draw(st.lists(st.integers(1, 4_000), **several))],
        draw(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3, 4, 5]), **several)),
        draw(st.lists(st.integers(1, 3), **several)),
    ]
    rows.append([2**40 + key % 3 for key in rows[1]])
    order = draw(st.lists(st.integers(0, n - 1), max_size=10))  # duplicates, very late perhaps
    return IntervalRows.of(*([*column, *(column[i] for i in order)] for column in rows))


# Keys without structure, so that some of them meet in the table.
POOL = np.random.default_rng(0).integers(0, 2**64, 601, np.uint64)
POOL[0] = 0

clocks = st.builds(
    WindowClock,
    st.sampled_from([30 * MINUTE, HOUR, 2 * HOUR, 24 * HOUR]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
)
rules = st.fixed_dictionaries(
    {
        "delay_us": st.sampled_from([0, 10, 180]).map(lambda m: m * MINUTE),
        "lateness_us": st.sampled_from([0, 20, 120, 240, 300]).map(lambda m: m * MINUTE),
        "most_entities": st.sampled_from([3, 100]),
        "most_pools": st.sampled_from([0, 1, 3, 4]),
        "pauses": st.sampled_from([0, 1, 3]),
    }
)


@settings(max_examples=120, deadline=None)
@given(payments(), clocks, rules, st.lists(st.integers(0, 60), max_size=4), st.booleans())
def test_windows_equal_the_oracle_however_rows_are_cut(
    rows: IntervalRows, clock: WindowClock, rule: dict[str, int], cuts: list[int], evicts: bool
) -> None:
    oracle = Oracle(
        clock,
        rule["delay_us"],
        rule["lateness_us"],
        rule["most_entities"],
        evicts,
        rule["most_pools"],
    )
    n = len(rows.times_us)
    for row in range(n):
        oracle.add(row, *(column[row].item() for column in rows))
    windows, log = IntervalWindows(clock, **rule), []
    edges = sorted({0, n, *(cut % n for cut in cuts)})
    for start, stop in pairwise(edges):
        batch = IntervalRows(*(column[start:stop] for column in rows))
        log += told(windows, windows.steps(batch), start, evicts)
        state = windows.snapshot()
        windows = IntervalWindows(clock, **rule)
        windows.restore(unpack("windows", pack("windows", state)))
        again = windows.snapshot()
        assert {k: v.tobytes() for k, v in again.items()} == {
            k: v.tobytes() for k, v in state.items()
        }
    assert log == oracle.log
    assert windows.entities == len(oracle.last_seen)
    assert set(windows.keys[windows.is_pool].tolist()) == oracle.pools
    assert windows.too_late == sum(words[0] == "too late" for words in log)
    assert windows.untracked == sum(words[0] == "untracked" for words in log)
    final = windows.watermark_us + 10 * 24 * HOUR
    log += told(windows, windows.advance(final), n, evicts=False)
    assert ledger(log) == in_pandas(rows, oracle.accepted)


def ledger(log: list[tuple[Any, ...]]) -> dict[tuple[int, int], tuple[float, ...]]:
    """Add up what was told: closings, and revisions instead of what was told before."""
    cells: dict[tuple[int, int], tuple[float, ...]] = {}
    for words in log:
        if words[0] == "closed":
            cells |= {(key, words[1]): cell for key, cell in words[2].items()}
        elif words[0] == "revised":
            cells[words[2], words[3]] = words[4]
    return cells


def in_pandas(
    rows: IntervalRows, accepted: list[tuple[int, int, int]]
) -> dict[tuple[int, int], tuple[float, ...]]:
    """Return the sums over all accepted rows at once."""
    frame = pd.DataFrame(accepted, columns=["row", "key", "window"]).set_index("row")
    kinds, at = rows.kinds, frame.index
    signs = np.select([kinds == 0, kinds == 3], [1.0, -1.0])
    frame["net"] = (rows.amounts * signs)[at]
    counted = [kinds == 0, kinds == 3, np.isin(kinds, [1, 4]), np.isin(kinds, [2, 5])]
    for name, which in zip(NAMES[1:], counted, strict=True):
        frame[name] = np.where(which, rows.counts, 0)[at]
    sums = frame.groupby(["key", "window"]).sum()
    return {key: tuple(cell) for key, cell in zip(sums.index, sums.values.tolist(), strict=True)}


def chosen(seed: int, n: int) -> list[int]:
    """Return n keys' places in the pool; hypothesis would choose few and small ones."""
    return np.random.default_rng(seed).integers(0, 601, n).tolist()


batches = st.builds(chosen, st.integers(0, 1_000), st.integers(0, 300))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), batches), max_size=8),
    st.sampled_from([1, 100, 400]),
)
def test_the_table_is_a_dictionary(script: list[tuple[bool, list[int]]], most: int) -> None:
    table, known, free, used = EntityTable(most), {}, [], 0
    for adds, keys in script:
        if adds:
            expected, new = [], []
            for row, key in enumerate(keys):
                if key not in known and len(known) < most:
                    slot = free.pop() if free else used
                    used = max(used, slot + 1)
                    known[key] = slot
                    new.append(row)
                expected.append(known.get(key, -1))
            slots, rows = table.lookup_or_add(POOL[np.array(keys, np.int64)])
            assert (slots.tolist(), rows.tolist()) == (expected, new)
        else:
            gone = [known.pop(key) for key in dict.fromkeys(keys) if key in known]
            free += gone
            table.free(np.array(gone, np.int32))
        found = table.lookup(POOL)
        assert found.tolist() == [known.get(key, -1) for key in range(601)]
        assert (table.count, table.used) == (len(known), used)
        state, table = table.snapshot(), EntityTable(most)
        table.restore(state)
