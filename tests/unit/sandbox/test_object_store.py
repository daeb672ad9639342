"""What an object store is started with, and what it says when it cannot start."""

import shutil
import stat
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from eddy.sandbox import object_store as stores
from eddy.sandbox.machine import free_port
from eddy.sandbox.object_store import EmbeddedObjectStore, Versitygw
from eddy.schemas.errors import MissingResource


@contextmanager
def answering(status):
    """Serve every GET with one status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def store(tmp_path):
    return EmbeddedObjectStore(tmp_path / "josé", free_port(), buckets=("lake",))


def test_its_settings_hold_the_secret_and_are_private(store):
    store.prepare()
    file = store.directory / "s3proxy.properties"
    lines = dict(line.split("=", 1) for line in file.read_text("ascii").splitlines())
    assert lines["s3proxy.endpoint"] == f"http://127.0.0.1:{store.port}" == store.endpoint
    assert lines["s3proxy.credential"] == store.credentials.secret_access_key
    assert lines["jclouds.filesystem.basedir"].endswith("/jos\\u00e9/data")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_its_command_line_holds_no_secret(store):
    command = store.process().argv
    assert store.credentials.secret_access_key not in " ".join(command)
    assert command.index("-Xmx256m") > command.index("-Xmx512m"), "of two the last one counts"


def test_its_buckets_are_made(store):
    store.prepare()
    store.make_buckets()
    assert [bucket.name for bucket in (store.directory / "data").iterdir()] == ["lake"]


@pytest.mark.parametrize("kind", [EmbeddedObjectStore, Versitygw])
def test_a_taken_port_names_the_option(tmp_path, kind):
    with (
        answering(200) as port,
        pytest.raises(MissingResource, match=rf"port {port} .*already taken.*--store-port"),
    ):
        kind(tmp_path, port).start()


def test_a_full_disk_is_said_before_anything_is_fetched(store, monkeypatch):
    monkeypatch.setattr(stores.ObjectStoreServer, "room_bytes", 2**60)
    with pytest.raises(MissingResource, match="MiB are needed"):
        store.start()
    assert not store.directory.exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MissingResource, match="cannot write to .*file"):
        EmbeddedObjectStore(tmp_path / "file" / "store", free_port()).prepare()


@pytest.mark.parametrize(("status", "is_store"), [(200, False), (404, False), (403, True)])
def test_only_who_asks_for_a_key_is_ready(tmp_path, status, is_store):
    with answering(status) as port:
        assert EmbeddedObjectStore(tmp_path, port).process().ready() is is_store


def test_nobody_is_not_ready(store):
    assert not store.process().ready()


def test_without_versitygw_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(MissingResource, match="versitygw"):
        Versitygw(tmp_path, free_port()).prepare()
