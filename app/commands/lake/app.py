"""``eddy lake``: the tables, who feeds them, and what is done with them every day."""

import typer

from eddy.app.commands.lake.check import check
from eddy.app.commands.lake.cluster_rides import cluster_rides
from eddy.app.commands.lake.compact import compact
from eddy.app.commands.lake.connect import connect
from eddy.app.commands.lake.create import create
from eddy.app.commands.lake.export import export
from eddy.app.commands.lake.load import load
from eddy.app.commands.lake.sql import sql
from eddy.app.commands.lake.watch import watch

app = typer.Typer(help="Tables on S3: made, fed, checked, compacted, asked.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Tables on S3: made, fed, checked, compacted, asked."""


for _command in (create, connect, watch, check, load, compact, cluster_rides, export, sql):
    app.command()(_command)
