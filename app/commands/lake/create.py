"""``eddy lake create``: the tables."""

from rich.console import Console

from eddy.app.commands.options import Config, Json


def create(config: Config = None, json: Json = False) -> None:
    """Create the lake's tables that are missing, and add columns that are new.

    May be said again at any time: what is there stays as it is. Tables of all domains are made,
    also of those that are not configured here. Exit code 3 where the catalog or the store does not
    answer.
    """
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.lake.tables import every_table  # noqa: PLC0415
    from eddy.lake import catalog  # noqa: PLC0415

    chosen = settings.load(config).lake
    done = catalog.create(chosen, every_table())
    if json:
        Console().print_json(msgspec.json.encode(done).decode())
        return
    console = Console()
    for one in done:
        console.print(f"{one.outcome:8} {chosen.namespace}.{one.table}", highlight=False)
