"""The registry in MLflow where its database, its files or its server are not as they should be."""

import http.server
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eddy.models.artefact import encode_parameters
from eddy.models.registry.manifest import Training
from eddy.models.registry.mlflow.client import connect
from eddy.models.registry.mlflow.files import LocalFiles, ServedFiles
from eddy.models.registry.mlflow.store import MlflowStore
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import ConfigError, DamagedModel, ModelRefused, Unavailable, UnknownModel

NOW = datetime(2024, 3, 1, tzinfo=UTC)
TRAINING = Training(trained_at=NOW, settings={"k": 20}, rows=1000)
CARD = b"# Rides\n\nFinds rides that are far from others."
WRITES = {
    *("create_registered_model", "set_registered_model_tag", "set_registered_model_alias"),
    *("create_experiment", "create_run", "log_batch", "set_terminated", "create_model_version"),
}


class Radius(msgspec.Struct, frozen=True):
    eps: float


def register(registry: Registry, eps: float = 0.1, name: str = "rides", **more: Any) -> str:
    artefact = encode_parameters(Radius(eps))
    return registry.register(
        name, artefact, training=TRAINING, metrics={"f1": 0.5, "p@100": 0.3}, **more
    )


@pytest.fixture
def uri(mlflow_database: Path, tmp_path: Path) -> str:
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def registry(uri: str) -> Registry:
    return Registry(MlflowStore(uri), lambda: NOW, max_artefact_bytes=10_000)


def file_of(tmp_path: Path, version: str = "1") -> Path:
    found = sorted((tmp_path / "artifacts").rglob("model.json"), key=lambda p: p.stat().st_mtime_ns)
    return found[int(version) - 1]


# -- what its pages show ----------------------------------------------------------------------


def test_the_run_shows_how_it_came_about_and_how_good_it_is(registry, uri) -> None:
    register(registry, files={"model_card.md": CARD})
    client = connect(uri)
    version = client.get_model_version("rides", "1")
    assert version.description == CARD.decode()
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"f1": 0.5, "p_100": 0.3}
    assert run.data.params == {"rows": "1000", "k": "20"}
    assert run.data.tags["mlflow.note.content"] == CARD.decode()
    assert run.data.tags["eddy.sha256"] == registry.resolve("rides", "1").sha256


def test_a_server_and_its_database_hold_the_same_registry(empty_mlflow) -> None:
    served = Registry(MlflowStore(empty_mlflow.url), lambda: NOW)
    local = Registry(MlflowStore(f"sqlite:///{empty_mlflow.directory / 'mlflow.db'}"), lambda: NOW)
    register(served, 0.1, files={"model_card.md": CARD})
    register(local, 0.2)
    served.promote("rides", "2", by="ana")
    assert [
        one.load("rides", v, Radius).parameters.eps for one in (served, local) for v in "12"
    ] == [*(0.1, 0.2, 0.1, 0.2)]
    assert local.history("rides") == served.history("rides")
    shown = [
        file.path for file in connect(empty_mlflow.url).list_artifacts(run_of(served), "model")
    ]
    assert shown == ["model/model.json", "model/model_card.md"]


def run_of(registry: Registry) -> str:
    return str(connect(registry._store._uri).get_model_version("rides", "1").run_id)


# -- damage -----------------------------------------------------------------------------------


def damage_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def test_damaged_files_are_refused_and_not_promoted(registry, tmp_path) -> None:
    register(registry, 0.1), register(registry, 0.2)
    registry.promote("rides", "1")
    good = file_of(tmp_path, "2").read_bytes()
    for damage in (damage_byte, cut, lengthen, Path.unlink):
        file_of(tmp_path, "2").write_bytes(good)
        path = file_of(tmp_path, "2")
        damage(path)
        with pytest.raises(DamagedModel, match=r"model\.json"):
            registry.load("rides", "2", Radius)
        with pytest.raises(DamagedModel):
            registry.promote("rides", "2")
        path.write_bytes(good)
    assert registry.aliases("rides") == {"champion": "1"}
    assert len(registry.history("rides")) == 1


