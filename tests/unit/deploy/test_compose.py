"""The container files, as far as they can be held against the code without an engine."""

import re
from pathlib import Path

import pytest
import yaml

from eddy.app import settings
from tests.support.commands import parse

ROOT = Path(__file__).parents[3]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
SERVICES = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one.get("image") == "eddy:0.1.0"}


def properties(path: str) -> dict[str, str]:
    lines = (ROOT / path).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


@pytest.mark.parametrize("name", OURS)
def test_a_service_says_a_command_there_is(name):
    parse(*OURS[name]["command"])


@pytest.mark.parametrize("name", OURS)
def test_its_settings_are_settings(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for key, value in OURS[name]["environment"].items():
        (tmp_path / key).write_text("secret")
        monkeypatch.setenv(key, str(tmp_path / key) if key.endswith("_FILE") else value)
    read = settings.load()
    assert read.lake.history
    assert read.engine.publish_scored
    assert read.lake.secret_access_key == "secret"
    store = SERVICES["store"]["environment"]
    assert read.lake.access_key_id == store["ROOT_ACCESS_KEY_ID"]
    assert f"/data/{read.lake.bucket} " in SERVICES["store"]["entrypoint"][-1]
    assert read.lake.connect_url == "http://connect:8083"


def test_nothing_listens_beyond_this_machine():
    ports = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_what_is_waited_for_is_there():
    for one in SERVICES.values():
        for name, how in one.get("depends_on", {}).items():
            other = SERVICES[name]
            assert how["condition"] != "service_healthy" or "healthcheck" in other
            ends = "restart" not in other or other["restart"] == "on-failure"
            assert how["condition"] != "service_completed_successfully" or ends


def test_images_hold_what_is_there():
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line[0] == "!"}
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists(), source
            assert source in allowed or source.split("/")[0] in allowed, source
    targets = set(re.findall(r" AS (\w+)$", DOCKERFILE, re.MULTILINE))
    built = {one["build"]["target"] for one in SERVICES.values() if "build" in one}
    assert built <= targets
    assert "USER 10001" in DOCKERFILE


def test_the_stage_of_the_jars_installs_what_downloads_them():
    stage = DOCKERFILE.partition(" AS jars")[2].partition("FROM ")[0]
    installed = re.findall(r"-r (requirements/\S+)", stage)
    pins = {
        line.partition("==")[0]
        for path in installed
        for line in (ROOT / path).read_text().splitlines()
    }
    assert {"jgo", "filelock", "psutil"} <= pins


def test_the_worker_is_set_as_the_embedded_one():
    embedded = properties("sandbox/connect.properties")
    composed = properties("deploy/compose/connect.properties")
    own = {"bootstrap.servers", "listeners", "rest.advertised.host.name", "plugin.path"}
    assert set(composed) == set(embedded)
    for key, value in embedded.items():
        expected = value.replace("$group", "eddy.connect")
        assert key in own or composed[key] == expected, key


def test_the_broker_is_the_one_that_is_tested():
    listing = (ROOT / "sandbox/kafka-jars.txt").read_text()
    version = re.search(r"org\.apache\.kafka:kafka-clients:jar:([\d.]+)", listing)[1]
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{version}"
    assert f"FROM apache/kafka:{version} AS connect" in DOCKERFILE
