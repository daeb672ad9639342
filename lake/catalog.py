"""The catalog: which tables there are and what their current state is."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from pyarrow.fs import FileSelector
from pyiceberg.catalog import LOCATION, Catalog, load_catalog
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from eddy.lake.config import LakeConfig
from eddy.lake.outages import named_outages
from eddy.lake.store import filesystem, object_path
from eddy.lake.tables import TableSpec
from eddy.schemas.errors import ConfigError, MissingResource, Unavailable

# A reader that meets a table of several writers; the sink needs neither.
_PROPERTIES = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "commit.retry.num-retries": "10",
    "history.expire.min-snapshots-to-keep": "5",
}

# left, too, by a `create` that was killed before it told the catalog
_FIRST_STATE = re.compile(r"00000-[^/]*\.metadata\.json")


@dataclass(frozen=True, slots=True)
class Created:
    """What `create` did to one table: ``created``, ``extended`` by new columns, or ``kept``."""

    table: str
    outcome: str


def open_catalog(config: LakeConfig) -> Catalog:
    """Return the catalog; nothing is created but an SQLite file's folder.

    Raises
    ------
    Unavailable
        Where the catalog does not answer.
    """
    properties = {"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO", **_store(config)}
    properties["warehouse"] = config.warehouse
    kind, uri = _address(config)
    try:
        catalog = load_catalog(
            config.catalog_name, type=kind, **({"uri": uri} if uri else {}), **properties
        )
    except Exception as error:  # SQLAlchemy's, pg8000's and botocore's have no common root
        raise Unavailable(f"lake.catalog: {config.catalog}: {error}") from error
    if isinstance(catalog, SqlCatalog):  # no pool: nothing stays open, nor outlives a database
        catalog.engine.dispose()
        catalog.engine = create_engine(catalog.engine.url, poolclass=NullPool)
    return catalog


def create(config: LakeConfig, specs: Sequence[TableSpec]) -> list[Created]:
    """Create the tables and columns that are missing; a second call changes nothing.

    Raises
    ------
    ConfigError
        Where files of a table stand that the catalog does not know: the catalog is another one,
        or was lost. Of a new table in their place they would be files that nobody needs.
    Unavailable
        Where the catalog or the store does not answer.
    """
    catalog = open_catalog(config)
    with named_outages(f"tables of {config.namespace}"):
        catalog.create_namespace_if_not_exists(config.namespace)
        return [_create(catalog, config, spec) for spec in specs]


def load(catalog: Catalog, config: LakeConfig, spec: TableSpec) -> Table:
    """Return a table's current state.

    Raises
    ------
    MissingResource
        There is none; says what to do.
    """
    try:
        return catalog.load_table(identifier(config, spec))
    except NoSuchTableError as error:
        raise MissingResource(
            f"there is no table {config.namespace}.{spec.name}; `eddy lake create` makes it"
        ) from error


def identifier(config: LakeConfig, spec: TableSpec) -> str:
    """Return a table's full name."""
    return f"{config.namespace}.{spec.name}"


def _create(catalog: Catalog, config: LakeConfig, spec: TableSpec) -> Created:
    name = identifier(config, spec)
    if not catalog.table_exists(name):
        location = _location(catalog, config, spec)
        _require_new(config, name, location)
        catalog.create_table(
            name,
            spec.schema,
            location=location,
            partition_spec=spec.partitioning,
            properties=_PROPERTIES,
        )
        return Created(spec.name, "created")
    table = catalog.load_table(name)
    before = table.schema()
    with table.update_schema() as update:
        update.union_by_name(spec.schema)
    return Created(spec.name, "kept" if table.schema() == before else "extended")


def _location(catalog: Catalog, config: LakeConfig, spec: TableSpec) -> str:
    """Return where a table's files are to be: where pyiceberg puts them by itself."""
    namespace = catalog.load_namespace_properties(config.namespace)
    ending = ".db" if config.catalog == "glue:" else ""
    folder = namespace.get(LOCATION) or (
        f"{config.warehouse.rstrip('/')}/{config.namespace}{ending}"
    )
    return f"{folder.rstrip('/')}/{spec.name}"


def _require_new(config: LakeConfig, name: str, location: str) -> None:
    """Raise ConfigError where an earlier table's files are; `delete_orphans` would take them."""
    metadata = FileSelector(f"{object_path(location)}/metadata", allow_not_found=True)
    names = [info.base_name for info in filesystem(config).get_file_info(metadata)]
    # of a table that was never committed to there is only its first state
    if any(not _FIRST_STATE.fullmatch(file) for file in names):
        raise ConfigError(
            f"lake.catalog: {config.catalog} knows no table {name} of {config.catalog_name}, but "
            f"{location} holds files of one: register it (docs/how-to/lake.md, "
            '"The catalog is lost"), or give the catalog and the catalog_name that know it, '
            "or another lake.warehouse"
        )


def _store(config: LakeConfig) -> dict[str, str]:
    """Return how pyiceberg reaches the store; what is empty it finds in the environment."""
    properties = {
        "s3.endpoint": config.endpoint,
        "s3.region": config.region,
        "s3.access-key-id": config.access_key_id,
        "s3.secret-access-key": config.secret_access_key,
        "s3.force-virtual-addressing": "" if config.endpoint else "true",
        # to put the parts of a large file together takes a server longer than the 3 s of default
        "s3.request-timeout": "60",
    }
    return {key: value for key, value in properties.items() if value}


def _address(config: LakeConfig) -> tuple[str, str]:
    """Return the catalog's kind and its SQLAlchemy address."""
    if config.catalog == "glue:":
        return "glue", ""
    if config.catalog.startswith("sqlite:///"):
        file = Path(config.catalog.removeprefix("sqlite:///")).absolute()
        file.parent.mkdir(parents=True, exist_ok=True)
        return "sql", f"sqlite:///{file}"
    parts = urlsplit(config.catalog)
    if not parts.username or not parts.hostname or not parts.path.strip("/"):
        raise ConfigError(
            f"lake.catalog: {config.catalog}: wants postgresql://USER@HOST:PORT/DATABASE"
        )
    password = f":{quote(config.catalog_password, safe='')}" if config.catalog_password else ""
    address = f"{parts.username}{password}@{parts.hostname}:{parts.port or 5432}{parts.path}"
    return "sql", f"postgresql+pg8000://{address}"
