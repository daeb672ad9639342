"""What `eddy up --lake` decided is a default: shown, masked, and never mixed with what is given."""

import json
import sys

import pytest

from eddy.app import settings
from eddy.app.lake import stack_defaults as lake_stack
from eddy.app.lake.stack_defaults import embed
from eddy.app.settings.stack_file import StackDefaults, defaults
from eddy.lake.config import LakeConfig
from eddy.sandbox.credentials import Credentials
from eddy.sandbox.processes import BackgroundProcess
from eddy.sandbox.stack import Stack
from eddy.schemas.errors import ConfigError
from tests.support.commands import invoke

EMBEDDED = LakeConfig()
ELSEWHERE = LakeConfig(endpoint="http://s3.example:9000")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_by_default_store_and_catalog_are_embedded(tmp_path):
    assert embed(tmp_path / "new", EMBEDDED) == StackDefaults(lake_stack.STORE_PORT, True)


def test_a_port_is_kept_until_another_is_wanted(tmp_path):
    assert embed(tmp_path, EMBEDDED, 9100).store_port == 9100
    assert embed(tmp_path, EMBEDDED).store_port == 9100
    assert embed(tmp_path, EMBEDDED, 9200).store_port == 9200


@pytest.mark.parametrize(
    ("given", "decision"),
    [
        (ELSEWHERE, StackDefaults(None, True)),
        (LakeConfig(access_key_id="a", secret_access_key="b"), StackDefaults(None, True)),
        (LakeConfig(catalog="glue:"), StackDefaults(lake_stack.STORE_PORT, False)),
    ],
)
def test_what_is_given_is_not_embedded(tmp_path, given, decision):
    assert embed(tmp_path, given) == decision


def test_no_port_for_a_store_of_others(tmp_path):
    with pytest.raises(ConfigError, match=r"--store-port.*lake\.endpoint"):
        embed(tmp_path, ELSEWHERE, 9100)


def test_a_store_that_runs_stays_where_it_is(tmp_path):
    embed(tmp_path, EMBEDDED, 9100)
    idle = (sys.executable, "-c", "import time; time.sleep(60)")
    stack = Stack(tmp_path)
    stack.up([BackgroundProcess(name=lake_stack.STORE, argv=idle, ports=(9100,))])
    try:
        with pytest.raises(ConfigError, match="runs on port 9100.*eddy down"):
            embed(tmp_path, EMBEDDED, 9200)
        assert embed(tmp_path, EMBEDDED).store_port == 9100
    finally:
        stack.down()
    assert embed(tmp_path, EMBEDDED, 9200).store_port == 9200


def test_nothing_was_decided(tmp_path):
    assert defaults(tmp_path, {}) == {}


def test_defaults_reach_the_store_and_the_catalog(tmp_path):
    embed(tmp_path, EMBEDDED, 9100)
    keys = Credentials.kept_in(tmp_path / "object-store")
    assert defaults(tmp_path, {"namespace": "mine"}) == {
        "endpoint": "http://127.0.0.1:9100",
        "access_key_id": keys.access_key_id,
        "secret_access_key_file": str(keys.secret_file),
        "catalog": f"sqlite:///{tmp_path}/lake/catalog.db",
    }


@pytest.mark.parametrize(
    "key", ["endpoint", "access_key_id", "secret_access_key", "secret_access_key_file"]
)
def test_the_key_goes_to_no_other_store(tmp_path, key):
    embed(tmp_path, EMBEDDED)
    assert set(defaults(tmp_path, {key: "given"})) == {"catalog"}


def test_a_catalog_that_is_given_is_the_catalog(tmp_path):
    embed(tmp_path, EMBEDDED)
    assert "catalog" not in defaults(tmp_path, {"catalog": "glue:"})


@pytest.mark.parametrize("content", ["{", '{"store_port": "x"}', '{"port": 1}'])
def test_a_file_that_is_not_ours_is_named(tmp_path, content):
    (tmp_path / "lake.json").write_text(content)
    with pytest.raises(ConfigError, match=r"lake\.json.*eddy up --lake"):
        defaults(tmp_path, {})


def test_settings_take_it_below_all_others(here, monkeypatch):
    embed(here / ".eddy", EMBEDDED, 9100)
    keys = Credentials.kept_in(here / ".eddy" / "object-store")
    lake = settings.load().lake
    assert lake.endpoint == "http://127.0.0.1:9100"
    assert lake.secret_access_key == keys.secret_access_key
    assert lake.catalog == f"sqlite:///{here}/.eddy/lake/catalog.db"
    assert settings.load(decided=False).lake == EMBEDDED

    monkeypatch.setenv("EDDY_LAKE__ENDPOINT", "http://s3.example:9000")
    lake = settings.load().lake
    assert lake.endpoint == "http://s3.example:9000"
    assert lake.access_key_id == lake.secret_access_key == ""


def test_settings_look_in_the_folder_of_their_stack(here, monkeypatch):
    embed(here / "other", EMBEDDED, 9100)
    assert settings.load().lake == EMBEDDED
    monkeypatch.setenv("EDDY_STORAGE__STACK", "other")
    assert settings.load().lake.endpoint == "http://127.0.0.1:9100"


@pytest.mark.parametrize("text", ["lake = 3\n", "storage = 3\n", "[storage]\nstack = 3\n"])
def test_a_section_that_is_none_is_still_told(here, text):
    (here / "eddy.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"^(lake|storage)"):
        settings.load()


def test_config_shows_it_and_no_secret(here):
    embed(here / ".eddy", EMBEDDED, 9100)
    keys = Credentials.kept_in(here / ".eddy" / "object-store")
    shown = invoke("config", "show", "lake", "--json")
    assert json.loads(shown.stdout)["lake.endpoint"] == "http://127.0.0.1:9100"
    assert keys.secret_access_key not in shown.stdout
