import json
import urllib.error
import urllib.request

import pytest
from prometheus_client import CollectorRegistry, Gauge

from eddy.schemas.errors import MissingResource
from eddy.streams.health import HealthServer, ProbeResult


@pytest.fixture
def server():
    registry = CollectorRegistry()
    Gauge("toy", "A gauge.", registry=registry).set(4)
    server = HealthServer(
        registry,
        lambda: ProbeResult(True, "fine"),
        lambda: ProbeResult(False, "restoring"),
        "127.0.0.1",
        0,
    )
    yield server
    server.close()


def get(server, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}") as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_the_three_paths(server):
    assert get(server, "/live") == (200, b'{"ok":true,"detail":"fine"}')
    assert get(server, "/ready") == (503, b'{"ok":false,"detail":"restoring"}')
    assert b"toy 4.0" in get(server, "/metrics")[1]
    assert get(server, "/")[0] == 404


def test_a_taken_port_is_named(server):
    with pytest.raises(MissingResource, match=rf"health\.port.*{server.port}.*--health-port"):
        HealthServer(CollectorRegistry(), list, list, "127.0.0.1", server.port)


def test_details_are_json(server):
    assert json.loads(get(server, "/live")[1])["ok"] is True
