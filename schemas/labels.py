"""The label: somebody's verdict on an event or an anomaly, as it stands on the topic ``labels``."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

LabelVerdict = Literal["fraud", "genuine", "expected", "duplicate"]

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]


class Label(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A verdict that came later; the last one on an event holds.

    Attributes
    ----------
    event_id, anomaly_id : str, optional
        What it is about; one of them, and `event_id` where both are given.
    verdict : str
        ``fraud``: it was one. ``genuine``: it was none. ``expected``: unusual, and all right.
        ``duplicate``: the same was said before.
    labelled_at : datetime
        When it became known; RFC 3339 with an offset. From then on it may count, never before.
    labelled_by : str, optional
        Who says so.
    domain : str
        Whose event it is.
    """

    event_id: Identifier | None = None
    anomaly_id: Identifier | None = None
    verdict: LabelVerdict
    labelled_at: Annotated[datetime, Meta(tz=True)]
    labelled_by: Annotated[str, Meta(max_length=128)] = ""
    domain: Annotated[str, Meta(max_length=64)] = "transactions"

    @property
    def is_fraud(self) -> bool | None:
        """What it says of its event; None where that was said before, or no event is named."""
        if self.event_id is None or self.verdict == "duplicate":
            return None
        return self.verdict == "fraud"

    def __post_init__(self) -> None:
        if self.event_id is None and self.anomaly_id is None:
            raise ValueError("event_id: required, or anomaly_id")
