"""Maintenance: what is old goes, what the sink or a reader needs stays."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from eddy.lake.compaction.commits import carriers, commit, last_sink_commit_ms, sink_properties
from eddy.lake.compaction.day_files import days_of
from eddy.lake.compaction.expiry import delete_orphans, expire, sweep
from eddy.schemas.errors import ConfigError
from tests.support.compaction_process import SPEC
from tests.support.lake_rows import OFFSETS, LakeTable, day, said, table_in_folder

LATER = datetime.now(UTC) + timedelta(days=30)


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    return table_in_folder(tmp_path, SPEC)


def named(path: Path, suffix: str) -> set[str]:
    return {file.name for file in path.rglob(f"*{suffix}")}


def test_what_was_compacted_goes_with_its_snapshots(table: LakeTable, tmp_path: Path) -> None:
    for number in range(8):
        table.append(said("a", 0, number))
    table.compact(0)
    for number in range(4):  # the newest five snapshots stay
        table.append(said("b", 1, number))
    rows = table.rows()
    swept = sweep(table.load, LATER)
    assert (swept.snapshots_before, swept.snapshots_after) == (13, 5)
    assert swept.files_deleted > 8
    assert table.rows() == rows
    assert len(named(tmp_path, ".parquet")) == 5
    again = sweep(table.load, LATER)
    assert (again.files_deleted, again.snapshots_before) == (0, 5)


def test_what_is_young_stays(table: LakeTable, tmp_path: Path) -> None:
    for number in range(8):
        table.append(said("a", 0, number))
    table.compact(0)
    files = named(tmp_path, "")
    now = datetime.now(UTC)
    assert sweep(table.load, now).snapshots_after == 9
    assert expire(table.load, now + timedelta(days=1))[1] == 5
    assert delete_orphans(table.load, now - timedelta(days=1)) == []
    assert files <= named(tmp_path, "")


def test_the_way_to_the_sink_s_offsets_stays(table: LakeTable) -> None:
    table.append(said("a", 0, 0), **{OFFSETS: "{0: 1}"})
    for number in range(1, 9):  # of a writer that carries nothing
        table.append(said("a", 0, number))
    assert len(carriers(table.load())) == 9
    assert expire(table.load, LATER) == (9, 9)
    assert sink_properties(table.load())[OFFSETS] == "{0: 1}"
    table.compact(0)  # carries the offsets: the way is one step long
    assert expire(table.load, LATER) == (10, 5)
    assert table.load().current_snapshot().summary.additional_properties[OFFSETS] == "{0: 1}"


def test_each_of_two_sinks_keeps_its_offsets(table: LakeTable) -> None:
    other = OFFSETS + "-other"
    table.append(said("a", 0, 0), **{other: "{0: 7}"})
    for number in range(1, 8):
        table.append(said("a", 0, number), **{OFFSETS: f"{{0: {number}}}"})
    expire(table.load, LATER)
    found = sink_properties(table.load())
    assert (found[OFFSETS], found[other]) == ("{0: 7}", "{0: 7}")


def test_what_a_sink_that_is_down_may_still_commit_stays(table: LakeTable, tmp_path: Path) -> None:
    table.append(said("a", 0, 0), **{OFFSETS: "{0: 1}"})
    committed = last_sink_commit_ms(table.load())
    folder = next(tmp_path.rglob("*.parquet")).parent
    (folder / "written-not-committed.parquet").write_bytes(b"rows")
    (folder / "compacted-0-00000.parquet").write_bytes(b"of a compaction that was killed")
    table.append(said("a", 0, 1))
    table.compact(0)
    assert last_sink_commit_ms(table.load()) == committed  # a compaction is no commit of the sink's
    delete_orphans(table.load, LATER)
    assert "written-not-committed.parquet" in named(tmp_path, ".parquet")
    assert "compacted-0-00000.parquet" not in named(tmp_path, ".parquet")


def test_what_a_sink_that_never_committed_may_still_commit_stays(
    table: LakeTable, tmp_path: Path
) -> None:
    table.append(said("a", 0, 0))  # of a load: the sink has no offsets here yet
    folder = next(tmp_path.rglob("*.parquet")).parent
    own = uuid4()
    theirs, ours = f"00000-1763690000000-{own}-00001.parquet", f"00000-3-{own}.parquet"
    for name in (theirs, ours, f"compacted-{own.hex}-00000.parquet"):
        (folder / name).write_bytes(b"rows")
    deleted = {info.base_name for info in delete_orphans(table.load, LATER)}
    # a load and a compaction that were killed leave what nobody commits
    assert deleted == {ours, f"compacted-{own.hex}-00000.parquet"}
    assert theirs in named(tmp_path, ".parquet")
    assert len(table.rows()) == 1


def test_what_is_committed_while_orphans_are_sought_stays(table: LakeTable) -> None:
    table.append(said("a", 0, 0))
    calls = 0

    def load() -> object:
        nonlocal calls
        calls += 1
        if calls == 2:  # after the list, before what is needed is read
            table.append(said("b", 0, 1))
            commit(table.load, days_of(table.load())[day(0)].files[:1], [], {})
            expire(table.load, LATER, keep=1)
        return table.load()

    delete_orphans(load, LATER)
    assert len(table.rows()) == 1


def test_a_name_keeps_its_snapshot(table: LakeTable) -> None:
    table.append(said("a", 0, 0))
    now = table.load()
    now.manage_snapshots().create_tag(now.current_snapshot().snapshot_id, "audit").commit()
    for number in range(1, 9):
        table.append(said("a", 0, number))
    table.compact(0)
    sweep(table.load, LATER)
    assert "audit" in table.load().refs()
    tagged = table.load().refs()["audit"].snapshot_id
    assert table.load().scan(snapshot_id=tagged).to_arrow().num_rows == 1


@pytest.mark.parametrize(("snapshots", "orphans"), [(0.5, 72), (168, 23)])
def test_ages_that_are_not_safe_are_refused(
    table: LakeTable, snapshots: float, orphans: float
) -> None:
    with pytest.raises(ConfigError, match="not safe"):
        sweep(table.load, LATER, timedelta(hours=snapshots), timedelta(hours=orphans))
