"""One attempt at a commit, for who looks at the table again before the next."""

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table, TableProperties
from pyiceberg.table.update import AddSnapshotUpdate, TableRequirement, TableUpdate


class _OneAttempt(Table):
    """A table that finds its own commit where the answer to it was lost.

    A client that repeats a request whose answer was lost (AWS's does) is told that another was
    quicker: itself. pyiceberg would then delete the manifests of what is committed.
    """

    def _do_commit(
        self, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...]
    ) -> None:
        try:
            super()._do_commit(updates, requirements)
        except CommitFailedException:
            snapshots = [
                update.snapshot for update in updates if isinstance(update, AddSnapshotUpdate)
            ]
            now = self.catalog.load_table(self.name())
            if not snapshots or any(
                now.snapshot_by_id(update.snapshot_id) is None for update in snapshots
            ):
                raise
            self.metadata, self.metadata_location = now.metadata, now.metadata_location


def once(table: Table) -> Table:
    """Return the table for one attempt at a commit.

    pyiceberg's own further attempts put what was made for one state of the table onto another:
    the sink's offsets of then over newer ones, or a file's rows beside the same rows.
    """
    properties = {**table.properties, TableProperties.COMMIT_NUM_RETRIES: "0"}
    metadata = table.metadata.model_copy(update={"properties": properties})
    return _OneAttempt(table.name(), metadata, table.metadata_location, table.io, table.catalog)
