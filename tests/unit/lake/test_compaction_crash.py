"""A compaction dies at every step it takes: the old or the new state, and the next one goes on."""

from pathlib import Path

import pytest

from eddy.lake.compaction.expiry import referenced
from tests.support.compaction_process import DIED, SPEC, compact, start, sweep
from tests.support.lake_rows import OFFSETS, LakeTable, folded, key, said, table_in_folder

MOST_STEPS = 100


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    made = table_in_folder(tmp_path, SPEC)
    made.append(said("a", 0, 0), said("b", 0, 1), **{OFFSETS: "{0: 2}"})
    made.append(said("b", 1, 2, "close"), said("a", 0, 0), **{OFFSETS: "{0: 3}"})
    return made


def name_of(table: LakeTable) -> str:
    return ".".join(table.load().name())


def reset(table: LakeTable, metadata: str) -> None:
    """Make the table what it was."""
    catalog, name = table.load().catalog, name_of(table)
    catalog.drop_table(name)
    catalog.register_table(name, metadata)


def days_of(table: LakeTable) -> tuple[list[str], list[str]]:
    rows = table.rows()
    found = [sorted(key(row) for row in rows if row["occurred_at"].day == day) for day in (1, 2)]
    return found[0], found[1]


def test_death_at_every_step(table: LakeTable, tmp_path: Path) -> None:
    begin = table.load().metadata_location
    old = days_of(table)
    expected = sorted(map(key, table.full(list(folded(table.appended).values()))))
    states = set()
    for step in range(1, MOST_STEPS):
        reset(table, begin)
        process = start(compact, tmp_path, name_of(table), [0, 1], step)
        process.join()
        first, second = days_of(table)
        # a day at a time: the second is never new where the first is old
        new = tuple(key(row) for row in table.full([said("a", 0, 0)])), old[1]
        assert first in (old[0], list(new[0]))
        assert second == new[1]
        states.add((first == old[0], len(table.files())))
        properties = table.load().current_snapshot().summary.additional_properties
        assert properties[OFFSETS] == "{0: 3}"
        if process.exitcode == 0:
            break
        assert process.exitcode == DIED
        if step % 4 == 0:
            table.compact(0, 1)  # the next one goes on
            assert sorted(map(key, table.rows())) == expected
    assert process.exitcode == 0
    assert step > 15
    # nothing done, the first day done, both done
    assert states == {(True, 3), (False, 2)}


def test_death_while_rows_are_added(tmp_path: Path) -> None:
    table = table_in_folder(tmp_path, SPEC)
    table.append(said("a", 0, 0), said("b", 0, 1), said("a", 0, 0))
    begin = table.load().metadata_location
    added = [said("a", 1, 5, "close"), said("c", 1, 6), said("b", 0, 4, "update")]
    staged = table.stage(*added)
    ended = sorted(map(key, table.full(list(folded([*table.appended, *added]).values()))))
    states = set()
    for step in range(1, MOST_STEPS, 2):  # between two commits there are many more
        reset(table, begin)
        process = start(compact, tmp_path, name_of(table), [0, 1], step, staged)
        process.join()
        rows = table.rows()
        assert {"a", "b"} <= {row["anomaly_id"] for row in rows}
        states.add((len(rows), len(table.files())))
        if process.exitcode == 0:
            break
        assert process.exitcode == DIED
        if step % 8 == 7:
            table.compact(0, 1, staged=staged)  # the same again goes on
            assert sorted(map(key, table.rows())) == ended
    assert process.exitcode == 0
    assert sorted(map(key, rows)) == ended
    # nothing done; b's news added; a's end added; a's beginning gone
    assert states == {(3, 1), (2, 1), (4, 2), (3, 2)}


def test_death_at_every_step_of_sweeping(table: LakeTable, tmp_path: Path) -> None:
    for number in range(4):
        table.append(said("c", 2, 10 + number))
    table.compact(0, 1, 2)
    expected = sorted(map(key, table.rows()))
    deaths = 0
    for step in (*range(1, 8), 0):
        process = start(sweep, tmp_path, name_of(table), step)
        process.join()
        deaths += process.exitcode == DIED
        assert sorted(map(key, table.rows())) == expected
    assert process.exitcode == 0
    assert deaths >= 4
    needed = {place.split("/")[-1] for place in referenced(table.load())}
    left = {path.name for path in tmp_path.rglob("*") if path.parent.name != tmp_path.name}
    assert {name for name in left if name.endswith((".parquet", ".avro", ".json"))} == needed