def test_damaged_files_behind_a_server_are_refused(empty_mlflow) -> None:
    registry = Registry(MlflowStore(empty_mlflow.url), lambda: NOW)
    version = register(registry, 0.1)
    place = connect(empty_mlflow.url).get_model_version("rides", version).source
    path = (
        empty_mlflow.directory
        / "artifacts"
        / place.removeprefix("mlflow-artifacts:/")
        / "model.json"
    )
    good = path.read_bytes()
    for damage in (damage_byte, cut, lengthen, Path.unlink):
        path.write_bytes(good)
        damage(path)
        with pytest.raises(DamagedModel, match=r"model\.json"):
            registry.load("rides", version, Radius)
    path.write_bytes(good)
    assert registry.load("rides", version, Radius).parameters.eps == 0.1


@pytest.mark.parametrize(
    "tag",
    ["", "{", "null", "[]", "{}", "[" * 100_000, '{"name":"rides","files":{}}'],
    ids=["empty", "torn", "null", "list", "nothing", "deep", "fileless"],
)
def test_a_damaged_manifest_is_refused(registry, uri, tag) -> None:
    register(registry)
    connect(uri).set_model_version_tag("rides", "1", "eddy.manifest", tag[:90_000])
    for ask in (registry.resolve, lambda *which: registry.load(*which, Radius)):
        with pytest.raises(DamagedModel, match=r"eddy\.manifest of rides 1"):
            ask("rides", "1")


def test_another_models_manifest_is_refused(registry, uri) -> None:
    register(registry), register(registry, name="tpv")
    client = connect(uri)
    other = client.get_model_version("tpv", "1").tags["eddy.manifest"]
    client.set_model_version_tag("rides", "1", "eddy.manifest", other)
    with pytest.raises(DamagedModel, match="belongs to 'tpv'"):
        registry.resolve("rides", "1")


@pytest.mark.parametrize(
    "place",
    [
        *("mlflow-artifacts:/../../etc", "mlflow-artifacts:/a/./b", "mlflow-artifacts:/a//b"),
        *("file:///etc", "/etc", "http://127.0.0.1/a", "mlflow-artifacts://host/a", ""),
        *("mlflow-artifacts:/a%2f..%2fb", "mlflow-artifacts:/.hidden", "mlflow-artifacts:/"),
    ],
)
def test_places_that_no_version_has(place, tmp_path) -> None:
    for files in (LocalFiles(tmp_path), ServedFiles("http://127.0.0.1:9")):
        with pytest.raises(DamagedModel, match="no place"):
            files.get(place, "model.json", 100)


def test_versions_that_others_made_are_passed_over(registry, uri) -> None:
    register(registry)
    client = connect(uri)
    client.create_model_version("rides", "mlflow-artifacts:/elsewhere", await_creation_for=0)
    client.create_registered_model("not-ours")
    client.create_registered_model("Their model")
    assert registry.versions("rides") == ["1"]
    assert registry.resolve("rides", "latest").version == "1"
    assert registry.names() == ["rides"]
    with pytest.raises(DamagedModel, match="not registered by eddy"):
        registry.resolve("rides", "2")
    assert register(registry) == "3"


def test_a_model_that_was_there_before_is_used(registry, uri) -> None:
    connect(uri).create_registered_model("rides")
    assert registry.names() == []
    register(registry)
    assert registry.names() == ["rides"]


def test_a_version_deleted_in_mlflow_is_unknown(registry, uri) -> None:
    register(registry), register(registry)
    registry.promote("rides", "1")
    registry.promote("rides", "2")
    connect(uri).delete_model_version("rides", "2")
    for which in ("2", "champion"):
        with pytest.raises(UnknownModel):
            registry.resolve("rides", which)
    assert registry.versions("rides") == ["1"]
    registry.promote("rides", "1")
    assert registry.resolve("rides", "champion").version == "1"


