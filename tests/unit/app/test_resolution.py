"""What the settings make of a domain."""

import os
import subprocess
import sys

import pytest

from eddy.app.domains import domain
from eddy.app.instance_lock import only_instance
from eddy.app.resolution import resolve
from eddy.app.settings import Settings, StorageConfig
from eddy.schemas.errors import ConfigError
from eddy.streams.config import EngineConfig


@pytest.mark.parametrize(
    ("name", "section", "config_hash", "state_hash"),
    [
        ("rides", {}, "a7a37a03b8c2a491", "a7a37a03b8c2a491"),
        ("tpv", {}, "2c6248c6b6bbb238", "01ebc14cb89306ae"),
        ("transactions", {}, "a02f6b21694b30f8", "09cdd4a9e02f4391"),
        ("rides", {"window_rides": "5000"}, "421924d363df4ba5", "421924d363df4ba5"),
        (
            "tpv",
            {"interval_s": 60, "min_relative": 0.5},
            "72ffd0167058125a",
            "7e45a08e9b73ca0e",
        ),
    ],
)
def test_hashes_stay_what_they_were(name, section, config_hash, state_hash):
    """Literals of the first release: records and checkpoints written then carry them."""
    resolved = resolve(Settings(domains={name: section}), domain(name))
    assert (resolved.config_hash, resolved.state_hash) == (config_hash, state_hash)


@pytest.fixture
def settings(tmp_path):
    return Settings(
        engine=EngineConfig(group="g", instance_id="i"), storage=StorageConfig(stack=str(tmp_path))
    )


def test_a_second_process_of_the_name_is_refused_and_the_file_says_which_runs(settings, tmp_path):
    file = tmp_path / "locks" / "g.i.lock"
    with only_instance(settings):
        refused = pytest.raises(ConfigError, match="already runs as 'i' in group 'g'")
        with refused, only_instance(settings):
            pass
        assert file.read_text() == str(os.getpid())
    with only_instance(settings):
        pass


def test_the_lock_of_a_process_that_was_killed_is_free(settings, tmp_path):
    code = (
        "import os, signal, sys\n"
        "from eddy.app.instance_lock import only_instance\n"
        "from eddy.app.settings import Settings, StorageConfig\n"
        "from eddy.streams.config import EngineConfig\n"
        "engine = EngineConfig(group='g', instance_id='i')\n"
        "with only_instance(Settings(engine=engine, storage=StorageConfig(stack=sys.argv[1]))):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert done.returncode == -9
    with only_instance(settings):
        assert (tmp_path / "locks" / "g.i.lock").read_text() == str(os.getpid())
