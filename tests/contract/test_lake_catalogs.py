"""Every catalog keeps the tables the same way."""

import pytest

from eddy.lake.tables import every_table
from lake import catalog
from schemas.errors import MissingResource, Unavailable
from tests.lake_world import ObjectStore


@pytest.fixture(params=["sqlite", "postgres"])
def config(request, object_store: ObjectStore, tmp_path):
    if request.param == "sqlite":
        return object_store.lake(tmp_path)
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
    from deploy.embedded.machine import free_port

    config = object_store.lake(
        tmp_path,
        catalog=f"postgresql://eddy@127.0.0.1:{free_port()}/lake",
        catalog_password="geheim",
    )
    with pytest.raises(Unavailable, match=r"lake\.catalog: postgresql://eddy@") as caught:
        catalog.open_catalog(config)
    assert "geheim" not in str(caught.value)
