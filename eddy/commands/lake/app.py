"""``eddy lake``: the tables, who feeds them, and what is done with them every day."""

import typer

from eddy.commands.lake.check import check
from eddy.commands.lake.cluster_rides import cluster_rides
from eddy.commands.lake.compact import compact
from eddy.commands.lake.connect import connect
from eddy.commands.lake.create import create
from eddy.commands.lake.export import export
from eddy.commands.lake.load import load
from eddy.commands.lake.sql import sql
from eddy.commands.lake.watch import watch

app = typer.Typer(help="Tables on S3: made, fed, checked, compacted, asked.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Tables on S3: made, fed, checked, compacted, asked."""


for _command in (create, connect, watch, check, load, compact, cluster_rides, export, sql):
    app.command()(_command)
