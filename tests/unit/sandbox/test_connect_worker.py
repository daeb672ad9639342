"""What a Connect worker is started with, and what it says when it cannot start."""

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from eddy.sandbox import server as server_module
from eddy.sandbox.connect import SINK, EmbeddedConnect
from eddy.sandbox.jars import ICEBERG_SINK_JARS, jar_directory
from eddy.sandbox.machine import free_port
from eddy.schemas.errors import ConfigError, MissingResource


@pytest.fixture
def no_downloads(monkeypatch):
    monkeypatch.setattr(server_module, "ensure_jars", lambda *_: [])


def read(worker):
    lines = (worker.directory / "connect.properties").read_text("ascii").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_its_settings(tmp_path, no_downloads):
    worker = EmbeddedConnect(tmp_path / "josé", "127.0.0.1:9192", free_port(), group="mine")
    worker.prepare()
    settings = read(worker)
    assert settings["bootstrap.servers"] == "127.0.0.1:9192"
    assert settings["listeners"] == worker.url
    assert worker.url.startswith("http://127.0.0.1:")
    assert settings["group.id"] == "mine"
    topics = {settings[f"{kind}.storage.topic"] for kind in ("config", "offset", "status")}
    assert topics == {"mine.configs", "mine.offsets", "mine.status"}
    assert settings["plugin.path"].endswith("/jos\\u00e9/plugins")
    assert settings["connector.client.config.override.policy"] == "All"


def test_its_plugin_is_the_folder_of_the_jars(tmp_path, no_downloads):
    worker = EmbeddedConnect(tmp_path, "127.0.0.1:9192", free_port())
    worker.prepare()
    worker.prepare()  # also a second time
    [plugin] = (tmp_path / "plugins").iterdir()
    assert plugin.is_symlink()
    assert plugin.readlink() == jar_directory(ICEBERG_SINK_JARS)


def test_a_folder_with_a_comma_is_refused(tmp_path, no_downloads):
    with pytest.raises(ConfigError, match="comma"):
        EmbeddedConnect(tmp_path / "a,b", "127.0.0.1:9192", free_port()).prepare()


def test_a_taken_port_names_the_setting(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        expected = rf"port {port} .*already taken.*EDDY_LAKE__CONNECT_URL"
        with pytest.raises(MissingResource, match=expected):
            EmbeddedConnect(tmp_path, "127.0.0.1:9192", port).start()


def test_a_full_disk_is_said_before_anything_is_fetched(tmp_path, monkeypatch):
    monkeypatch.setattr(EmbeddedConnect, "room_bytes", 2**60)
    with pytest.raises(MissingResource, match="MiB are needed"):
        EmbeddedConnect(tmp_path / "new", "127.0.0.1:9192", free_port()).start()
    assert not (tmp_path / "new").exists()


@contextmanager
def rest(health, plugins):
    """Answer as a worker does: the status of ``/health``, and the classes of its plugins."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = {"status": "x"} if self.path == "/health" else [{"class": c} for c in plugins]
            self.send_response(health if self.path == "/health" else 200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("health", "plugins", "is_ready"),
    [
        (200, ["org.apache.kafka.Other", SINK], True),
        (200, ["org.apache.kafka.Other"], False),
        (503, [SINK], False),
    ],
)
def test_it_is_ready_when_it_has_joined_and_knows_the_sink(tmp_path, health, plugins, is_ready):
    with rest(health, plugins) as port:
        assert EmbeddedConnect(tmp_path, "127.0.0.1:1", port).process().ready() is is_ready


def test_nobody_is_not_ready(tmp_path):
    assert not EmbeddedConnect(tmp_path, "127.0.0.1:1", free_port()).process().ready()
