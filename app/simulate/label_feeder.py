"""Labels sent beside their events: each when event time has come to where it is known."""

from collections.abc import Iterator

import msgspec

from eddy.datasets.simulation.record import SimulatedRecord
from eddy.schemas.labels import Label
from eddy.streams.sender import Sender

_encode = msgspec.json.Encoder().encode


class LabelFeeder:
    """Sends labels as event time goes on; those that would come after the last event are left.

    So nobody is told what is not known yet, and no label comes before its event.

    Parameters
    ----------
    sender : Sender
        The one of the events: they are queued in this order.
    topic : str
        Where labels stand, keyed by the event's id.
    labels : iterator of (int, Label)
        When each is known, in microseconds since 1970, and the label; in this order.
    """

    def __init__(self, sender: Sender, topic: str, labels: Iterator[tuple[int, Label]]) -> None:
        self._sender = sender
        self._topic = topic
        self._labels = labels
        self._next = next(labels, None)
        self.sent = 0

    def come_to(self, record: SimulatedRecord) -> None:
        """Send what is known by the time of an event; call it before each event is sent."""
        while self._next is not None and self._next[0] <= record.occurred_at_us:
            label = self._next[1]
            key = (label.event_id or "").encode()
            self._sender.send(self._topic, _encode(label), key)
            self.sent += 1
            self._next = next(self._labels, None)
