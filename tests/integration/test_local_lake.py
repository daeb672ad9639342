"""The embedded stack's lake is real: a store that keeps its objects, a worker that knows the sink,
and `eddy up --lake`, which starts them all."""

import json
import os
import shutil
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from pyarrow.fs import FileSelector, S3FileSystem

from eddy.sandbox.connect import SINK
from eddy.sandbox.machine import free_port, is_free
from eddy.sandbox.object_store import EmbeddedObjectStore, Versitygw
from eddy.sandbox.stack import Stack
from tests.support.eddy_process import eddy, environment
from tests.support.lake_world import ObjectStore

PART = 5 * 2**20  # S3's smallest part of an upload in several


@pytest.fixture(params=[EmbeddedObjectStore, Versitygw], scope="module")
def kept(request, tmp_path_factory):
    """A store that keeps its objects, of either kind, with a bucket made before its start."""
    if request.param is Versitygw and not shutil.which("versitygw"):
        pytest.skip("no versitygw on the PATH")
    folder = tmp_path_factory.mktemp("kept-store")
    with request.param(folder, free_port(), buckets=("lake",)) as server:
        keys = server.credentials
        yield ObjectStore(server.endpoint, keys.access_key_id, keys.secret_access_key, server)


def write(files, path, content):
    with files.open_output_stream(path) as stream:
        stream.write(content)


def read(files, path):
    with files.open_input_stream(path) as stream:
        return stream.read()


def test_objects_outlive_a_restart_and_a_kill(kept):
    files, large = kept.filesystem(), os.urandom(PART + 17)
    write(files, "lake/a/day=1/x ü%.bin", b"before")
    write(files, "lake/large", large)
    kept.server.restart()
    assert read(files, "lake/a/day=1/x ü%.bin") == b"before"
    write(files, "lake/a/day=1/x ü%.bin", b"between")
    kept.server.kill()
    assert kept.server.pid is None
    kept.server.start()
    assert read(files, "lake/a/day=1/x ü%.bin") == b"between"
    assert read(files, "lake/large") == large


def test_objects_are_listed_and_deleted(kept):
    files = kept.filesystem()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: write(files, f"lake/many/{n:03}", b"x"), range(60)))
    found = files.get_file_info(FileSelector("lake/many"))
    assert sorted(one.base_name for one in found) == [f"{n:03}" for n in range(60)]
    files.delete_file("lake/many/007")
    assert len(files.get_file_info(FileSelector("lake/many"))) == 59
    files.delete_dir_contents("lake/many")
    assert files.get_file_info(FileSelector("lake/many")) == []


def test_a_part_of_an_object_is_read(kept):
    files, content = kept.filesystem(), os.urandom(100_000)
    write(files, "lake/part", content)
    with files.open_input_file("lake/part") as file:
        file.seek(70_001)
        assert file.read(20) == content[70_001:70_021]


def test_who_has_not_the_secret_is_refused(kept):
    stranger = S3FileSystem(
        access_key=kept.access_key_id,
        secret_key="wrong",
        endpoint_override=kept.endpoint,
        region="us-east-1",
    )
    with pytest.raises(OSError, match="ACCESS_DENIED|SignatureDoesNotMatch|403|ignature"):
        write(stranger, "lake/stranger", b"x")


def test_a_store_says_nothing_secret(kept):
    assert kept.secret_access_key not in kept.server.log.read_text()


def test_the_worker_knows_the_sink_and_its_transforms(connect):
    address = f"{connect.url}/connector-plugins?connectorsOnly=false"
    with urllib.request.urlopen(address, timeout=10) as answer:
        known = {plugin["class"] for plugin in json.load(answer)}
    assert {
        SINK,
        "io.debezium.transforms.HeaderToValue",
        "org.apache.iceberg.connect.transforms.KafkaMetadataTransform",
        "org.apache.kafka.connect.transforms.InsertField$Value",
    } <= known
    # others who share the worker make it report errors of theirs
    assert "Failed to discover" not in connect.log.read_text()


@pytest.fixture
def place(tmp_path):
    """An environment whose stack has ports of its own, taken down at the end."""
    stack = tmp_path / "stack"
    port = next(port for port in iter(free_port, None) if is_free(port + 1))
    env = environment(
        f"127.0.0.1:{free_port()}",
        tmp_path,
        health__port=port,
        lake__connect_url=f"http://127.0.0.1:{free_port()}",
        lake__commit_interval_s=1,
    )
    if cache := os.environ.get("EDDY_CACHE"):
        env["EDDY_CACHE"] = cache
    yield env, stack
    Stack(stack).down()


def test_up_with_the_lake(place):
    env, stack = place

    def says(*words):
        done = eddy(env, *words, limit_s=200)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    names = ["kafka", "detector", "object-store", "connect", "lake-watch"]
    port = free_port()
    first = says("up", "--lake", "--store-port", str(port), "--partitions", "1")
    assert "created table eddy.anomalies_rides" in first
    assert "connectors run" in first
    running = json.loads(says("status", "--json"))
    assert [one["name"] for one in running] == names

    # Another command in the same folder finds store, key and catalog.
    shown = json.loads(says("config", "show", "lake", "--json"))
    assert shown["lake.endpoint"] == f"http://127.0.0.1:{port}"
    outcomes = {one["outcome"] for one in json.loads(says("lake", "create", "--json"))}
    assert outcomes == {"kept"}

    again = says("up", "--lake")
    assert again.count("already runs") == len(names)
    assert "created" not in again
    assert json.loads(says("status", "--json")) == running

    secret = (stack / "object-store" / "secret-access-key").read_text()
    logs = [log.read_text() for log in (stack / "logs").iterdir()]
    assert len(logs) == len(names)
    assert not any(secret in text for text in (first, again, *logs))

    says("down")
    assert Stack(stack).status() == []
    assert is_free(port)
