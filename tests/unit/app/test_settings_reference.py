"""What is said of settings: in the terminal, in the JSON Schema and on the page."""

import jsonschema

from eddy.app.domains import BUILT_IN
from eddy.app.settings import reference
from eddy.app.settings.loading import known_keys
from tests.support.commands import invoke


def test_every_setting_is_described_with_its_type():
    settings = {setting.key: setting for setting in reference.settings_of(BUILT_IN)}
    assert set(known_keys()) - {"domains"} <= settings.keys()
    assert [key for key, setting in settings.items() if not setting.description] == []
    assert settings["health.port"].kind == "whole number, at least 0, at most 65535"
    assert settings["engine.fuse_ratio"].default == 0.95


def test_the_schema_takes_what_is_right_and_nothing_else():
    validator = jsonschema.Draft202012Validator(reference.schema())
    right = {"kafka": {"bootstrap_servers": "a:1"}, "domains": {"tpv": {"enabled": False}}}
    assert validator.is_valid(right)
    for wrong in (
        {"kafkaa": {}},
        {"health": {"port": 99_999}},
        {"engine": {"batch_size": 0}},
        {"domains": {"rides": {"min_windw": 1}}},
        {"domains": {"taxis": {}}},
    ):
        assert not validator.is_valid(wrong), wrong


def test_settings_are_shown_with_what_they_mean(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "eddy.toml").write_text("[health]\nport = 9000\n")
    shown = invoke("config", "show", "health.port", "--describe").stdout
    assert "Port 0 takes a free one." in shown
    assert "default 9464" in shown
    assert "(in eddy.toml)" in shown
    assert "health.port = 9000" in shown
