import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from eddy.app.settings import Settings
from eddy.app.stack.local_stack import answers_ok, broker, detector, local_port
from eddy.sandbox.machine import free_port
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.streams.connection import Connection


def settings(**kafka):
    return Settings(kafka=Connection(**kafka))


@pytest.mark.parametrize("server", ["127.0.0.1:9192", "localhost:9192"])
def test_the_port_is_that_of_the_settings(server):
    assert local_port(settings(bootstrap_servers=server)) == 9192
    assert broker(settings(bootstrap_servers=server)).port == 9192


@pytest.mark.parametrize(
    "kafka",
    [
        {"bootstrap_servers": "kafka.example:9092"},
        {"bootstrap_servers": "127.0.0.1:1,127.0.0.1:2"},
        {"bootstrap_servers": "127.0.0.1"},
        {"security_protocol": "SASL_SSL"},
    ],
)
def test_a_cluster_elsewhere_is_not_embedded(kafka):
    with pytest.raises(ConfigError, match=r"kafka\."):
        local_port(settings(**kafka))


def test_the_detector_is_told_on_its_command_line():
    chosen = settings(bootstrap_servers="127.0.0.1:9192")
    process = detector(chosen, Path("eddy.toml"), {"A": "b"})
    command = " ".join(process.argv)
    assert "-m eddy run --bootstrap-servers 127.0.0.1:9192 --health-port 9464" in command
    assert command.endswith(str(Path("eddy.toml").absolute()))
    assert process.env == {"A": "b"}
    assert detector(chosen).argv == detector(chosen).argv


def test_a_taken_health_port_says_so_before_the_start():
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        chosen = settings()
        health = replace(chosen.health, port=server.server_port)
        process = detector(chosen.model_copy(update={"health": health}))
        with pytest.raises(MissingResource, match="EDDY_HEALTH__PORT"):
            process.prepare()


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/ready" else 503)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_only_200_is_ready():
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        base = f"http://127.0.0.1:{server.server_port}"
        assert answers_ok(f"{base}/ready")
        assert not answers_ok(f"{base}/live")
        server.shutdown()
        thread.join()
    assert not answers_ok(f"http://127.0.0.1:{free_port()}/ready")
