"""The tables of this product's domains."""

from eddy.app.domains import domain_rows
from eddy.lake.tables import TableSpec, all_tables
from eddy.schemas.errors import ConfigError


def every_table() -> list[TableSpec]:
    """Return every table there is, of all domains."""
    return all_tables([(row.name, row.domain.event_type) for row in domain_rows()])


def named(name: str) -> TableSpec:
    """Return the table of that name; ConfigError where there is none."""
    known = {spec.name: spec for spec in every_table()}
    if name not in known:
        raise ConfigError(f"table {name}: there are {', '.join(known)}")
    return known[name]
