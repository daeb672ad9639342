"""History through DuckDB against pandas: kinds, statuses, names, days on which clocks are set."""

import json
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from eddy.datasets.history.payments.query import Naming, WindowGrid
from eddy.datasets.history.payments.sources import DuckDbHistory
from eddy.models.windows.clock import WindowClock
from eddy.schemas.errors import ConfigError, MissingResource

HOUR_US = 3_600_000_000
PLAIN = Naming({}, {})
# clocks are set back on 26 October and forward on 29 March 2026 in Berlin
BEGIN, END = datetime(2025, 10, 20, tzinfo=UTC), datetime(2025, 11, 2, tzinfo=UTC)


def payments(begin=BEGIN, end=END, n=4_000, seed=1):
    rng = np.random.default_rng(seed)
    span = (end - begin).total_seconds()
    return pd.DataFrame(
        {
            "event_id": [f"e{i}" for i in range(n)],
            "occurred_at": [
                begin + timedelta(seconds=round(float(s), 6)) for s in rng.uniform(0, span, n)
            ],
            "merchant_id": rng.choice([f"m{i}" for i in range(9)] + ["o'hara", "müller"], n),
            "amount": np.round(rng.lognormal(3, 1, n), 2),
            "kind": rng.choice(["sale", "refund"], n, p=[0.9, 0.1]),
            "status": rng.choice(["approved", "declined", "reversed"], n, p=[0.8, 0.15, 0.05]),
            "count": rng.integers(1, 4, n),
            "segment": "grocery",
            "country": "DE",
        }
    )


def oracle(frame, clock):
    """The same by pandas, and windows by the local time's label."""
    counted = frame[frame.status == "approved"]
    net = np.where(counted.kind == "refund", -counted.amount, counted.amount)
    times = counted.occurred_at.dt.as_unit("us").astype("int64")
    starts = clock.start_us(clock.index_of(times.to_numpy()))
    table = pd.DataFrame(
        {"m": counted.merchant_id, "w": starts, "net": net, "payments": counted["count"]}
    )
    return table.groupby(["w", "m"]).sum().round(6).reset_index().sort_values(["w", "m"])


def bounds(clock, begin=BEGIN, end=END):
    starts = clock.index_of([round(t.timestamp() * 1e6) for t in (begin, end)])
    return [int(start) for start in clock.start_us(starts)]


def check(table, expected):
    assert table["merchant_id"].to_pylist() == expected.m.tolist()
    assert table["window_start"].cast("int64").to_pylist() == expected.w.tolist()
    np.testing.assert_allclose(table["net"].to_numpy(), expected.net, atol=2e-6)
    assert table["payments"].to_pylist() == expected.payments.tolist()


def write(frame, path, ending):
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending == "csv":
        frame.to_csv(path, index=False)
    else:
        lines = frame.assign(occurred_at=frame.occurred_at.map(lambda t: t.isoformat()))
        path.write_text("".join(json.dumps(row) + "\n" for row in lines.to_dict("records")))


def within(frame, clock, begin_us, end_us):
    times = frame.occurred_at.dt.as_unit("us").astype("int64")
    return oracle(frame[(times >= begin_us) & (times < end_us)], clock)


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
def test_sums_are_those_of_pandas(tmp_path, ending, zone):
    clock, frame = WindowClock(2 * HOUR_US, zone), payments()
    for part in range(2):
        write(frame[part::2], tmp_path / f"part-{part}.{ending}", ending)
    source = DuckDbHistory([str(tmp_path / f"*.{ending}")], clock, PLAIN)
    begin_us, end_us = bounds(clock, BEGIN + timedelta(days=1), END - timedelta(days=1))
    table = source.interval_totals(begin_us, end_us)
    check(table, within(frame, clock, begin_us, end_us))
    assert set(table["country"].to_pylist()) == {"DE"}


@pytest.mark.parametrize(("begin", "windows"), [((2025, 10, 25), 24), ((2026, 3, 28), 24)])
def test_the_days_on_which_clocks_are_set_have_their_windows(tmp_path, begin, windows):
    begin = datetime(*begin, 22, tzinfo=UTC)
    frame = payments(begin, begin + timedelta(days=2), n=6_000)
    write(frame, tmp_path / "a.parquet", "parquet")
    clock = WindowClock(2 * HOUR_US, "Europe/Berlin")
    begin_us, end_us = bounds(clock, begin, begin + timedelta(days=2))
    assert WindowGrid(clock, begin_us, end_us).piece_us == HOUR_US
    source = DuckDbHistory([str(tmp_path / "a.parquet")], clock, PLAIN)
    table = source.interval_totals(begin_us, end_us)
    check(table, within(frame, clock, begin_us, end_us))
    assert abs(len(table["window_start"].unique()) - windows) <= 1


def test_windows_are_whole_pieces_where_no_clock_is_set():
    clock = WindowClock(2 * HOUR_US, "Europe/Berlin")
    assert WindowGrid(clock, *bounds(clock, END, END + timedelta(days=30))).piece_us == 2 * HOUR_US


