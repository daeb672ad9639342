"""Whatever is said, in whatever files, and whatever is compacted when: the same rows are left."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eddy.lake.tables import anomalies, changes
from tests.support.lake_rows import LakeTable, Row, day, folded, key, narrow, said, table_in_folder

DAYS = 4
QUIET = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NAMES = st.sampled_from("abcde")
OPS = st.sampled_from(["open", "update", "close", "retract"])
Step = tuple[str, Any]


@st.composite
def deliveries(draw: st.DrawFn) -> list[Row]:
    """Draw what is said, each offset once; some of it has none, as rows that no sink wrote."""
    count = draw(st.integers(1, 12))
    rows = []
    for offset in range(count):
        told = None if draw(st.integers(0, 5)) == 0 else offset
        on, second = draw(st.integers(0, DAYS - 1)), draw(st.integers(0, 3))
        rows.append(said(draw(NAMES), on, told, draw(OPS), second))
    return rows


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Draw appends of rows, some of them twice, among compactions of any days."""
    rows = draw(deliveries())
    sent = draw(st.permutations(rows + draw(st.lists(st.sampled_from(rows), max_size=4))))
    steps: list[Step] = []
    while sent:
        count = draw(st.integers(min(3, len(sent)), len(sent)))
        steps.append(("append", sent[:count]))
        sent = sent[count:]
        if days := draw(st.lists(st.integers(0, DAYS - 1), unique=True, max_size=DAYS)):
            steps.append(("compact", days))
    return steps


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tables")


def play(table: LakeTable, steps: list[Step]) -> None:
    for what, which in steps:
        if what == "append":
            table.append(*which)
        else:
            table.compact(*which)


@QUIET
@given(steps=histories())
def test_one_row_of_each_anomaly_is_left(folder: Path, steps: list[Step]) -> None:
    table = table_in_folder(folder, narrow(anomalies("rides")))
    for number in range(1, len(steps) + 1):
        play(table, steps[number - 1 : number])
        # whatever is folded when: how an anomaly ended so far is in the table
        there = {key(row) for row in table.rows()}
        assert {key(row) for row in table.full(list(folded(table.appended).values()))} <= there
    table.compact(*range(DAYS))
    expected = table.full(list(folded(table.appended).values()))
    assert sorted(map(key, table.rows())) == sorted(map(key, expected))
    check_layout(table)
    before = table.snapshots()
    table.compact(*reversed(range(DAYS)))
    assert table.snapshots() == before


def check_layout(table: LakeTable) -> None:
    """Every day is sorted, and one file."""
    rows, files = table.rows(), table.files()
    for number in range(DAYS):
        found = [
            (row["occurred_at"], row["anomaly_id"])
            for row in rows
            if row["occurred_at"].date() == day(number)
        ]
        assert found == sorted(found)
        assert sum(f"occurred_at_day={day(number)}" in path for path in files) == bool(found)


@QUIET
@given(steps=histories())
def test_all_that_was_said_is_kept_once(folder: Path, steps: list[Step]) -> None:
    table = table_in_folder(folder, narrow(changes("rides")))
    play(table, steps)
    table.compact(*range(DAYS))
    named = [row for row in table.appended if "kafka_offset" in row]
    nameless = [row for row in table.appended if "kafka_offset" not in row]
    expected = [*{row["kafka_offset"]: row for row in named}.values(), *nameless]
    assert sorted(map(key, table.rows())) == sorted(map(key, table.full(expected)))
    before = table.snapshots()
    table.compact(*range(DAYS))
    assert table.snapshots() == before