def test_an_alias_moved_in_mlflow_is_obeyed(registry, uri) -> None:
    register(registry), register(registry)
    registry.promote("rides", "1")
    connect(uri).set_registered_model_alias("rides", "champion", "2")
    assert registry.resolve("rides", "champion").version == "2"
    registry.promote("rides", "2", by="ana")  # now the log knows it, too
    assert [(c.before, c.after) for c in registry.history("rides")] == [(None, "1"), ("1", "2")]
    connect(uri).set_registered_model_alias("rides", "champion", "1")
    registry.promote("rides", "2", by="ana")
    assert registry.resolve("rides", "champion").version == "2"


def test_more_than_a_tag_takes_is_refused(registry) -> None:
    training = Training(trained_at=NOW, settings={"features": ["x" * 100] * 1000})
    with pytest.raises(ConfigError, match="MLflow takes"):
        registry.register("rides", b"{}", training=training, metrics={})
    assert registry.names() == []


def test_reading_makes_no_database(tmp_path) -> None:
    registry = Registry(MlflowStore(f"sqlite:///{tmp_path}/new/mlflow.db"), lambda: NOW)
    assert (registry.names(), registry.versions("rides")) == ([], [])
    assert (registry.aliases("rides"), registry.history("rides")) == ({}, [])
    for ask in (registry.resolve, lambda *which: registry.load(*which, Radius), registry.promote):
        with pytest.raises(UnknownModel):
            ask("rides", "champion")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_unavailable(tmp_path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    registry = Registry(MlflowStore(f"sqlite:///{tmp_path}/mlflow.db"), lambda: NOW)
    with pytest.raises(Unavailable, match="not a database"):
        registry.resolve("rides", "champion")


# -- death between two calls ------------------------------------------------------------------


class Killed(BaseException):
    """What no handler of errors takes for one."""


class Dying:
    """A client, or its files, that does so many writes and then nothing any more."""

    def __init__(self, real: Any, left: list[int]) -> None:
        self._real, self._left = real, left

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._real, name)
        if name not in WRITES and name != "put":
            return call

        def write_or_die(*arguments: Any, **named: Any) -> Any:
            self._left[0] -= 1
            if self._left[0] < 0:
                raise Killed
            return call(*arguments, **named)

        return write_or_die


def killed_after(uri: str, writes: int, work: Callable[[Registry], None]) -> bool:
    """Do `work` until that many writes are done; return whether that was before its end."""
    store, left = MlflowStore(uri), [writes]
    registry = Registry(store, lambda: NOW)
    store._connected = Dying(connect(uri), left)
    store._files = Dying(store._files, left)
    try:
        work(registry)
    except Killed:
        return True
    return False


def check_whole(registry: Registry) -> tuple[int, int, str | None]:
    versions, history = registry.versions("rides"), registry.history("rides")
    for version in versions:
        registry.load("rides", version, Radius)
    champion = registry.aliases("rides").get("champion")
    assert (history[-1].after if history else None) == champion
    assert [change.before for change in history] == [None, *(c.after for c in history)][:-1]
    return len(versions), len(history), champion


def test_death_at_every_write_of_a_registration_and_a_promotion(registry, uri) -> None:
    def work(mortal: Registry) -> None:
        mortal.promote("rides", register(mortal))

    seen, writes = [], 0
    while killed_after(uri, writes, work):
        seen.append(check_whole(registry))
        writes += 1
    seen.append(check_whole(registry))
    assert writes >= 9
    # nothing at all for long; a version; one more, and a line that nothing came of; a promotion
    # not confirmed, then the next writer, who has that to confirm as well; and all of it
    assert set(seen[:-5]) == {(0, 0, None)}
    assert seen[-5:] == [(1, 0, None), (2, 0, None), (3, 1, "3"), (4, 2, "4"), (5, 3, "5")]


def test_death_at_every_write_of_a_rollback(registry, uri) -> None:
    for _ in range(2):
        registry.promote("rides", register(registry))
    seen = [check_whole(registry)]
    for writes in range(3):
        assert killed_after(uri, writes, lambda mortal: mortal.rollback("rides"))
        seen.append(check_whole(registry))
    assert seen == [(2, 2, "2"), (2, 2, "2"), (2, 2, "2"), (2, 3, "1")]
    registry.promote("rides", "2")
    assert [c.action for c in registry.history("rides")] == ["set", "set", "rollback", "set"]
    assert registry.rollback("rides").version == "1"


