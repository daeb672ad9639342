"""The transaction: one payment with a card, as it stands on ``events.transactions``."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

MOST_COMPONENTS = 64
"""The longest `Transaction.vector`."""

_NO_CARD = {"refuse": "card_number"}
_KEY = {"column": "key"} | _NO_CARD
_RULE = "Never a card number: no 13 to 19 digits that pass Luhn's test, spaces and dashes aside."
Component = Annotated[float, Meta(ge=-1e12, le=1e12)]


class Transaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One payment with a card.

    Never a card's number: a record is rejected where one of its texts looks like one, that is
    where spaces and dashes aside it is 13 to 19 digits that pass Luhn's test. What is kept of a
    rejected record shows the last four of such digits. Unknown fields are ignored.

    Attributes
    ----------
    event_id : str
        Identifies the event; 1 to 128 characters. Labels name it.
    occurred_at : datetime
        When it was paid; RFC 3339 with an offset, kept as UTC microseconds.
    card_token : str
        Stands for the card, and keys the topic; 1 to 128 characters.
    terminal_id : str
        Where it was paid; 1 to 128 characters.
    amount : float
        In `currency`, within +-1e9; negative where money went back.
    merchant_id : str, optional
        Whose terminal it is.
    currency : str, optional
        ISO 4217 code.
    vector : list of float, optional
        Features computed upstream, such as principal components; at most 64.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=128, description=_RULE, extra=_KEY)]
    occurred_at: Annotated[datetime, Meta(tz=True)]
    card_token: Annotated[str, Meta(min_length=1, max_length=128, description=_RULE, extra=_KEY)]
    terminal_id: Annotated[str, Meta(min_length=1, max_length=128, description=_RULE, extra=_KEY)]
    amount: Annotated[float, Meta(ge=-1e9, le=1e9)]
    merchant_id: (
        Annotated[str, Meta(min_length=1, max_length=128, description=_RULE, extra=_NO_CARD)] | None
    ) = None
    currency: Annotated[str, Meta(max_length=8)] | None = None
    vector: Annotated[list[Component], Meta(max_length=MOST_COMPONENTS)] | None = None
