"""``eddy topics``: create what the configuration needs."""

from typing import Annotated

import typer
from rich.console import Console

from eddy.app import settings
from eddy.app.commands.options import Bootstrap, Config
from eddy.streams import topics as kafka_topics

app = typer.Typer(help="Topics of the configured domains.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Topics of the configured domains."""


@app.command()
def create(
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
    partitions: Annotated[int, typer.Option(min=1, help="Partitions of new topics.")] = 8,
    replication: Annotated[
        int, typer.Option(min=-1, help="Replication factor; -1 takes the broker's default.")
    ] = -1,
) -> None:
    """Create the topics that do not exist yet, with the right retention and compaction."""
    from eddy.app import wiring  # noqa: PLC0415 - brings numba and Faust, which --help can do without

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    names = [wiring.topics(chosen, domain) for domain in wiring.chosen_domains(chosen)]
    created, present = kafka_topics.create(
        chosen.kafka, kafka_topics.specs(names, partitions), replication
    )
    console = Console()
    for name in created:
        console.print(f"created {name}", highlight=False)
    for name in present:
        console.print(f"exists  {name}", highlight=False)
