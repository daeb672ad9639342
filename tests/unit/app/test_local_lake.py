import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from eddy.app.lake import local as local_lake
from eddy.app.settings import Settings, StorageConfig
from eddy.app.settings.stack_file import StackDefaults
from eddy.app.stack import local_stack
from eddy.lake.config import LakeConfig
from eddy.schemas.errors import ConfigError, MissingResource
from tests.support.commands import invoke


def settings(folder=".eddy", **lake):
    return Settings(lake=LakeConfig(**lake), storage=StorageConfig(stack=str(folder)))


@pytest.mark.parametrize("url", ["http://127.0.0.1:8183", "http://localhost:8183/"])
def test_the_workers_port_is_that_of_the_settings(url):
    assert local_lake.worker_port(settings(connect_url=url)) == 8183
    assert local_lake.worker(settings(connect_url=url)).port == 8183


@pytest.mark.parametrize(
    "url", ["http://connect.example:8083", "https://127.0.0.1:8083", "http://127.0.0.1"]
)
def test_a_worker_elsewhere_is_not_embedded_and_nothing_is_started(url, monkeypatch):
    monkeypatch.setattr(local_stack, "up", lambda *_, **__: pytest.fail("was started"))
    with pytest.raises(ConfigError, match=r"lake\.connect_url"):
        local_lake.up(settings(connect_url=url), StackDefaults(9000, True), print)


def test_the_store_has_the_warehouses_bucket(tmp_path):
    store = local_lake.object_store(settings(tmp_path, warehouse="s3://mine/w"), 9100)
    store.make_buckets()
    assert (tmp_path / "object-store" / "data" / "mine").is_dir()
    assert store.endpoint == "http://127.0.0.1:9100"


def test_the_watch_is_told_on_its_command_line():
    process = local_lake.watch(settings(), Path("eddy.toml"), {"A": "b"})
    command = " ".join(process.argv)
    assert "-m eddy lake watch --bootstrap-servers 127.0.0.1:9092 --health-port 9465" in command
    assert command.endswith(str(Path("eddy.toml").absolute()))
    assert process.env == {"A": "b"}


def test_a_taken_port_of_the_watch_says_so_before_the_start():
    with socket.create_server(("127.0.0.1", 0)) as server:
        chosen = settings()
        health = replace(chosen.health, port=server.getsockname()[1] - 1)
        process = local_lake.watch(chosen.model_copy(update={"health": health}))
        with pytest.raises(MissingResource, match="EDDY_HEALTH__PORT"):
            process.prepare()


def test_a_port_of_the_store_wants_the_lake():
    with pytest.raises(ConfigError, match="--lake"):
        invoke("up", "--store-port", "9100")
    assert ConfigError.exit_code == 2


def test_without_the_extra_it_says_which(tmp_path):
    code = (
        "import sys; sys.modules['pyiceberg'] = None; sys.argv = ['eddy', 'up', '--lake']; "
        "from eddy.app.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == MissingResource.exit_code
    assert "pyiceberg" in done.stderr
    assert "eddy-stream[sandbox,lake]" in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing was begun"