# -- servers that are none --------------------------------------------------------------------


@contextmanager
def answering(content: bytes | None) -> Iterator[tuple[str, list[bytes]]]:
    """A server that says `content` to everything, or accepts and never says anything."""
    asked: list[bytes] = []
    open_ones: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                open_ones.append(client)
                if content is not None:
                    asked.append(client.recv(65536))
                    client.sendall(content)
                    client.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for client in open_ones:
                client.close()


def http_answer(body: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


ANSWERS = {
    "a page": http_answer(b"<html>", kind="text/html"),
    "a list": http_answer(b"[]"),
    "another type": http_answer(
        b'{"model_version": 3, "model_versions": 3, "registered_model": {"tags": 3}}'
    ),
    "500": http_answer(b"oops", "500 Oops"),
    "404": http_answer(b"no", "404 Not Found"),
    "round and round": b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n",
    "no HTTP": b"\x00\x01\r\n\r\n",
    "nothing": b"",
    "silence": None,
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_what_is_no_answer_is_unavailable(answer, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    with answering(answer) as (url, _):
        registry = Registry(MlflowStore(url), lambda: NOW)
        for ask in (
            lambda: registry.resolve("rides", "champion"),
            lambda: registry.load("rides", "latest", Radius),
            lambda: registry.history("rides"),
        ):
            with pytest.raises(Unavailable, match=url):
                ask()


def test_nobody_there_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    registry = Registry(MlflowStore(f"http://127.0.0.1:{port}"), lambda: NOW)
    with pytest.raises(Unavailable, match="refused"):
        registry.resolve("rides", "champion")
    with pytest.raises(Unavailable):
        register(registry)


def test_a_token_is_sent_and_never_said(monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "h3ml1g")
    with answering(http_answer(b"no", "401 Unauthorized")) as (url, asked):
        registry = Registry(MlflowStore(url), lambda: NOW)
        with pytest.raises(Unavailable, match="MLFLOW_TRACKING_TOKEN") as caught:
            registry.resolve("rides", "champion")
    assert b"Authorization: Bearer h3ml1g" in asked[0]
    assert "h3ml1g" not in str(caught.value)


class Endless(http.server.BaseHTTPRequestHandler):
    """Sends more than it was asked for, packed or not, until nobody reads any more."""

    sent = 0

    def do_GET(self) -> None:
        assert self.headers["Accept-Encoding"] == "identity"
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        while Endless.sent < 2**30:
            try:
                self.wfile.write(b"\0" * 2**16)
            except OSError:
                return
            Endless.sent += 2**16

    def log_message(self, *_: object) -> None:
        pass


def test_no_more_of_a_file_is_read_than_it_may_have() -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            files = ServedFiles(f"http://127.0.0.1:{server.server_address[1]}")
            with pytest.raises(DamagedModel, match="larger than 1000 bytes"):
                files.get("mlflow-artifacts:/1/a/artifacts/model", "model.json", 1000)
        finally:
            server.shutdown()
    assert Endless.sent < 2**26


# -- the cost of knowing it -------------------------------------------------------------------


def test_mlflow_is_imported_by_those_who_use_it_only() -> None:
    code = (
        "import sys; from eddy.app import wiring, settings; "
        "wiring.registry(settings.load()).names(); "
        "assert not {'mlflow', 'pandas', 'sqlalchemy'} & set(sys.modules), 'imported'"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith("EDDY_")}
    place = {"EDDY_STORAGE__REGISTRY": "mlflow+sqlite:////nowhere/mlflow.db"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=clean | place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_nothing_is_ever_sent_home() -> None:
    connect("http://127.0.0.1:9")
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    from mlflow.telemetry import get_telemetry_client

    assert get_telemetry_client() is None


def test_a_missing_model_is_no_refusal_of_another_kind(registry) -> None:
    with pytest.raises(ModelRefused) as caught:
        registry.load("rides", "champion", Radius)
    assert type(caught.value) is UnknownModel
