"""``eddy lake create``: the tables."""

from eddy.app.commands.options import FileOptions, JsonFlag


def create(*, source: FileOptions = FileOptions(), json: JsonFlag = False) -> None:
    """Create the lake's tables that are missing, and add columns that are new.

    May be said again at any time: what is there stays as it is. Tables of all domains are made,
    also of those that are not configured here. Exit code 3 where the catalog or the store does not
    answer.

    Examples
    --------
    eddy lake create
    """
    from eddy.app import output
    from eddy.app.lake.tables import every_table
    from eddy.lake import catalog

    lake = source.load().lake
    results = catalog.create(lake, every_table())
    if json:
        output.json(results)
        return
    for result in results:
        output.message(f"{result.outcome:8} {lake.namespace}.{result.table}")
