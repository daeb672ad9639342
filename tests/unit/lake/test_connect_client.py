"""The REST client, against a server that says what it is told to say."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from eddy.lake.sink.connect import ConnectClient, ConnectorStatus, TaskStatus
from eddy.schemas.errors import ConfigError, Unavailable


class Script:
    """Answers to come, in order (the last one stays), and what was asked."""

    def __init__(self):
        self.answers, self.asked = [], []
        script = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                size = int(self.headers.get("Content-Length") or 0)
                script.asked.append((self.command, self.path, self.rfile.read(size)))
                code, body = script.answers[0]
                if len(script.answers) > 1:
                    script.answers.pop(0)
                if isinstance(body, bytes):  # all there is of an answer that is cut
                    self.wfile.write(body)
                    self.close_connection = True
                    return
                text = b"" if body is None else json.dumps(body).encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def script():
    script = Script()
    yield script
    script.server.shutdown()
    script.server.server_close()


def status(state, *tasks):
    return {
        "connector": {"state": state},
        "tasks": [{"id": n, "state": s, "trace": t} for n, (s, t) in enumerate(tasks)],
    }


def test_a_status_is_read(script):
    script.answers = [(200, status("RUNNING", ("RUNNING", ""), ("FAILED", "why")))]
    seen = ConnectClient(script.url).status("a b")
    assert seen == ConnectorStatus(
        "RUNNING", "", (TaskStatus(0, "RUNNING"), TaskStatus(1, "FAILED", "why"))
    )
    assert not seen.runs
    assert seen.failure == "why"
    assert script.asked == [("GET", "/connectors/a%20b/status", b"")]


def test_a_connector_without_tasks_does_not_run(script):
    script.answers = [(200, status("RUNNING"))]
    assert not ConnectClient(script.url).status("a").runs


def test_what_is_not_there_is_none(script):
    script.answers = [(404, {"message": "no such connector"})]
    client = ConnectClient(script.url)
    assert client.status("a") is None
    assert client.settings("a") is None
    client.delete("a")


def test_settings_that_are_the_same_are_not_sent(script):
    script.answers = [(200, {"name": "a", "topics": "t"})]
    assert not ConnectClient(script.url).put("a", {"topics": "t"})
    assert [method for method, _, _ in script.asked] == ["GET"]


def test_settings_that_differ_are(script):
    script.answers = [(200, {"name": "a", "topics": "old"}), (200, {})]
    assert ConnectClient(script.url).put("a", {"topics": "t"})
    assert script.asked[-1] == ("PUT", "/connectors/a/config", b'{"topics": "t"}')


def test_a_rebalance_is_waited_for(script):
    script.answers = [(409, {"message": "rebalance"}), (500, {"message": "not now"}), (202, None)]
    ConnectClient(script.url).restart_failed("a")
    assert len(script.asked) == 3


def test_a_rebalance_that_does_not_end_is_unavailable(script):
    script.answers = [(409, {"message": "rebalance"})]
    with pytest.raises(Unavailable, match=r"lake\.connect_url.*409 rebalance"):
        ConnectClient(script.url, patience_s=0.3).resume("a")


def test_a_refusal_is_told(script):
    script.answers = [(404, None), (400, {"message": "unknown class"})]
    with pytest.raises(ConfigError, match="unknown class"):
        ConnectClient(script.url).put("a", {"connector.class": "x"})


def test_nobody_there_names_the_setting():
    with pytest.raises(Unavailable, match=r"lake\.connect_url.*EDDY_LAKE__CONNECT_URL"):
        ConnectClient("http://127.0.0.1:9").names()


@pytest.mark.parametrize(
    "cut",
    [
        b"",
        b"HTTP",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 500 Server Error\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{",
    ],
    ids=["before it", "in its first line", "in its body", "in that of an error", "in a chunk"],
)
def test_a_worker_that_dies_in_the_middle_of_an_answer_is_unavailable(script, cut):
    script.answers = [(0, cut)]
    with pytest.raises(Unavailable, match=r"lake\.connect_url"):
        ConnectClient(script.url).names()


def test_offsets_are_read_and_written(script):
    place = {"kafka_topic": "t", "kafka_partition": 3}
    one = {"partition": place, "offset": {"kafka_offset": 8}}
    script.answers = [(200, {"offsets": [one]})]
    client = ConnectClient(script.url)
    assert client.offsets("a") == {("t", 3): 8}
    client.alter_offset("a", "t", 3, 8)
    method, path, body = script.asked[-1]
    assert (method, path, json.loads(body)) == (
        "PATCH",
        "/connectors/a/offsets",
        {"offsets": [one]},
    )


def test_stopping_waits_until_no_task_is_left(script):
    running, stopping = status("RUNNING", ("RUNNING", "")), status("STOPPED", ("RUNNING", ""))
    script.answers = [(202, None), (200, running), (200, stopping), (200, status("STOPPED"))]
    ConnectClient(script.url).stop("a")
    assert [path for _, path, _ in script.asked] == [
        "/connectors/a/stop",
        *["/connectors/a/status"] * 3,
    ]


def test_what_does_not_come_is_told(script):
    script.answers = [(200, status("PAUSED", ("PAUSED", "")))]
    with pytest.raises(Unavailable, match="did not run within 0.1 s: it is PAUSED, tasks PAUSED"):
        ConnectClient(script.url).wait("a", lambda seen: seen.runs, "run", 0.1)
