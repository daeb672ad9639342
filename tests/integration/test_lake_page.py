"""What docs/how-to/lake.md tells people to write and to run, written and run."""

import re
import tomllib
from dataclasses import fields
from pathlib import Path
from uuid import uuid4

import boto3
import pyarrow as pa
import pytest
from moto.server import ThreadedMotoServer

from eddy.app import settings
from eddy.app.settings import Settings
from eddy.lake import catalog
from eddy.lake.config import LakeConfig
from eddy.lake.tables import anomalies, rejections

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "lake.md").read_text()


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def test_the_settings_are_all_settings_of_the_lake():
    given = tomllib.loads(block("toml"))
    assert set(given["lake"]) == {field.name for field in fields(LakeConfig)}
    Settings(**given)


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {
        "CATALOG": f"sqlite:///{tmp_path}/catalog.db",
        "ENDPOINT": f"http://{host}:{port}",
        "WAREHOUSE": f"s3://page-{uuid4().hex[:8]}/warehouse",  # this process' servers share theirs
        "ACCESS_KEY_ID": "key",
        "SECRET_ACCESS_KEY": "secret",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"EDDY_LAKE__{name}", value)
    found = settings.load().lake
    boto3.client(
        "s3",
        endpoint_url=found.endpoint,
        region_name=found.region,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    ).create_bucket(Bucket=found.bucket)
    yield found
    server.stop()


def test_tables_survive_the_loss_of_the_catalog(config, tmp_path):
    specs = [anomalies("rides"), rejections()]
    catalog.create(config, specs)
    table = catalog.load(catalog.open_catalog(config), config, specs[0])
    for number in range(3):
        row = {"anomaly_id": str(number)}
        table.append(pa.Table.from_pylist([row], schema=table.schema().as_arrow()))
    (tmp_path / "catalog.db").unlink()
    exec(compile(block("python"), "docs/how-to/lake.md", "exec"), {})
    again = catalog.open_catalog(config)
    found = catalog.load(again, config, specs[0])
    rows = found.scan().to_arrow()["anomaly_id"].to_pylist()
    assert sorted(rows) == ["0", "1", "2"]
    assert catalog.load(again, config, specs[1]).scan().to_arrow().num_rows == 0
    assert [one.outcome for one in catalog.create(config, specs)] == ["kept", "kept"]
