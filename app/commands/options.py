"""The options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[
    Path | None,
    typer.Option("--config", help="TOML file; by default eddy.toml where there is one."),
]
Bootstrap = Annotated[
    str | None, typer.Option("--bootstrap-servers", "-b", help="Kafka brokers, host:port[,...].")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
