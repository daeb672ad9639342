import json

import pytest

from eddy.schemas.errors import ConfigError
from tests.support.commands import invoke


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return invoke(*arguments)


def test_a_valid_configuration(here):
    (here / "eddy.toml").write_text("[engine]\ngroup = 'mine'\n")
    done = run("config", "check")
    assert done.exit_code == 0
    assert "rides" in done.stdout


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[engine]\nbatch = 1\n", "engine.batch"),
        ("[kafka]\nsecurity_protocol = 'X'\n", "kafka.security_protocol"),
        ("[domains.rides]\nmin_windw = 1\n", "min_windw"),
        ("[domains.rides]\nmin_window = 0\n", "min_window"),
        ("[domains.taxis]\n", "taxis"),
        ("reload_interval_s = 0\n", "reload_interval_s"),
        ("[engine\n", "eddy.toml"),
    ],
)
def test_an_error_names_the_key_and_is_exit_code_2(here, text, key):
    (here / "eddy.toml").write_text(text)
    with pytest.raises(ConfigError, match=key):
        run("config", "check")
    assert ConfigError.exit_code == 2


def test_an_unknown_variable_is_an_error(here, monkeypatch):
    monkeypatch.setenv("EDDY_KAFKAA__X", "1")
    with pytest.raises(ConfigError, match="EDDY_KAFKAA__X"):
        run("config", "check")


def test_a_missing_file_is_named(here):
    with pytest.raises(ConfigError, match=r"other\.toml"):
        run("config", "check", "--config", "other.toml")


def test_shows_what_is_in_force_with_the_policies(here, monkeypatch):
    (here / "eddy.toml").write_text("[engine]\ngroup = 'file'\ninstance_id = 'file'\n")
    monkeypatch.setenv("EDDY_ENGINE__GROUP", "environment")
    monkeypatch.setenv("EDDY_DOMAINS__RIDES__MIN_WINDOW", "77")
    shown = json.loads(run("config", "show", "--json").stdout)
    assert shown["engine.group"] == "environment"
    assert shown["engine.instance_id"] == "file"
    assert shown["domains.rides.min_window"] == 77
    assert "domains.rides.critical_score" in shown
    assert "engine.group = environment" in run("config", "show").stdout


def test_shows_a_section(here):
    lines = run("config", "show", "health").stdout.splitlines()
    assert lines
    assert all(line.startswith("health.") for line in lines)


def test_secrets_are_never_shown(here, monkeypatch):
    (here / "secret").write_text("hunter2\n")
    monkeypatch.setenv("EDDY_KAFKA__SASL_PASSWORD_FILE", "secret")
    monkeypatch.setenv("EDDY_KAFKA__SSL_KEY_PASSWORD", "hunter3")
    for arguments in (["--json"], []):
        text = run("config", "show", *arguments).stdout
        assert "hunter" not in text
        assert "********" in text
