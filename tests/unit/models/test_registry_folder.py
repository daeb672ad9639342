"""The folder registry where its files are damaged, full, or shared."""

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from eddy.models.artefact import encode_parameters
from eddy.models.registry import durable
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import DamagedModel, MissingResource, ModelRefused, Unavailable

NOW = datetime(2024, 3, 1, tzinfo=UTC)
TRAINING = Training(trained_at=NOW)
FILES = ["versions/2/model.json", "versions/2/model.skops", "versions/2/manifest.json"]


class Radius(msgspec.Struct, frozen=True):
    eps: float


def register(registry: Registry, eps: float) -> str:
    artefact, files = encode_parameters(Radius(eps)), {"model.skops": b"trees"}
    return registry.register("rides", artefact, training=TRAINING, metrics={}, files=files)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    registry = Registry(FolderStore(tmp_path), lambda: NOW, max_artefact_bytes=1000)
    register(registry, 0.1), register(registry, 0.2)
    registry.promote("rides", "1")
    registry.promote("rides", "2")
    return registry


def damage_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def fill(path: Path) -> None:
    path.write_bytes(b" " * 2_000_000)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [damage_byte, cut, fill, empty, make_pipe, make_folder])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_version_is_refused(registry, tmp_path, file, damage) -> None:
    damage(tmp_path / "rides" / file)
    with pytest.raises(ModelRefused):
        registry.load("rides", "champion", Radius)
    assert registry.load("rides", "1", Radius).parameters.eps == 0.1


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_is_damage(registry, tmp_path, file) -> None:
    (tmp_path / "rides" / file).unlink()
    with pytest.raises(DamagedModel, match="missing"):
        registry.load("rides", "champion", Radius)


def test_an_alias_of_a_version_that_is_gone_is_damage(registry, tmp_path) -> None:
    (tmp_path / "rides/versions/2").rename(tmp_path / "elsewhere")
    with pytest.raises(DamagedModel, match="gone"):
        registry.resolve("rides", "champion")


def test_a_manifest_of_another_version_is_damage(registry, tmp_path) -> None:
    versions = tmp_path / "rides/versions"
    (versions / "2/manifest.json").write_bytes((versions / "1/manifest.json").read_bytes())
    with pytest.raises(DamagedModel, match="belongs to"):
        registry.resolve("rides", "2")


@pytest.mark.parametrize("name", ["../1/model.json", "/etc/passwd", ".", "a/b", ".hidden", ""])
def test_a_manifest_that_names_what_no_version_has_is_damage(registry, tmp_path, name) -> None:
    path = tmp_path / "rides/versions/2/manifest.json"
    manifest = msgspec.json.decode(path.read_bytes())
    manifest["files"][name] = manifest["files"]["model.skops"]
    path.write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(DamagedModel, match="files that no version has"):
        registry.load("rides", "2", Radius)


def test_a_manifest_that_asks_for_more_than_allowed_is_damage(registry, tmp_path) -> None:
    path = tmp_path / "rides/versions/2/manifest.json"
    manifest = msgspec.json.decode(path.read_bytes())
    manifest["files"]["model.skops"]["size_bytes"] = 2**40
    path.write_bytes(msgspec.json.encode(manifest))
    with pytest.raises(DamagedModel, match="larger than 1000 bytes"):
        registry.load("rides", "2", Radius)


def test_a_log_from_before_there_were_reasons_is_read(registry, tmp_path) -> None:
    (tmp_path / "rides/aliases.jsonl").write_bytes(
        b'{"sequence":1,"at":"2024-03-01T00:00:00Z","action":"set","alias":"champion",'
        b'"before":null,"after":"1","by":"ana"}\n'
        b'{"sequence":2,"at":"2024-03-02T00:00:00Z","action":"set","alias":"champion",'
        b'"before":"1","after":"2","by":"bo"}\n'
    )
    registry.rollback("rides", by="cy", reason="too many alerts")
    told = [(c.after, c.by, c.reason, c.evidence) for c in registry.history("rides")]
    assert told == [
        ("1", "ana", "", {}),
        ("2", "bo", "", {}),
        ("1", "cy", "too many alerts", {}),
    ]


def test_damaged_aliases_say_so(registry, tmp_path) -> None:
    cut(tmp_path / "rides/aliases.json")
    cut(tmp_path / "rides/aliases.json")
    with pytest.raises(DamagedModel, match=r"aliases\.json"):
        registry.resolve("rides", "champion")


@pytest.mark.parametrize("damage", [damage_byte, cut])
def test_a_damaged_version_is_not_promoted(registry, tmp_path, damage) -> None:
    damage(tmp_path / "rides/versions/1/model.json")
    with pytest.raises(DamagedModel):
        registry.promote("rides", "1")
    with pytest.raises(DamagedModel):
        registry.rollback("rides")
    assert registry.resolve("rides", "champion").version == "2"
    assert len(registry.history("rides")) == 2


def test_strange_names_in_the_folder_are_passed_over(registry, tmp_path) -> None:
    (tmp_path / "rides/versions/junk").mkdir()
    (tmp_path / "rides/versions/007").mkdir()
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "empty").mkdir()
    assert registry.versions("rides") == ["1", "2"]
    assert registry.names() == ["rides"]


def test_what_a_dead_writer_left_is_removed(registry, tmp_path) -> None:
    (tmp_path / "rides/staging").mkdir()
    (tmp_path / "rides/staging/model.json").write_bytes(b"half")
    assert register(registry, 0.3) == "3"
    assert registry.load("rides", "3", Radius).parameters.eps == 0.3
    assert not (tmp_path / "rides/staging").exists()


def test_a_change_that_was_only_logged_did_not_happen(registry, tmp_path) -> None:
    before = registry.history("rides")
    log = tmp_path / "rides/aliases.jsonl"
    log.write_bytes(log.read_bytes() + log.read_bytes().splitlines(True)[-1].replace(b"2", b"3"))
    log.write_bytes(log.read_bytes() + b'{"sequence":4,"at":"20')
    assert registry.history("rides") == before
    registry.promote("rides", "1")
    assert [change.after for change in registry.history("rides")] == ["1", "2", "1"]
    assert len(log.read_bytes().splitlines()) == 3


def test_a_reader_needs_no_right_to_write(registry, tmp_path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a reader wrote")

    for name in ("locked", "_write", "replace", "make_folder"):
        monkeypatch.setattr(durable, name, refuse)
    assert registry.load("rides", "champion", Radius).parameters.eps == 0.2
    assert registry.versions("rides")
    assert registry.history("rides")


def test_a_full_disk_is_said_and_leaves_nothing(registry, tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(MissingResource, match="No space left"):
            register(registry, 0.3)
    assert registry.versions("rides") == ["1", "2"]
    assert register(registry, 0.3) == "3"


def test_a_held_lock_is_waited_for_only_so_long(tmp_path) -> None:
    lock = tmp_path / "lock"
    with durable.locked(lock), pytest.raises(Unavailable, match="held"):  # noqa: SIM117
        with durable.locked(lock, patience_s=0.05):
            pass
    with durable.locked(lock, patience_s=0.05):
        pass
