"""``eddy lake connect``: the sink connectors."""

import sys
from typing import TYPE_CHECKING, Annotated

from eddy.app.commands.options import KafkaOptions, option

if TYPE_CHECKING:
    from eddy.lake.sink.connectors import Connector


def connect(
    *,
    print_only: Annotated[
        bool, option("Only print the connectors' settings, as JSON.", "--print")
    ] = False,
    with_secrets: Annotated[bool, option("With --print: do not mask them.")] = False,
    source: KafkaOptions = KafkaOptions(),
) -> None:
    """Register the sink connectors with a Kafka Connect cluster, or bring them up to date.

    Topics they need are created, and their coordinators' groups get the offsets without which
    rows may be lost; then waits until all run. Said twice, nothing happens.

    Examples
    --------
    eddy lake connect --print
    """
    from eddy.app.lake.connectors import connectors
    from eddy.app.lake.feed import start
    from eddy.app.output import message

    settings = source.load()
    if print_only:
        _print(connectors(settings), with_secrets)
        return
    start(settings, message)


def _print(connectors: "list[Connector]", with_secrets: bool) -> None:
    """Print a list of what PUT /connectors takes; plainly, so that it can be piped."""
    import msgspec

    requests = [
        {
            "name": connector.name,
            "config": connector.settings if with_secrets else connector.shown(),
        }
        for connector in connectors
    ]
    text = msgspec.json.format(msgspec.json.encode(requests), indent=2)
    sys.stdout.buffer.write(text + b"\n")
