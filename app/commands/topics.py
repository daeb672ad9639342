"""``eddy topics``: create what the configuration needs."""

from typing import Annotated

from eddy.app.commands.options import KafkaOptions, group, option

app = group(
    "topics",
    "Create the topics of the configured domains.",
    {"create": "eddy.app.commands.topics:create"},
)


def create(
    *,
    source: KafkaOptions = KafkaOptions(),
    partitions: Annotated[int, option("Partitions of new topics.", least=1)] = 8,
    replication: Annotated[
        int, option("Replication factor; -1 takes the broker's default.", least=-1)
    ] = -1,
) -> None:
    """Create the topics that do not exist yet, with the right retention and compaction.

    Examples
    --------
    eddy topics create --partitions 8 --replication 3
    """
    from eddy.app import wiring
    from eddy.app.output import message
    from eddy.streams import topics

    settings = source.load()
    names = [wiring.topics(settings, domain) for domain in wiring.chosen_domains(settings)]
    specs = topics.specs(names, partitions)
    created, present = topics.create(settings.kafka, specs, replication)
    for name in created:
        message(f"created {name}")
    for name in present:
        message(f"exists  {name}")
