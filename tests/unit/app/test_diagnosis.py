import json
import socket
from dataclasses import replace

import pytest

from eddy.app.inspect import diagnosis
from eddy.app.settings import Settings, StorageConfig
from eddy.sandbox.machine import free_port
from eddy.streams import librdkafka
from eddy.streams.connection import Connection
from tests.support.commands import invoke


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setattr(diagnosis, "_BROKER_PATIENCE_S", 0.2)
    return Settings(
        kafka=Connection(bootstrap_servers=f"127.0.0.1:{free_port()}"),
        storage=StorageConfig(
            checkpoints_url=str(tmp_path / "checkpoints"),
            registry=str(tmp_path / "models"),
            stack=str(tmp_path),
        ),
    )


def checks(settings):
    return {check.name: check for check in diagnosis.diagnose(settings)}


def test_a_machine_without_a_broker(settings):
    results = checks(settings)
    assert results["python"].outcome == "ok"
    assert results["checkpoints"].outcome == "ok"
    assert results["model rides"].outcome == "warn"
    assert "eddy train rides" in results["model rides"].advice
    assert results["broker"].outcome == "fail"
    assert "eddy up" in results["broker"].detail
    assert "topics" not in results  # nobody to ask


def test_nothing_is_left_behind(settings, tmp_path):
    checks(settings)
    assert list(tmp_path.iterdir()) == []


def test_a_health_port_that_somebody_else_holds(settings):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        health = replace(settings.health, port=other.getsockname()[1])
        results = checks(settings.model_copy(update={"health": health}))["health port"]
    assert results.outcome == "fail"
    assert "EDDY_HEALTH__PORT" in results.advice


def test_a_wheel_without_the_library_is_slower_not_broken(settings, monkeypatch):
    monkeypatch.setattr(librdkafka, "find_library", lambda: None)
    assert checks(settings)["reader"].outcome == "warn"


@pytest.mark.parametrize(("free", "outcome"), [(1, "fail"), (2**31, "warn"), (2**40, "ok")])
def test_room_on_the_disk(settings, monkeypatch, free, outcome):
    monkeypatch.setattr(diagnosis.shutil, "disk_usage", lambda _: type("", (), {"free": free}))
    assert checks(settings)["disk"].outcome == outcome


def test_a_damaged_champion_fails(settings, tmp_path):
    home = tmp_path / "models" / "rides"
    (home / "versions" / "1").mkdir(parents=True)
    (home / "aliases.json").write_text('{"sequence":1,"aliases":{"champion":"1"}}')
    results = checks(settings)["model rides"]
    assert results.outcome == "fail"
    assert "eddy rollback rides" in results.advice


def test_the_command_is_for_people_and_machines(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDDY_KAFKA__BOOTSTRAP_SERVERS", settings.kafka.bootstrap_servers)
    done = invoke("doctor")
    assert done.exit_code == 3
    assert "✗ broker" in done.stdout
    done = invoke("doctor", "--json")
    outcomes = {check["name"]: check["outcome"] for check in json.loads(done.stdout)}
    assert outcomes["broker"] == "fail"


def test_a_configuration_that_cannot_be_used_is_a_finding(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eddy.toml").write_text("[engine]\nnope = 1\n")
    done = invoke("doctor")
    assert done.exit_code == 3
    assert "engine.nope" in done.stdout
