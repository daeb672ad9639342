"""Compaction of one table: what is kept, what every type becomes, who else may commit meanwhile."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import CommitFailedException

from eddy.lake import catalog as catalogs
from eddy.lake.compaction import compactor as compacting
from eddy.lake.compaction.commits import Conflict, commit, sink_properties
from eddy.lake.compaction.day_files import days_of
from eddy.lake.config import LakeConfig
from eddy.lake.tables import TableSpec, anomalies, history, rejections
from eddy.schemas.rides import Ride
from tests.support.compaction_process import SPEC, compact, start
from tests.support.lake_rows import OFFSETS, LakeTable, at, day, folded, key, said, table_in_folder


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    return table_in_folder(tmp_path, SPEC)


def ids(table: LakeTable) -> list[tuple[str, str]]:
    return sorted((row["anomaly_id"], row["op"]) for row in table.rows())


def test_an_anomaly_ends_on_the_day_of_its_newest_row(table: LakeTable) -> None:
    table.append(said("a", 0, 0), said("b", 0, 1), said("a", 0, 0))
    table.append(said("b", 1, 2, "close"), said("c", 1, 3))
    done = table.compact(1)  # the day before is not asked for, but holds what is superseded
    first, second = done[day(0)], done[day(1)]
    assert (first.rows_before, first.rows_after, first.duplicates, first.folded) == (3, 1, 1, 1)
    assert (second.rows_before, second.rows_after, second.files_after) == (2, 2, 1)
    assert ids(table) == [("a", "open"), ("b", "close"), ("c", "open")]


def test_a_late_row_reopens_its_day(table: LakeTable) -> None:
    table.append(said("a", 0, 0), said("b", 3, 1))
    table.compact(0, 3)
    table.append(said("a", 0, 2, "retract"))
    assert table.compact(3) != {}
    assert ids(table) == [("a", "open"), ("a", "retract"), ("b", "open")]
    assert table.compact(3, reopened=True)[day(0)].outcome == "compacted"
    assert ids(table) == [("a", "retract"), ("b", "open")]


def test_a_day_that_was_empty_or_missed_when_its_run_came_is_taken_later(table: LakeTable) -> None:
    table.today = day(4)
    first = datetime(1, 1, 1, tzinfo=UTC)  # a time that an event may say
    table.append(said("b", 3, 2), said("z", 0, 1, occurred_at=first), said("c", 4, 3))
    table.append(said("a", 0, 0), said("a", 0, 0), said("c", 4, 3))
    done = table.compact(3, reopened=True)
    assert {on: one.outcome for on, one in done.items()} == {
        first.date(): "compacted",
        day(0): "compacted",
        day(3): "compacted",
    }
    assert done[day(0)].duplicates == 1
    before = table.snapshots()
    table.compact(3, reopened=True)
    assert table.snapshots() == before


def test_rows_farther_away_than_is_looked_are_left(table: LakeTable) -> None:
    table.append(said("a", 0, 0), said("a", 3, 1, "close"))
    table.look_around = 2
    table.compact(0, 1, 2)
    assert len(table.rows()) == 2
    table.look_around = 3
    table.compact(0)
    assert ids(table) == [("a", "close")]


def test_days_that_are_not_over_are_looked_at_and_left(table: LakeTable) -> None:
    table.today = day(1)
    table.append(said("a", 0, 0), said("b", 1, 5))
    table.append(said("a", 1, 1, "close"), said("b", 0, 6, "close"))
    done = table.compact(0)
    assert set(done) == {day(0)}
    # of b the newer row is there, and the older one waits until its day is over
    assert ids(table) == [("a", "close"), ("b", "close"), ("b", "open")]


def test_a_day_may_lose_all_its_rows(table: LakeTable) -> None:
    table.append(said("a", 0, 0))
    table.append(said("a", 1, 1, "close"))
    assert table.compact(0, 1)[day(0)].files_after == 0
    assert ids(table) == [("a", "close")]
    before = table.snapshots()
    assert table.compact(0, 1)[day(1)].outcome == "settled"
    assert table.snapshots() == before


def test_files_are_cut_at_their_size(table: LakeTable) -> None:
    table.append(*(said(f"a{number}", 0, number) for number in range(100)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("eddy.lake.compaction.slices.SLICE_ROWS", 30)
        table.compact(0, target_bytes=1)
    assert len(table.files()) == 4
    assert len(table.rows()) == 100


def scored(offset: int, **event: Any) -> dict[str, Any]:
    source = {"topic": "events.rides", "partition": 0, "offset": offset}
    stands = {"kafka_topic": "scored.rides", "kafka_partition": 0, "kafka_offset": offset}
    event = {"event_id": "ä\x00", "distance_km": -0.0} | event
    return {"occurred_at": at(0, 0.000001), "source": source, "event": event, **stands}


ROWS = {
    "anomalies": [said("a", 0, 1), said("b", 0, 2, actual=None, reasons=None, entity=None)],
    "history": [scored(1), scored(2, distance_km=float("inf"), passengers=None)],
    "rejections": [
        {"payload": b"\x00\xff", "kafka_timestamp": at(0), "offset": 2**62, "reason": ""},
        {"payload": None, "kafka_timestamp": at(0, 1), "kafka_topic": "t", "partition": -1},
    ],
}


@pytest.mark.parametrize("spec", [anomalies("rides"), history("rides", Ride), rejections()])
def test_every_type_comes_out_as_it_went_in(
    lake_config: LakeConfig, tmp_path: Path, spec: TableSpec
) -> None:
    catalogs.create(lake_config, [spec])
    catalog = catalogs.open_catalog(lake_config)
    table = LakeTable(spec, lambda: catalogs.load(catalog, lake_config, spec), tmp_path)
    for row in ROWS[spec.kind]:
        table.append_as_they_are(0, row)
    table.compact(0)
    assert sorted(map(key, table.rows())) == sorted(map(key, table.full(ROWS[spec.kind])))
    now = table.load()
    (file,) = days_of(now)[day(0)].files
    assert file.partition[0] == (day(0) - datetime(1970, 1, 1, tzinfo=UTC).date()).days
    assert file.record_count == 2
    with now.io.new_input(file.file_path).open() as source:
        written = pq.ParquetFile(source)
        numbers = {f.name: int(f.metadata[b"PARQUET:field_id"]) for f in written.schema_arrow}
        assert written.metadata.row_group(0).column(0).compression == "ZSTD"
    assert numbers == {field.name: field.field_id for field in now.schema().fields}
    assert file.lower_bounds[now.schema().find_field(spec.day_column).field_id]


def test_columns_that_came_later_are_null(lake_config: LakeConfig, tmp_path: Path) -> None:
    whole = anomalies("rides")
    columns = {name: whole.columns[name] for name in SPEC.columns}
    catalogs.create(lake_config, [SPEC])
    catalog = catalogs.open_catalog(lake_config)
    table = LakeTable(whole, lambda: catalogs.load(catalog, lake_config, whole), tmp_path)
    row = {name: value for name, value in said("a", 0, 1).items() if name in columns}
    table.append(row)
    catalogs.create(lake_config, [whole])
    table.append(said("b", 0, 2))
    table.compact(0)
    found = {row["anomaly_id"]: row["severity"] or row["labels"] for row in table.rows()}
    assert found == {"a": None, "b": []}


def test_the_sink_commits_to_the_same_day_meanwhile(
    table: LakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.append(said("a", 0, 0), **{OFFSETS: "{0: 1}"})
    table.append(said("a", 0, 0), **{OFFSETS: "{0: 1}"})
    sent = 0

    def late(*arguments: Any) -> int:
        nonlocal sent
        sent += 1
        table.append(said("b", 0, sent), **{OFFSETS: f"{{0: {sent + 1}}}"})
        return commit(*arguments)

    monkeypatch.setattr(compacting, "commit", late)
    table.compact(0)
    assert ids(table) == [("a", "open"), ("b", "open")]
    # the sink finds how far it is: in the compaction's own snapshot
    assert table.load().current_snapshot().summary.additional_properties[OFFSETS] == "{0: 2}"


def test_the_sink_commits_between_load_and_commit(
    table: LakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.append(said("a", 0, 0), **{OFFSETS: "{0: 1}"})
    files = days_of(table.load())[day(0)].files
    late = iter([said("b", 0, 1), None, said("c", 0, 2)])  # None: was it committed all the same?

    def load() -> Any:
        loaded = table.load()
        if row := next(late, None):
            table.append(row, **{OFFSETS: f"{{0: {row['kafka_offset'] + 1}}}"})
        return loaded

    assert commit(load, files, [], {}) == 3
    assert ids(table) == [("b", "open"), ("c", "open")]
    assert sink_properties(table.load())[OFFSETS] == "{0: 3}"


def test_a_commit_that_is_told_as_failed_stays(
    table: LakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit_table, lost = SqlCatalog.commit_table, [True]

    def answer_is_lost(*arguments: Any) -> Any:
        done = commit_table(*arguments)
        if lost:  # and the client repeats what was done already
            lost.pop()
            raise CommitFailedException("another commit was quicker")
        return done

    table.append(said("a", 0, 0), said("a", 0, 0), **{OFFSETS: "{0: 1}"})
    before = table.snapshots()
    monkeypatch.setattr(SqlCatalog, "commit_table", answer_is_lost)
    assert table.compact(0)[day(0)].tries == 1
    assert not lost
    assert ids(table) == [("a", "open")]
    assert table.snapshots() == before + 1
    table.append(said("b", 0, 1))  # its manifests are read
    assert len(table.rows()) == 2


def test_of_two_compactions_one_loses(table: LakeTable) -> None:
    table.append(said("a", 0, 0))
    files = days_of(table.load())[day(0)].files
    table.append(said("b", 0, 1))
    table.compact(0)
    before = table.snapshots()
    with pytest.raises(Conflict):
        commit(table.load, files, [], {})
    assert table.snapshots() == before
    assert len(table.rows()) == 2


def test_a_day_that_is_always_rewritten_by_others_is_given_up(
    table: LakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(*_: Any) -> int:
        raise Conflict

    table.append(said("a", 0, 0))
    monkeypatch.setattr(compacting, "commit", taken)
    assert table.compact(0)[day(0)].outcome == "conflict"
    monkeypatch.undo()
    assert table.compact(0)[day(0)].outcome == "compacted"


def test_two_processes_compact_while_rows_arrive(table: LakeTable, tmp_path: Path) -> None:
    table.append(*(said(f"a{n % 20}", n % 3, n) for n in range(60)), **{OFFSETS: "{0: 60}"})
    name = ".".join(table.load().name())
    stop = threading.Event()

    def sink() -> None:
        for n in range(60, 84, 4):
            rows = [said(f"a{m % 20}", m % 3, m, "update") for m in range(n, n + 4)]
            table.append(*rows, **{OFFSETS: f"{{0: {n + 4}}}"})
        stop.set()

    writer = threading.Thread(target=sink)
    writer.start()
    while not stop.is_set():
        both = [start(compact, tmp_path, name, [0, 1, 2], 0) for _ in range(2)]
        for process in both:
            process.join()
            assert process.exitcode == 0
    writer.join()
    assert sink_properties(table.load())[OFFSETS] == "{0: 84}"
    table.compact(0, 1, 2)
    expected = table.full(list(folded(table.appended).values()))
    assert sorted(map(key, table.rows())) == sorted(map(key, expected))
