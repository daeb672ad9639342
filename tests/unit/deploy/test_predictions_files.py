"""How the prediction service is run in containers, held against the service itself."""

import hashlib
from pathlib import Path

import pytest
import yaml

from eddy.app import settings
from tests.support.commands import parse

ROOT = Path(__file__).parents[3]
DEPLOYMENT, SERVICE = yaml.safe_load_all(
    (ROOT / "deploy" / "kubernetes" / "predictions.yaml").read_text()
)
POD = DEPLOYMENT["spec"]["template"]
(CONTAINER,) = POD["spec"]["containers"]
ENVIRONMENT = {one["name"]: one["value"] for one in CONTAINER["env"]}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["predictions"]


@pytest.fixture
def read(tmp_path, monkeypatch):
    """The settings as the container reads them."""
    monkeypatch.chdir(tmp_path)
    hashes = tmp_path / "hashes"
    hashes.write_text(hashlib.sha256(b"secret").hexdigest())
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, str(hashes) if name.endswith("_FILE") else value)
    monkeypatch.delenv("EDDY_CONFIG")
    return settings.load()


def test_the_service_finds_its_pods():
    labels = POD["metadata"]["labels"]
    assert SERVICE["spec"]["selector"] == DEPLOYMENT["spec"]["selector"]["matchLabels"] == labels
    (port,) = SERVICE["spec"]["ports"]
    assert port["targetPort"] == CONTAINER["ports"][0]["name"]


def test_it_is_a_command_with_settings_there_are(read):
    parse(*CONTAINER["args"])
    (port,) = CONTAINER["ports"]
    assert read.serving.port == port["containerPort"]
    assert read.serving.host == "0.0.0.0"
    assert POD["metadata"]["annotations"]["prometheus.io/port"] == str(read.serving.port)
    assert POD["spec"]["terminationGracePeriodSeconds"] > read.serving.stop_timeout_s + 5


def test_others_need_a_token(read):
    assert len(read.serving.token_hashes) == 1
    folder = Path(ENVIRONMENT["EDDY_SERVING__TOKEN_SHA256_FILE"]).parent
    mounts = {mount["mountPath"]: mount["name"] for mount in CONTAINER["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in POD["spec"]["volumes"]}
    assert "secret" in volumes[mounts[str(folder)]]
    assert ENVIRONMENT["EDDY_STORAGE__REGISTRY"] in mounts


def test_it_can_write_nothing_and_become_nobody():
    rights = CONTAINER["securityContext"]
    assert rights["readOnlyRootFilesystem"]
    assert not rights["allowPrivilegeEscalation"]
    assert POD["spec"]["securityContext"]["runAsNonRoot"]
    writable = {one["name"] for one in CONTAINER["volumeMounts"] if not one.get("readOnly")}
    assert writable == {"temporary"}


def test_probes_ask_what_is_open():
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/live"
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/ready"


def test_compose_publishes_the_port_it_listens_on():
    (port,) = COMPOSE["ports"]
    assert port == f"127.0.0.1:{settings.load(decided=False).serving.port}:8800"
    assert "http://127.0.0.1:8800/live" in COMPOSE["healthcheck"]["test"][-1]
