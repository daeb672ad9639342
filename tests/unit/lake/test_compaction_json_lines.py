"""JSON Lines of other sink connectors: read into the tables, once."""

import gzip
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyarrow.fs import LocalFileSystem

from eddy.lake.compaction import compactor
from eddy.lake.compaction.commits import commit
from eddy.lake.compaction.json_lines import Staged, lines_files, stage
from eddy.lake.compaction.reading import arrow_schema
from eddy.lake.tables import TableSpec, anomalies, changes
from eddy.schemas.anomalies import Anomaly, Entity, ModelRef, Source
from tests.support.compaction_process import SPEC
from tests.support.lake_rows import LakeTable, at, day, narrow, said, table_in_folder

TOPIC = "anomalies.rides"
STORE = LocalFileSystem()


def anomaly(name: str, on: int = 0, **more: Any) -> dict[str, Any]:
    record = Anomaly(
        anomaly_id=name,
        domain="rides",
        detector="windowed_dbscan",
        entity=Entity("vendor", "2"),
        occurred_at=at(on),
        detected_at=at(on, 1),
        score=1.5,
        severity="info",
        confidence=0.5,
        actual={"distance_km": 1.0},
        model=ModelRef("rides", "1", "f" * 64),
        config_hash="abc",
        source=Source("events.rides", 0, 7),
    )
    value: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(record))
    return value | more


def delivered(name: str, offset: int, on: int = 0, **more: Any) -> dict[str, Any]:
    """As the connectors under deploy/connect write it."""
    milliseconds = int(at(on).timestamp() * 1000)
    stands = {"kafka_topic": TOPIC, "kafka_partition": 1, "kafka_offset": offset}
    return anomaly(name, on, **stands, kafka_timestamp=milliseconds, **more)


