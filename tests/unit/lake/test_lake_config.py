"""What may be said of the lake, and that its secrets stay where they are."""

import pytest

from eddy.app import settings
from eddy.lake.config import LakeConfig
from eddy.schemas.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"catalog": "mysql://db"}, "lake.catalog: mysql://db: begins with one of"),
        ({"warehouse": "s3://"}, "lake.warehouse: s3://: wants the form"),
        ({"warehouse": "/data"}, "lake.warehouse: /data: wants the form"),
        ({"endpoint": "localhost:9000"}, "lake.endpoint: localhost:9000: is no http"),
        ({"commit_interval_s": 0.1}, "lake.commit_interval_s: 0.1 is less than 0.5"),
        ({"commit_interval_s": float("nan")}, "lake.commit_interval_s: nan is less"),
        ({"access_key_id": "key"}, "go together"),
        ({"secret_access_key": "secret"}, "go together"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key(given, told):
    with pytest.raises(ConfigError, match=told):
        LakeConfig(**given)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+pg8000"])
def test_a_password_in_the_address_is_refused_and_not_repeated(scheme):
    with pytest.raises(ConfigError, match="catalog_password_file") as refused:
        LakeConfig(catalog=f"{scheme}://lake:hunter2@db:5432/lake")
    assert "hunter2" not in str(refused.value)


def test_secrets_are_not_shown(tmp_path):
    (tmp_path / "secret").write_text("hunter3\n")
    file = tmp_path / "eddy.toml"
    file.write_text(
        '[lake]\naccess_key_id = "key"\ncatalog_password = "hunter2"\n'
        f'secret_access_key_file = "{tmp_path / "secret"}"\n'
    )
    read = settings.load(file)
    assert (read.lake.catalog_password, read.lake.secret_access_key) == ("hunter2", "hunter3")
    shown = repr(read) + str(read.lake) + repr(dict(settings.flatten(read)))
    assert "hunter" not in shown


def test_the_bucket_is_the_warehouses():
    assert LakeConfig(warehouse="s3://one/two/three").bucket == "one"
