from pathlib import Path

import pytest

from eddy.models.registry.address import parse
from eddy.schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        (".eddy/models", Path(".eddy/models")),
        ("/srv/models", Path("/srv/models")),
        ("mlflow", Path("mlflow")),
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/models/", "s3://bucket/models"),
        ("mlflow+http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("mlflow+http://mlflow", "http://mlflow"),
        ("mlflow+https://host.example/prefix/", "https://host.example/prefix"),
        ("mlflow+http://[::1]:5000", "http://[::1]:5000"),
        ("mlflow+sqlite:////srv/mlflow.db", "sqlite:////srv/mlflow.db"),
    ],
)
def test_what_an_address_means(address: str, meant: Path | str) -> None:
    assert parse(address) == meant


def test_a_database_is_found_from_wherever_one_goes(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("mlflow+sqlite:///a/mlflow.db") == f"sqlite:///{tmp_path}/a/mlflow.db"


@pytest.mark.parametrize(
    "address",
    [
        *(
            "",
            "  ",
            "http://host:5000",
            "s3://",
            "s3:///models",
            "s3://bucket?a=b",
            "file:///srv/models",
        ),
        *("mlflow+", "mlflow+http://", "mlflow+http:///path", "mlflow+ftp://host", "mlflow+host"),
        *("mlflow+http://host:port", "mlflow+http://host:70000", "mlflow+http://host:0"),
        *("mlflow+http://host?a=b", "mlflow+http://host#a"),
        *("mlflow+sqlite://mlflow.db", "mlflow+sqlite:///", "mlflow+sqlite:////"),
        *("mlflow+sqlite:mlflow.db", "mlflow+sqlite:///a.db?mode=ro"),
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(ConfigError, match=r"^storage\.registry: "):
        parse(address)


@pytest.mark.parametrize("scheme", ["mlflow+http", "mlflow+https", "http", "postgresql", "s3"])
def test_a_password_is_never_repeated(scheme: str) -> None:
    with pytest.raises(ConfigError, match="storage.registry") as caught:
        parse(f"{scheme}://ana:h3ml1g@host:5000")
    assert "h3ml1g" not in str(caught.value)
    assert caught.value.__context__ is None or "h3ml1g" not in str(caught.value.__context__)
