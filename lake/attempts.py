"""One attempt at a commit, for who looks at the table again before the next."""

from pyiceberg.table import Table, TableProperties


def once(table: Table) -> Table:
    """Return the table for one attempt at a commit.

    pyiceberg's own further attempts put what was made for one state of the table onto another:
    the sink's offsets of then over newer ones, or a file's rows beside the same rows.
    """
    properties = {**table.properties, TableProperties.COMMIT_NUM_RETRIES: "0"}
    metadata = table.metadata.model_copy(update={"properties": properties})
    return Table(table.name(), metadata, table.metadata_location, table.io, table.catalog)
