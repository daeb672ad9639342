"""Writing rows in the connector's place: those before a record that the connector cannot pass."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException

from eddy.lake import catalog as catalogs
from eddy.lake.compaction.commits import sink_properties
from eddy.lake.config import LakeConfig
from eddy.lake.single_attempt import once
from eddy.lake.sink.connectors import Connector
from eddy.lake.sink.rows import Delivered, arrow_of, row_of
from eddy.lake.tables import TableSpec
from eddy.schemas.errors import RejectedRecord, Unavailable

_TRIES = 5


@dataclass(slots=True)
class CheckedRecords:
    """Records told apart: those that can be rows, and those that cannot, each with the reason."""

    good: list[Delivered] = field(default_factory=list)
    bad: list[tuple[Delivered, RejectedRecord]] = field(default_factory=list)


def judge(connector: Connector, records: Iterable[Delivered]) -> CheckedRecords:
    """Tell records apart by whether every table of the connector can hold them."""
    checked = CheckedRecords()
    for record in records:
        try:
            rows = [row_of(spec, record) for spec in connector.tables]
        except RejectedRecord as error:
            checked.bad.append((record, error))
        else:
            if None not in rows:
                checked.good.append(record)
    return checked


def append(config: LakeConfig, connector: Connector, records: list[Delivered]) -> None:
    """Write records to all tables of a connector.

    A table is written whole or not at all, one after the other: who is interrupted and begins
    again writes some rows twice, which compaction drops. None is lost.

    Raises
    ------
    Unavailable
        Where the catalog or the store does not take them.
    """
    if not records:
        return
    catalog = catalogs.open_catalog(config)
    for spec in connector.tables:
        rows = [row for record in records if (row := row_of(spec, record)) is not None]
        _append(catalog, config, spec, rows)


def _append(
    catalog: Catalog, config: LakeConfig, spec: TableSpec, rows: list[dict[str, Any]]
) -> None:
    """Write to one table; again where another one committed in between."""
    for attempt in range(1, _TRIES + 1):
        table = catalogs.load(catalog, config, spec)
        try:
            # the offsets are those of this state: on a newer one they would be too old
            once(table).append(
                arrow_of(table.schema(), rows), snapshot_properties=sink_properties(table)
            )
        except CommitFailedException as error:
            if attempt == _TRIES:
                raise Unavailable(f"table {spec.name}: {error}") from error
        except Exception as error:  # the store's and the catalogs' errors have no common root
            raise Unavailable(f"table {spec.name}: {error}") from error
        else:
            return
