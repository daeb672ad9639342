"""Every catalog keeps the tables the same way."""

from dataclasses import replace
from uuid import uuid4

import pyarrow as pa
import pytest

from eddy.app.lake.tables import every_table
from eddy.lake import catalog
from eddy.schemas.errors import ConfigError, MissingResource, Unavailable
from tests.support.lake_world import ObjectStore


@pytest.fixture(params=["sqlite", "postgres", "glue"])
def config(request, object_store: ObjectStore, tmp_path, monkeypatch):
    if request.param == "sqlite":
        return object_store.lake(tmp_path)
    if request.param == "glue":  # moto is one too
        monkeypatch.setenv("AWS_ENDPOINT_URL_GLUE", object_store.endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", object_store.access_key_id)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", object_store.secret_access_key)
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        return object_store.lake(tmp_path, catalog="glue:", namespace=f"eddy_{uuid4().hex[:8]}")
    postgres = request.getfixturevalue("postgres")
    return object_store.lake(tmp_path, catalog=postgres.new_catalog())


def test_tables_are_made_once(config):
    specs = every_table()
    assert {one.outcome for one in catalog.create(config, specs)} == {"created"}
    assert {one.outcome for one in catalog.create(config, specs)} == {"kept"}
    for spec in specs:
        table = catalog.load(catalog.open_catalog(config), config, spec)
        assert table.location().startswith(config.warehouse)
        assert {field.name for field in table.schema().fields} == set(spec.columns)


def test_files_of_an_earlier_table_are_not_taken_for_those_of_a_new_one(config):
    specs, opened = every_table()[:1], catalog.open_catalog(config)
    name = catalog.identifier(config, specs[0])

    def forget() -> None:
        opened.drop_table(name)  # the files stay

    catalog.create(config, specs)
    forget()  # nothing was written: as where `create` was killed halfway
    catalog.create(config, specs)
    table = catalog.load(opened, config, specs[0])
    table.append(pa.Table.from_pylist([{"anomaly_id": "a"}], table.schema().as_arrow()))
    newest = table.metadata_location
    forget()
    with pytest.raises(ConfigError, match="register it"):
        catalog.create(config, specs)
    elsewhere = replace(config, warehouse=f"{config.warehouse}-2")
    assert [one.outcome for one in catalog.create(elsewhere, specs)] == ["created"]
    forget()
    opened.register_table(name, newest)
    assert [one.outcome for one in catalog.create(config, specs)] == ["kept"]
    assert catalog.load(opened, config, specs[0]).scan().to_arrow().num_rows == 1


def test_tables_stand_where_pyiceberg_puts_them(config):
    specs = every_table()[:1]
    catalog.create(config, specs)
    opened = catalog.open_catalog(config)
    ours = catalog.load(opened, config, specs[0]).location()
    by_itself = opened.create_table(f"{config.namespace}.other", specs[0].schema).location()
    assert ours == by_itself.removesuffix("other") + specs[0].name


def test_a_table_that_is_not_there_is_named(config):
    opened = catalog.open_catalog(config)
    with pytest.raises(MissingResource, match="eddy lake create"):
        catalog.load(opened, config, every_table()[0])


def test_an_open_catalog_outlives_its_database(object_store, postgres, tmp_path):
    config = object_store.lake(tmp_path, catalog=postgres.new_catalog())
    specs = every_table()[:1]
    catalog.create(config, specs)
    opened = catalog.open_catalog(config)
    catalog.load(opened, config, specs[0])
    postgres.server.restart()
    assert catalog.load(opened, config, specs[0]).name()[-1] == specs[0].name


def test_a_database_that_does_not_answer_is_named_without_a_password(object_store, tmp_path):
    from eddy.sandbox.machine import free_port

    config = object_store.lake(
        tmp_path,
        catalog=f"postgresql://eddy@127.0.0.1:{free_port()}/lake",
        catalog_password="geheim",
    )
    with pytest.raises(Unavailable, match=r"lake\.catalog: postgresql://eddy@") as caught:
        catalog.open_catalog(config)
    assert "geheim" not in str(caught.value)
