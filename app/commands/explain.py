"""``eddy explain``: why this is an anomaly."""

from typing import Annotated

import typer
from rich.console import Console

from eddy.app.commands.options import Bootstrap, Config, Json


def explain(
    anomaly_id: Annotated[
        str, typer.Argument(metavar="ANOMALY_ID", help="Its id, or that of the event it is about.")
    ],
    domain: Annotated[
        str | None, typer.Option(help="Only this domain; by default all that are configured.")
    ] = None,
    json: Json = False,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Show what was expected, what came, which features weigh how much, and the event itself.

    Exit code 3 where there is no such anomaly.
    """
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app import settings  # noqa: PLC0415
    from eddy.app.inspect import explanation  # noqa: PLC0415
    from eddy.app.inspect.anomaly_topics import anomaly_topics  # noqa: PLC0415
    from eddy.streams.reading import TopicReader  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    topics = anomaly_topics(chosen, domain)
    reader = TopicReader(chosen.kafka)
    try:
        with Console(stderr=True).status(f"searching {', '.join(topics)}"):
            found = explanation.explain(reader, topics, anomaly_id)
    finally:
        reader.close()
    console = Console()
    if json:
        console.print_json(msgspec.json.encode(found).decode())
    else:
        console.print(explanation.render(found))
