"""The tables of this product's domains."""

from lake.tables import TableSpec, all_tables
from models.domains import every_domain


def every_table() -> list[TableSpec]:
    """Return every table there is, of all domains."""
    return all_tables([(one.name, one.event_type) for one in every_domain()])
