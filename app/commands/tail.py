"""``eddy tail``: follow the anomalies."""

import sys
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import KafkaOptions, option

if TYPE_CHECKING:
    from rich.text import Text


def tail(
    *,
    domain: Annotated[
        str | None, option("Only this domain; by default all that are configured.")
    ] = None,
    from_beginning: Annotated[bool, option("Also those already published.")] = False,
    json: Annotated[bool, option("The records, a line each.")] = False,
    limit: Annotated[int | None, option("End after so many.", least=1)] = None,
    source: KafkaOptions = KafkaOptions(),
) -> None:
    """Show anomalies as they are published; Ctrl-C ends it.

    Reads as a read_committed consumer does and commits nothing, so it disturbs nobody.

    Examples
    --------
    eddy tail --domain rides --from-beginning --limit 10
    """
    from rich.console import Console

    from eddy.app.inspect.anomaly_topics import anomaly_topics
    from eddy.streams.reading import TopicReader

    settings = source.load()
    topics = anomaly_topics(settings, domain)
    console = Console()
    reader = TopicReader(settings.kafka)
    try:
        followed = reader.follow(topics, from_beginning, lambda: False)
        for record in islice((record for record in followed if record is not None), limit):
            if json:
                _write(record.value or b"")
            else:
                console.print(_line(record.value or b""), soft_wrap=True)
    finally:
        reader.close()


def _write(value: bytes) -> None:
    """Write a record as it is; a terminal gets its control characters escaped as JSON does."""
    from eddy.app.controls import escape_json

    sys.stdout.buffer.write((escape_json(value) if sys.stdout.isatty() else value) + b"\n")
    sys.stdout.buffer.flush()


def _line(value: bytes) -> "Text":
    import msgspec
    from rich.text import Text

    from eddy.app.controls import plain
    from eddy.app.inspect.anomaly_text import line
    from eddy.schemas.anomalies import Anomaly

    try:
        return line(msgspec.json.decode(value, type=Anomaly))
    except msgspec.MsgspecError as error:
        return Text(plain(f"not an anomaly of this version: {error}"), "red")
