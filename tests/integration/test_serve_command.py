"""``eddy serve`` as a process: predicts, follows the champion, and ends well."""

import hashlib
import json
import signal
import socket
import threading
import time
from collections.abc import Callable

import httpx
import pytest

from eddy.models.detectors.fraud.parameters import FraudParameters
from tests.support.eddy_process import environment, start
from tests.support.serving_world import NAME, a_registry, corrupt, linear_model, put, some_rows

TOKEN = "secret"
LIMIT_S = 60.0


def eventually(check: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_S
    while not check():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


class Served:
    """A running service, with one client that keeps its connection."""

    def __init__(self, folder, **settings):
        self.registry = a_registry(folder / "models")
        self.log = folder / "serve.log"
        self.env = environment("127.0.0.1:1", folder, **settings)
        self.process = start(self.env, "serve", "--port", "0", log=self.log)
        eventually(lambda: "serving" in self.events() or self.process.poll() is not None)
        (line,) = [line for line in self.lines() if line["event"] == "serving"]
        self.url = f"http://127.0.0.1:{line['port']}"
        self.client = httpx.Client(base_url=self.url, timeout=30)

    def lines(self):
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def events(self):
        return [line["event"] for line in self.lines()]

    def predict(self, row):
        return self.client.post("/prediction", json={"feature_vector": row})

    def version(self):
        return self.predict([0.5] * 15).json()["model"]["version"]

    def end(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.client.close()
        return self.process.wait(timeout=LIMIT_S)


@pytest.fixture
def served(tmp_path):
    own = Served(tmp_path, serving__reload_interval_s=0.1)
    yield own
    own.end(signal.SIGKILL)


def test_it_predicts_follows_the_champion_and_keeps_the_last_good_one(served, tmp_path):
    assert served.client.get("/live").status_code == 200
    assert served.client.get("/ready").status_code == 503
    put(served.registry, linear_model(0))
    eventually(lambda: served.client.get("/ready").status_code == 200)

    rows = some_rows(100)
    champion = served.registry.load(NAME, "champion", FraudParameters)
    batch = served.client.post("/predictions", json={"feature_vectors": rows.tolist()}).json()
    scores = [one["score"] for one in batch["predictions"]]
    assert scores == champion.parameters.score(rows).tolist()
    assert served.predict(rows[0].tolist()).json()["score"] == scores[0]

    put(served.registry, linear_model(1))
    eventually(lambda: served.version() == "2")
    served.registry.rollback(NAME)
    eventually(lambda: served.version() == "1")

    corrupt(tmp_path / "models", "2")
    force_champion(tmp_path / "models", "2")
    eventually(lambda: "model_not_taken" in served.events())
    assert served.version() == "1"
    assert served.client.get("/ready").status_code == 200
    shown = served.client.get("/metrics").text
    assert 'eddy_serving_model_reloads_total{name="transactions",outcome="refused"} 1.0' in shown

    assert answer_while_it_ends(served).startswith(b"HTTP/1.1 200")
    assert served.process.returncode == 0
    assert served.events()[-1] == "stopped"


def answer_while_it_ends(served):
    """Return the first line of the answer to a request that was under way at SIGTERM."""
    body = json.dumps({"feature_vector": [0.5] * 15}).encode()
    head = b"POST /prediction HTTP/1.1\r\nHost: eddy\r\nContent-Type: application/json\r\n"
    address = ("127.0.0.1", served.client.base_url.port)
    with socket.create_connection(address, timeout=LIMIT_S) as half:
        half.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body[:10])
        # it is under way once the service counts it
        eventually(lambda: in_flight(served.client) == 2.0)
        ended = threading.Thread(target=served.end)
        ended.start()
        eventually(lambda: not listens(address))
        half.sendall(body[10:])
        line = half.makefile("rb").readline()
    ended.join(timeout=LIMIT_S)
    return line


def listens(address):
    try:
        socket.create_connection(address, timeout=1).close()
    except OSError:
        return False
    return True


def force_champion(root, version):
    """Point the alias at a version as a hand would: a registry would look at the files first."""
    path = root / NAME / "aliases.json"
    content = json.loads(path.read_text())
    content["aliases"]["champion"] = version
    path.write_text(json.dumps(content))


def in_flight(client):
    """Return how many requests are being answered: this one is one of them."""
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("eddy_serving_requests_in_flight "):
            return float(line.split()[1])
    return None


def test_a_token_is_asked_for_and_an_interrupt_is_told(tmp_path):
    hashed = hashlib.sha256(TOKEN.encode()).hexdigest()
    put(a_registry(tmp_path / "models"), linear_model(0))
    served = Served(tmp_path, serving__token_sha256=hashed)
    try:
        eventually(lambda: served.client.get("/ready").status_code == 200)
        assert served.predict([0.5] * 15).status_code == 401
        served.client.headers["authorization"] = f"Bearer {TOKEN}"
        assert served.predict([0.5] * 15).status_code == 200
        assert served.end(signal.SIGINT) == 130
        logged = served.log.read_text()
        assert TOKEN not in logged
        assert hashed not in logged
    finally:
        served.end(signal.SIGKILL)
