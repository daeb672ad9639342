"""``eddy lake``: the tables, who feeds them, and what is done with them every day."""

import typer

from eddy.commands.lake_check import check
from eddy.commands.lake_cluster_rides import cluster_rides
from eddy.commands.lake_compact import compact
from eddy.commands.lake_connect import connect
from eddy.commands.lake_create import create
from eddy.commands.lake_export import export
from eddy.commands.lake_load import load
from eddy.commands.lake_sql import sql
from eddy.commands.lake_watch import watch

app = typer.Typer(help="Tables on S3: made, fed, checked, compacted, asked.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Tables on S3: made, fed, checked, compacted, asked."""


for _command in (create, connect, watch, check, load, compact, cluster_rides, export, sql):
    app.command()(_command)
