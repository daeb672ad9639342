"""Questions in SQL: DuckDB over the tables, as they are at the moment of connecting. Read only.

DuckDB gets the three extensions it needs from wheels, signed; it downloads nothing. Once connected
it can read what is under the warehouse and nothing else, and no setting can be changed any more.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

from eddy.lake.catalog import open_catalog
from eddy.lake.config import LakeConfig
from eddy.lake.outages import named_outages
from eddy.schemas.errors import ConfigError, MissingResource, Unavailable
from eddy.schemas.installation import pip_install

_EXTENSIONS = ("httpfs", "avro", "iceberg")
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "allow_unsigned_extensions": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "python_enable_replacements": "false",  # a name is a table's, never a Python variable's
}
_EXPLAIN = re.compile(r"\s*explain\b(\s+analyze\b|\s*\([^)]*\))?", re.IGNORECASE)
_MASK = "********"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question came to.

    Attributes
    ----------
    rows : pyarrow.Table
    is_cut : bool
        Whether there are more rows.
    """

    rows: pa.Table
    is_cut: bool


def connect(config: LakeConfig, tables: Iterable[str] | None = None) -> Any:
    """Return a DuckDB connection in which every table of the lake is a view of its name.

    For programs and notebooks of people who may write to the store anyway: whoever passes on
    questions of others takes `ask`, which refuses all but SELECT.

    Parameters
    ----------
    tables : iterable of str, optional
        The only ones to connect to.

    Raises
    ------
    MissingResource
        There are no tables; says what to do.
    Unavailable
        The catalog or the store does not answer.
    """
    catalog = open_catalog(config)
    names = _names(catalog, config) if tables is None else list(tables)
    places = {name: _metadata(catalog, config, name) for name in names}
    connection = duckdb.connect(config=_SETTINGS)
    with answering(config):
        for name in _EXTENSIONS:
            connection.execute(f"load {_quoted(str(_extension(name)))}")
        _allow(connection, config)
        for name, place in places.items():
            scan = f"select * from iceberg_scan({_quoted(place)})"  # noqa: S608 - quoted
            connection.execute(f"create view {_identifier(name)} as {scan}")
        _lock(connection, config)
    return connection


@contextmanager
def answering(config: LakeConfig) -> Iterator[None]:
    """Turn what DuckDB says into Unavailable, without the secrets that it may hold."""
    try:
        yield
    except duckdb.Error as error:
        raise Unavailable(f"lake: {masked(str(error), config)}") from None


def ask(connection: Any, sql: str, config: LakeConfig, limit: int | None = None) -> Answer:
    """Return what a question comes to.

    Parameters
    ----------
    connection : DuckDBPyConnection
        See `connect`.
    sql : str
        One SELECT, or what DuckDB takes for one: FROM, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES;
        also EXPLAIN of one.
    limit : int, optional
        Of rows.

    Raises
    ------
    ConfigError
        It is not valid, with DuckDB's own words, or it is something else.
    Unavailable
        The store does not answer.
    """
    try:
        _require_question(sql)
        # no more than asked for is computed where DuckDB can do without
        reader = connection.execute(sql).to_arrow_reader(1024)
        batches, count = [], 0
        for batch in reader:
            batches.append(batch)
            count += len(batch)
            if limit is not None and count > limit:
                break
        rows = pa.Table.from_batches(batches, reader.schema)
    except (duckdb.IOException, duckdb.HTTPException) as error:
        raise Unavailable(f"lake: {masked(str(error), config)}") from None
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise ConfigError(f"sql: {masked(str(error), config)}") from None
    is_cut = limit is not None and count > limit
    return Answer(rows.slice(0, limit) if is_cut else rows, is_cut)


def masked(text: str, config: LakeConfig) -> str:
    """Return a message without the secrets that it may contain."""
    for secret in (config.secret_access_key, config.catalog_password):
        text = text.replace(secret, _MASK) if secret else text
    return text


def _require_question(sql: str) -> None:
    statements = duckdb.extract_statements(sql)
    kinds = [statement.type for statement in statements]
    if kinds == [duckdb.StatementType.EXPLAIN]:  # EXPLAIN ANALYZE does what it explains
        inner = _EXPLAIN.sub("", statements[0].query, count=1)
        kinds = [statement.type for statement in duckdb.extract_statements(inner)]
    if kinds != [duckdb.StatementType.SELECT]:
        named = ", ".join(kind.name for kind in kinds) or "nothing"
        raise ConfigError(f"sql: wants one SELECT (or DESCRIBE, SHOW TABLES, EXPLAIN), not {named}")


def _names(catalog: Catalog, config: LakeConfig) -> list[str]:
    try:
        names = sorted(name for _, name in catalog.list_tables(config.namespace))
    except NoSuchNamespaceError:
        names = []
    if not names:
        raise MissingResource(
            f"there are no tables in {config.namespace}; `eddy lake create` makes them"
        )
    return names


def _metadata(catalog: Catalog, config: LakeConfig, name: str) -> str:
    """Return where a table's state of now is written."""
    try:
        with named_outages(name):
            return catalog.load_table((config.namespace, name)).metadata_location
    except NoSuchTableError as error:
        raise MissingResource(
            f"there is no table {config.namespace}.{name}; `eddy lake create` makes it"
        ) from error


def _extension(name: str) -> Path:
    package = find_spec(f"duckdb_extension_{name}")
    folder = Path(package.origin).parent if package and package.origin else Path()
    version = f"v{duckdb.__version__}"
    file = folder / "extensions" / version / f"{name}.duckdb_extension"
    if package is None or not file.is_file():
        raise MissingResource(
            f"duckdb-extension-{name} {duckdb.__version__} is not installed: {pip_install('lake')}"
        )
    return file


def _allow(connection: Any, config: LakeConfig) -> None:
    """Tell DuckDB how to reach the store; the secret is in no message and no setting."""
    parts = urlsplit(config.endpoint)
    options = {"region": config.region, **_credentials(config)}
    if config.endpoint:
        options |= {"endpoint": parts.netloc, "url_style": "path"}
    named = "".join(f", {key} {_quoted(value)}" for key, value in options.items() if value)
    secure = f", use_ssl {str(parts.scheme != 'http').lower()}"
    try:
        connection.execute(f"create secret lake (type s3{named}{secure})")
    except duckdb.Error as error:
        raise Unavailable(f"lake: DuckDB refuses the store's settings ({type(error)})") from None


def _credentials(config: LakeConfig) -> dict[str, str]:
    if config.access_key_id:
        return {"key_id": config.access_key_id, "secret": config.secret_access_key}
    import boto3  # noqa: PLC0415 - half a second, and only where AWS is to say who we are

    credentials = boto3.Session().get_credentials()
    if credentials is None:
        return {}
    frozen = credentials.get_frozen_credentials()
    token = frozen.token or ""
    return {"key_id": frozen.access_key, "secret": frozen.secret_key, "session_token": token}


def _lock(connection: Any, config: LakeConfig) -> None:
    warehouse = f"{config.warehouse.rstrip('/')}/"
    connection.execute("set TimeZone = 'UTC'")
    connection.execute("set enable_progress_bar = false")
    connection.execute(f"set allowed_directories = [{_quoted(warehouse)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
