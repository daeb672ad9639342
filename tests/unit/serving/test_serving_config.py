"""The settings of the service."""

import hashlib

import pytest

from eddy.app import settings
from eddy.app.detection.serving import listen
from eddy.schemas.errors import ConfigError, MissingResource

HASH = hashlib.sha256(b"secret").hexdigest()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_bound_to_this_machine_and_asks_for_no_token():
    serving = settings.load().serving
    assert serving.host == "127.0.0.1"
    assert serving.names == ["transactions"]
    assert serving.token_hashes == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("port = -1", "serving.port"),
        ("port = 65536", "serving.port"),
        ("models = ' , '", "serving.models"),
        ("max_rows = 0", "serving.max_rows"),
        ("reload_interval_s = 0", "serving.reload_interval_s"),
        ("reload_interval_s = nan", "serving.reload_interval_s"),
        ("token_sha256 = 'my token'", "serving.token_sha256"),
        ("token_sha256_file = 'nowhere'", "serving.token_sha256_file"),
        ("token_sha256_file = 'empty'", "serving.token_sha256_file"),
        ("token_sha256_file = 'plain'", "serving.token_sha256"),
        ("token = 'secret'", "serving.token"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_the_key(here, text, key):
    (here / "empty").write_text("\n")
    (here / "plain").write_text("my token\n")
    (here / "eddy.toml").write_text(f"[serving]\n{text}\n")
    with pytest.raises(ConfigError, match=key) as caught:
        settings.load()
    assert "my token" not in str(caught.value)


def test_hashes_come_from_a_file_or_the_environment_and_are_shown_nowhere(here, monkeypatch):
    (here / "hashes").write_text(f"{HASH.upper()}\n{'0' * 64}\n")
    monkeypatch.setenv("EDDY_SERVING__TOKEN_SHA256_FILE", "hashes")
    monkeypatch.setenv("EDDY_SERVING__MODELS", "transactions,vectors")
    read = settings.load()
    assert read.serving.token_hashes == [HASH, "0" * 64]
    assert read.serving.names == ["transactions", "vectors"]
    shown = repr(read) + str(dict(settings.flatten(read)))
    assert HASH not in shown.lower()
    monkeypatch.delenv("EDDY_SERVING__TOKEN_SHA256_FILE")
    monkeypatch.setenv("EDDY_SERVING__TOKEN_SHA256", HASH)
    assert settings.load().serving.token_hashes == [HASH]


def test_a_port_that_is_taken_is_named():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(MissingResource, match="serving.port"):
            listen("127.0.0.1", port)
    listen("127.0.0.1", port).close()
    with pytest.raises(MissingResource, match="serving.port"):
        listen("no-such-host.invalid", 0)
