"""A day's files: whole where the manifest says so, whatever happened on the way."""

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from pyarrow.fs import LocalFileSystem

from eddy.lake.rides.clustering import ClusteringSummary
from eddy.lake.rides.published_day import ANOMALIES, MANIFEST, SUMMARY, publish, read
from eddy.lake.store import Folder, digest
from eddy.models.domains.rides.default import default_model
from eddy.schemas.anomalies import Entity, Source
from eddy.schemas.clustered import Clustered

START = datetime(2024, 3, 1, tzinfo=UTC)
MODEL = default_model().ref


def anomaly(number: int) -> Clustered:
    return Clustered(
        anomaly_id=f"a{number}", domain="rides", detector="windowed_dbscan",
        entity=Entity("ride", f"r{number}"), occurred_at=START + timedelta(seconds=number),
        detected_at=START + timedelta(days=1), score=1.5, severity="info", confidence=1.0,
        actual={"distance_km": 1.0}, model=MODEL, config_hash="abc",
        source=Source("events.rides", 0, number), streamed_score=1.5, streamed_verdict="anomaly",
    )  # fmt: skip


def summary(anomalies: int) -> ClusteringSummary:
    return ClusteringSummary(
        day="2024-03-01", rides=100, anomalies=anomalies, detector="windowed_dbscan",
        model=MODEL, config_hash="abc",
    )  # fmt: skip


class Failing(Folder):
    """A store that stops to answer after so many writes and deletes."""

    left = 0

    def write(self, name: str, content: bytes) -> None:
        self._count()
        super().write(name, content)

    def delete(self, name: str) -> None:
        self._count()
        super().delete(name)

    def _count(self) -> None:
        Failing.left -= 1
        if Failing.left < 0:
            raise OSError("gone")


@pytest.fixture
def place(tmp_path: Path) -> str:
    (tmp_path / "day").mkdir()
    return str(tmp_path / "day")


@pytest.fixture
def folder(place: str) -> Folder:
    return Folder(LocalFileSystem(), place)


def test_what_is_published_comes_back(folder: Folder) -> None:
    anomalies = [anomaly(1), anomaly(2)]
    assert publish(folder, anomalies, summary(2)) == "written"
    assert read(folder) == (summary(2), anomalies)


def test_a_day_without_anomalies_is_whole(folder: Folder) -> None:
    publish(folder, [], summary(0))
    assert read(folder) == (summary(0), [])


def test_the_manifest_tells_every_file_to_the_byte(folder: Folder) -> None:
    publish(folder, [anomaly(1)], summary(1))
    manifest = msgspec.json.decode(folder.read(MANIFEST) or b"")
    assert manifest["rides"] == 100
    assert manifest["model"]["sha256"] == MODEL.sha256
    assert manifest["config_hash"] == "abc"
    for file in manifest["files"]:
        content = folder.read(file["name"]) or b""
        assert (file["bytes"], file["sha256"]) == (len(content), digest(content))
    assert {file["name"]: file["rows"] for file in manifest["files"]} == {ANOMALIES: 1, SUMMARY: 1}


def test_the_same_again_writes_nothing(place: str, folder: Folder) -> None:
    publish(folder, [anomaly(1)], summary(1))
    before = {name: folder.read(name) for name in (ANOMALIES, SUMMARY, MANIFEST)}
    assert publish(Failing(LocalFileSystem(), place), [anomaly(1)], summary(1)) == "kept"
    assert {name: folder.read(name) for name in before} == before


def test_the_lines_carry_no_time_of_writing(folder: Folder) -> None:
    publish(folder, [anomaly(1)], summary(1))
    packed = folder.read(ANOMALIES) or b""
    assert packed[4:8] == bytes(4)
    assert msgspec.json.decode(gzip.decompress(packed), type=Clustered) == anomaly(1)


@pytest.mark.parametrize("writes", range(4))
def test_a_run_that_ended_anywhere_is_not_whole_and_the_next_one_mends_it(
    place: str, folder: Folder, writes: int
) -> None:
    publish(folder, [anomaly(1)], summary(1))
    Failing.left = writes
    with pytest.raises(OSError, match="gone"):
        publish(Failing(LocalFileSystem(), place), [anomaly(1), anomaly(2)], summary(2))
    assert read(folder) in ((summary(1), [anomaly(1)]), None)
    assert (read(folder) is None) == (writes > 0)
    assert publish(folder, [anomaly(1), anomaly(2)], summary(2)) == "written"
    assert read(folder) == (summary(2), [anomaly(1), anomaly(2)])


def test_a_damaged_file_is_seen_and_written_again(folder: Folder) -> None:
    publish(folder, [anomaly(1)], summary(1))
    folder.write(ANOMALIES, b"x")
    assert read(folder) is None
    assert publish(folder, [anomaly(1)], summary(1)) == "written"
    assert read(folder) is not None
