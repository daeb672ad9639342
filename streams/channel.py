"""A bounded Faust channel that keeps what is put into it.

Faust's own channels share one flow-control event with its consumer: whenever the *control* topic
is rebalanced, every queue of the app is cleared and whoever waits to put is cancelled. For the
data plane that would be lost batches, so this channel has a flow-control event of its own that
is never suspended.
"""

from collections.abc import Iterator
from typing import Any

import faust
from faust.channels import Channel
from mode.utils.queues import FlowControlEvent, ThrowableQueue


class SteadyChannel(Channel[Any]):
    """An in-memory channel that no rebalance clears; `maxsize` is the back-pressure."""

    def __init__(self, app: faust.App, *, maxsize: int, **options: Any) -> None:
        options["queue"] = options.get("queue") or ThrowableQueue(
            maxsize=maxsize, flow_control=FlowControlEvent(initially_suspended=False)
        )
        super().__init__(app, maxsize=maxsize, **options)

    def drain(self) -> Iterator[Any]:
        """Take out what no agent has taken."""
        for subscriber in list(self._subscribers):
            while subscriber.queue.qsize():
                yield subscriber.queue.get_nowait()
