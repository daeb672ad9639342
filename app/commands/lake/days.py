"""The options by which commands of the lake name days."""

from typing import Annotated

import typer

Date = Annotated[
    str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="A day of UTC, or `yesterday`.")
]
Since = Annotated[
    str | None, typer.Option("--since", metavar="YYYY-MM-DD", help="First of several days.")
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="YYYY-MM-DD", help="Last of them; by default yesterday."),
]