def test_times_without_offset_are_utc(tmp_path):
    frame = payments()
    plain = frame.assign(occurred_at=frame.occurred_at.dt.tz_localize(None))
    write(plain, tmp_path / "a.parquet", "parquet")
    write(plain, tmp_path / "a.csv", "csv")
    text = frame.assign(occurred_at=frame.occurred_at.map(lambda t: t.isoformat()))
    write(text, tmp_path / "text.parquet", "parquet")
    clock = WindowClock(2 * HOUR_US, "Europe/Berlin")
    span = bounds(clock)
    for name in ("a.parquet", "a.csv", "text.parquet"):
        table = DuckDbHistory([str(tmp_path / name)], clock, PLAIN).interval_totals(*span)
        check(table, within(frame, clock, *span))


def test_other_names_of_columns_and_values(tmp_path):
    frame = payments()
    renamed = frame.rename(columns={"amount": "total amount", "merchant_id": "shop"})
    renamed["status"] = renamed.status.replace("approved", "CAPTURED")
    write(renamed.drop(columns=["segment", "country", "event_id"]), tmp_path / "a.pq", "parquet")
    naming = Naming({"amount": "total amount", "merchant_id": "shop"}, {"approved": "captured"})
    clock = WindowClock(2 * HOUR_US)
    table = DuckDbHistory([str(tmp_path / "a.pq")], clock, naming).interval_totals(*bounds(clock))
    check(table, within(frame, clock, *bounds(clock)))
    assert table["country"].null_count == len(table)


def test_rows_that_are_no_payments_are_left_out(tmp_path):
    frame = payments(n=6)
    frame["status"], frame["kind"], frame["merchant_id"] = "approved", "sale", "m"
    frame["count"], frame["amount"] = 1, [1.0, -5.0, float("nan"), float("inf"), 2e12, 3.0]
    write(frame, tmp_path / "a.parquet", "parquet")
    clock = WindowClock(2 * HOUR_US)
    source = DuckDbHistory([str(tmp_path / "a.parquet")], clock, PLAIN)
    table = source.interval_totals(*bounds(clock))
    assert (sum(table["net"].to_pylist()), sum(table["payments"].to_pylist())) == (4.0, 2)


def test_a_table_without_kind_and_status_holds_approved_sales(tmp_path):
    frame = payments().assign(kind="sale", status="approved")
    bare = frame[["occurred_at", "merchant_id", "amount"]]
    write(bare, tmp_path / "a.parquet", "parquet")
    clock = WindowClock(2 * HOUR_US)
    source = DuckDbHistory([str(tmp_path / "a.parquet")], clock, PLAIN)
    table = source.interval_totals(*bounds(clock))
    check(table, within(frame.assign(count=1), clock, *bounds(clock)))


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        ({"amount": 'x" FROM y --'}, 'x" FROM'),
        ({"sum": "x"}, "sum"),
        ({"amount": ""}, "amount"),
    ],
)
def test_names_that_are_none_are_refused(columns, named):
    with pytest.raises(ConfigError, match=named):
        Naming(columns, {})


def test_what_cannot_be_read_says_why(tmp_path):
    clock = WindowClock(2 * HOUR_US)
    write(payments().rename(columns={"amount": "sum"}), tmp_path / "a.parquet", "parquet")
    for files, error, named in (
        ([str(tmp_path / "none-*.parquet")], MissingResource, "none-"),
        ([str(tmp_path / "a.parquet")], ConfigError, "amount"),
    ):
        with pytest.raises(error, match=named):
            DuckDbHistory(files, clock, PLAIN).interval_totals(*bounds(clock))
    for files in (["a.xlsx"], ["a.csv", "b.parquet"], []):
        with pytest.raises(ConfigError):
            DuckDbHistory(files, clock, PLAIN)


def test_a_table_that_is_empty_in_a_month_gives_no_rows(tmp_path):
    write(payments(), tmp_path / "a.parquet", "parquet")
    clock = WindowClock(2 * HOUR_US)
    span = bounds(clock, END + timedelta(days=9), END + timedelta(days=19))
    assert (
        len(DuckDbHistory([str(tmp_path / "a.parquet")], clock, PLAIN).interval_totals(*span)) == 0
    )


@pytest.mark.parametrize("package", ["duckdb", "pyarrow"])
def test_without_the_extra_it_is_named(tmp_path, monkeypatch, package):
    source = DuckDbHistory(["a.parquet"], WindowClock(2 * HOUR_US), PLAIN)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"eddy-stream\[history\]"):
        source.interval_totals(0, 2 * HOUR_US)


def test_s3_without_the_extension_says_what_to_do(tmp_path, monkeypatch):
    # where it was installed once, DuckDB is told to look for it elsewhere
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    source = DuckDbHistory(["s3://bucket/*.parquet"], WindowClock(2 * HOUR_US), PLAIN)
    with pytest.raises(MissingResource, match="INSTALL httpfs"):
        source.interval_totals(0, 2 * HOUR_US)
