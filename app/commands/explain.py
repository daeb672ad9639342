"""``eddy explain``: why this is an anomaly."""

from typing import Annotated

from eddy.app.commands.options import JsonFlag, KafkaOptions, option


def explain(
    anomaly_id: Annotated[str, option("Its id, or that of the event it is about.")],
    /,
    *,
    domain: Annotated[
        str | None, option("Only this domain; by default all that are configured.")
    ] = None,
    json: JsonFlag = False,
    source: KafkaOptions = KafkaOptions(),
) -> None:
    """Show what was expected, what came, which features weigh how much, and the event itself.

    Exit code 3 where there is no such anomaly.

    Examples
    --------
    eddy explain 4fd53a32-1d9a-5e0e-8f0b-6a27b5f0c2a1
    """
    from rich.console import Console

    from eddy.app import output
    from eddy.app.inspect import explanation
    from eddy.app.inspect.anomaly_topics import anomaly_topics
    from eddy.streams.reading import TopicReader

    settings = source.load()
    topics = anomaly_topics(settings, domain)
    reader = TopicReader(settings.kafka)
    try:
        with Console(stderr=True).status(f"searching {', '.join(topics)}"):
            result = explanation.explain(reader, topics, anomaly_id)
    finally:
        reader.close()
    if json:
        output.json(result)
    else:
        output.show(explanation.render(result))
