import tomllib

from eddy.app import settings
from eddy.app.demo import settings as demo_settings


def test_the_file_says_what_the_demo_uses(tmp_path, monkeypatch):
    path = tmp_path / 'with "quotes"' / "eddy.toml"
    path.parent.mkdir()
    tree = demo_settings.tree(path.parent, 29_092)
    used = demo_settings.write(path, tree)
    assert tomllib.loads(path.read_text()) == tree
    for name in ("EDDY_KAFKA__BOOTSTRAP_SERVERS", "EDDY_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    assert settings.load(path) == used
    assert used.kafka.bootstrap_servers == "127.0.0.1:29092"


def test_nothing_configured_elsewhere_reaches_the_demo(monkeypatch):
    monkeypatch.setenv("EDDY_KAFKA__BOOTSTRAP_SERVERS", "production:9092")
    monkeypatch.setenv("EDDY_CACHE", "/somewhere")
    variables = demo_settings.environment()
    assert "EDDY_KAFKA__BOOTSTRAP_SERVERS" not in variables
    assert variables["EDDY_CACHE"] == "/somewhere"
    assert "PATH" in variables
