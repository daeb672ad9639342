"""A table's day replaced as a whole, in one commit."""

import time
import warnings
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table import Table

from eddy.lake import catalog as catalogs
from eddy.lake.config import LakeConfig
from eddy.lake.days import Day
from eddy.lake.tables import TableSpec
from eddy.schemas.errors import Unavailable

Outcome = Literal["written", "kept"]
_ATTEMPTS = 5
_PAUSE_S = 0.5


def rewrite_day(
    catalog: Catalog,
    config: LakeConfig,
    spec: TableSpec,
    day: Day,
    records: Sequence[msgspec.Struct],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> Outcome:
    """Make a day's rows those of `records`; where they are already, nothing is written.

    Readers see the rows of before or those of after. Of two that write at once the second finds
    that the day has changed, and looks again.

    Parameters
    ----------
    records : sequence of msgspec.Struct
        All of that day; sorted as the table's days are.

    Raises
    ------
    MissingResource
        There is no such table.
    Unavailable
        The day was changed by others at every attempt.
    """
    why: Exception | None = None
    for attempt in range(_ATTEMPTS):
        table = catalogs.load(catalog, config, spec)
        rows = _rows(table, records)
        if _is_there(table, spec, day, rows):
            return "kept"
        try:
            with warnings.catch_warnings():
                # that there was nothing to replace is no news
                warnings.filterwarnings("ignore", "Delete operation did not match any records")
                table.overwrite(rows, overwrite_filter=day.rows(spec.day_column))
        except (CommitFailedException, ValidationException) as error:
            why = error
            sleep(_PAUSE_S * 2**attempt)
        else:
            return "written"
    raise Unavailable(f"{spec.name}: {day} is being written by others: {why}")


def _rows(table: Table, records: Sequence[msgspec.Struct]) -> pa.Table:
    plain: list[dict[str, Any]] = [_plain(record) for record in records]
    return pa.Table.from_pylist(plain, schema=table.schema().as_arrow())


def _plain(record: msgspec.Struct) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(record, builtin_types=(datetime,))
    return row


def _is_there(table: Table, spec: TableSpec, day: Day, rows: pa.Table) -> bool:
    present = table.scan(row_filter=day.rows(spec.day_column)).to_arrow()
    if present.num_rows != rows.num_rows:
        return False
    keys = [(name, "ascending") for name in spec.sorted_by]
    same: bool = present.sort_by(keys).to_pylist() == rows.sort_by(keys).to_pylist()
    return same