def write(path: Path, *lines: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = b"".join(
        (line if isinstance(line, bytes) else msgspec.json.encode(line)) + b"\n" for line in lines
    )
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def read(table: LakeTable, folder: Path, *days: int) -> Staged:
    wanted = [day(number) for number in days]
    files = lines_files(STORE, str(folder), TOPIC, min(wanted))
    own = table.scratch / "staged"
    own.mkdir(exist_ok=True)
    return stage(STORE, files, table.spec, arrow_schema(table.load()), wanted, own)


@pytest.fixture(params=[anomalies, changes], ids=["anomalies", "changes"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> LakeTable:
    spec: TableSpec = request.param("rides")
    return table_in_folder(tmp_path, spec)


def test_what_is_read_twice_is_there_once(table: LakeTable, tmp_path: Path) -> None:
    lines = tmp_path / "jsonl" / TOPIC / f"dt={day(0)}"
    name = f"{TOPIC}+1+0000000000.json.gz"
    write(lines / name, delivered("a", 0), delivered("a", 3, op="close"), delivered("b", 4, on=1))
    done = table.compact(0, staged=read(table, tmp_path / "jsonl", 0))
    left = 1 if table.spec.kind == "anomalies" else 2
    assert (done[day(0)].added, done[day(0)].rows_before, done[day(0)].rows_after) == (
        left,
        0,
        left,
    )
    before = table.snapshots()
    again = table.compact(0, staged=read(table, tmp_path / "jsonl", 0))
    assert again[day(0)].outcome == "settled"
    assert table.snapshots() == before
    # what another connector delivered of the same records is the same
    write(lines / f"{TOPIC}+1+0000000003.json", delivered("a", 3, op="close"))
    table.compact(0, staged=read(table, tmp_path / "jsonl", 0))
    assert table.snapshots() == before
    newest = max(table.rows(), key=lambda row: row["kafka_offset"])
    assert newest["op"] == "close"
    assert newest["actual"] == [("distance_km", 1.0)]
    assert newest["kafka_timestamp"] == at(0)
    assert newest["kafka_partition"] == 1


def test_older_news_of_an_anomaly_is_no_news(tmp_path: Path) -> None:
    table = table_in_folder(tmp_path, anomalies("rides"))
    write(tmp_path / "jsonl" / f"{TOPIC}-1-5.gz", delivered("a", 5, on=1, op="retract"))
    table.compact(1, staged=read(table, tmp_path / "jsonl", 1))
    write(tmp_path / "jsonl" / f"{TOPIC}-1-2.gz", delivered("a", 2, on=0))
    before = table.snapshots()
    table.compact(0, staged=read(table, tmp_path / "jsonl", 0, 1))
    assert table.snapshots() == before


def test_lines_that_do_not_say_where_they_stand(table: LakeTable, tmp_path: Path) -> None:
    folder = tmp_path / "jsonl"
    write(folder / "year=2026/month=11/day=01" / f"{TOPIC}-0-10", anomaly("a"), anomaly("b"))
    write(folder / f"{TOPIC}+0+11.jsonl", anomaly("c"), {"value": anomaly("d"), "offset": 40})
    table.compact(0, staged=read(table, folder, 0))
    stands = {row["anomaly_id"]: (row["kafka_topic"], row["kafka_offset"]) for row in table.rows()}
    assert stands == {
        "a": (str(folder / "year=2026/month=11/day=01" / f"{TOPIC}-0-10"), 10),
        "b": (str(folder / "year=2026/month=11/day=01" / f"{TOPIC}-0-10"), 11),
        "c": (str(folder / f"{TOPIC}+0+11.jsonl"), 11),
        "d": (TOPIC, 40),
    }
    before = table.snapshots()
    table.compact(0, staged=read(table, folder, 0))
    assert table.snapshots() == before


def test_what_is_no_record_is_told(table: LakeTable, tmp_path: Path) -> None:
    lines = (b"", b"{", b"[1]", b"\xff\xfe", b'{"anomaly_id": 7}', b'{"anomaly_id": "x"}')
    write(tmp_path / "jsonl" / f"{TOPIC}+1+0.json", *lines, delivered("a", 9))
    staged = read(table, tmp_path / "jsonl", 0)
    assert staged.bad_lines == len(lines)
    assert staged.first_bad.endswith(f"{TOPIC}+1+0.json, line 1")
    table.compact(0, staged=staged)
    assert [row["anomaly_id"] for row in table.rows()] == ["a"]


def test_only_folders_that_may_hold_the_days_are_read(tmp_path: Path) -> None:
    for name in ("dt=2026-10-30", "dt=2026-10-31", "dt=2026-11-05", "."):
        write(tmp_path / name / f"{TOPIC}+0+0.json", anomaly("a"))
    write(tmp_path / "dt=2026-11-01" / "anomalies.tpv+0+0.json", anomaly("b"))
    write(tmp_path / "dt=2026-11-01" / "notes.json", anomaly("c"))
    found = [file.day for file in lines_files(STORE, str(tmp_path), TOPIC, day(0))]
    # one that is a day early: the connector's clock is not the producer's
    expected = [datetime(2026, 11, 5, tzinfo=UTC).date(), datetime(2026, 10, 31, tzinfo=UTC).date()]
    assert set(found) == {None, *expected}
    assert lines_files(STORE, str(tmp_path / "missing"), TOPIC, day(0)) == []


def test_many_rows_are_not_held_in_memory(
    table: LakeTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eddy.lake.compaction.json_lines._FLUSH_ROWS", 3)
    lines = [delivered(f"a{number}", number, on=number % 2) for number in range(10)]
    write(tmp_path / "jsonl" / f"{TOPIC}+1+0.json", *lines)
    staged = read(table, tmp_path / "jsonl", 0, 1)
    assert dict(staged.rows) == {day(0): 5, day(1): 5}
    assert [batch.num_rows for batch in staged.read(day(0))] == [3, 2]
    table.compact(0, 1, staged=staged)
    assert len(table.rows()) == 10


def test_what_supersedes_rows_of_another_day_is_added_first(tmp_path: Path) -> None:
    table = table_in_folder(tmp_path, SPEC)
    table.append(said("a", 0, 0), said("a", 0, 1, "update"), said("b", 1, 2))
    done = table.compact(0, 1, staged=table.stage(said("a", 1, 3, "close")))
    first, second = done[day(0)], done[day(1)]
    assert (first.rows_before, first.rows_after, first.duplicates, first.folded) == (2, 0, 1, 1)
    assert (second.rows_before, second.rows_after, second.added) == (1, 2, 1)
    assert sorted(row["op"] for row in table.rows()) == ["close", "open"]


@pytest.mark.parametrize("spec", [SPEC, narrow(changes("rides"))], ids=["anomalies", "changes"])
def test_two_at_once_add_the_rows_of_an_empty_day_once(
    spec: TableSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_in_folder(tmp_path, spec)
    staged, others = table.stage(said("a", 0, 0)), [True]

    def late(*arguments: Any) -> int:
        if others:  # another has read the same, and is quicker
            others.pop()
            table.compact(0, staged=staged)
        return commit(*arguments)

    monkeypatch.setattr(compactor, "commit", late)
    assert table.compact(0, staged=staged)[day(0)].outcome == "settled"
    assert not others
    assert len(table.rows()) == 1
