"""``eddy tail``: follow the anomalies."""

import sys
from itertools import islice
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from eddy.app.commands.options import Bootstrap, Config


def tail(
    domain: Annotated[
        str | None, typer.Option(help="Only this domain; by default all that are configured.")
    ] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Also those already published.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="The records, a line each.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="End after so many.")] = None,
    config: Config = None,
    bootstrap_servers: Bootstrap = None,
) -> None:
    """Show anomalies as they are published; Ctrl-C ends it.

    Reads as a read_committed consumer does and commits nothing, so it disturbs nobody.
    """
    from eddy.app import settings  # noqa: PLC0415 - keeps --help quick
    from eddy.app.inspect.anomaly_topics import anomaly_topics  # noqa: PLC0415
    from eddy.streams.reading import TopicReader  # noqa: PLC0415

    chosen = settings.load(config, {"kafka.bootstrap_servers": bootstrap_servers})
    topics = anomaly_topics(chosen, domain)
    console = Console()
    reader = TopicReader(chosen.kafka)
    try:
        followed = reader.follow(topics, from_beginning, lambda: False)
        for record in islice((one for one in followed if one is not None), limit):
            _show(console, record.value or b"", json)
    finally:
        reader.close()


def _show(console: Console, value: bytes, json: bool) -> None:
    if json:
        sys.stdout.buffer.write(value + b"\n")
        sys.stdout.buffer.flush()
        return
    import msgspec  # noqa: PLC0415 - keeps --help quick

    from eddy.app.inspect.anomaly_text import line  # noqa: PLC0415
    from eddy.schemas.anomalies import Anomaly  # noqa: PLC0415

    try:
        text = line(msgspec.json.decode(value, type=Anomaly))
    except msgspec.MsgspecError as error:
        text = Text(f"not an anomaly of this version: {error}", "red")
    console.print(text, soft_wrap=True)
