"""Which registry ``storage.registry`` means, and that a bad one is said at once."""

from pathlib import Path

import pytest

from eddy.app import settings, wiring
from eddy.models.registry.bucket import BucketStore
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.mlflow.store import MlflowStore
from eddy.schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        (".eddy/models", FolderStore),
        ("s3://bucket/models", BucketStore),
        ("mlflow+http://127.0.0.1:5000", MlflowStore),
        ("mlflow+https://mlflow.example", MlflowStore),
        ("mlflow+sqlite:///mlflow.db", MlflowStore),
    ],
)
def test_the_right_one_is_made_and_nothing_asked(address, kind, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    chosen = settings.load(None, {"storage.registry": address})
    assert type(wiring.registry(chosen)._store) is kind
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize("address", ["", "http://mlflow:5000", "mlflow+http://ana:secret@host"])
def test_a_bad_one_is_said_when_settings_are_read(address, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDDY_STORAGE__REGISTRY", address)
    with pytest.raises(ConfigError, match=r"^storage\.registry: ") as caught:
        settings.load()
    assert "secret" not in str(caught.value)
