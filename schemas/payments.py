"""The payment: money that a merchant took or gave back, as it stands on ``events.tpv``."""

from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Kind = Literal["sale", "refund"]
Status = Literal["approved", "declined", "reversed"]

_KEY = {"column": "key"}


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One payment, or several of one merchant added up upstream.

    A merchant's total payment volume (TPV) is its approved sales less its approved refunds.
    Declined and reversed payments move no money; they are counted apart. Unknown fields are
    ignored.

    Attributes
    ----------
    event_id : str
        Identifies the event; 1 to 128 characters.
    occurred_at : datetime
        When it was paid; RFC 3339 with an offset, kept as UTC microseconds.
    merchant_id : str
        Who was paid; 1 to 128 characters.
    amount : float
        In `currency`, of all `count` payments together: 0 to 1e12, also where money went back.
    kind : str
        Which way the money went: ``sale`` or ``refund``.
    status : str
        ``approved``, ``declined`` or ``reversed``.
    count : int, optional
        How many payments this is, 1 to 1e9; 1 where absent.
    currency : str, optional
        ISO 4217 code.
    country : str, optional
        ISO 3166 code of the merchant's country, whose holidays count.
    segment : str, optional
        The merchant's trade, such as ``restaurant`` or ``grocery``: whom it is likened to while
        little is known of it.
    """

    event_id: Annotated[str, Meta(min_length=1, max_length=128)]
    occurred_at: Annotated[datetime, Meta(tz=True)]
    merchant_id: Annotated[str, Meta(min_length=1, max_length=128, extra=_KEY)]
    amount: Annotated[float, Meta(ge=0, le=1e12)]
    kind: Annotated[Kind, Meta(extra=_KEY)]
    status: Annotated[Status, Meta(extra=_KEY)]
    count: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 1
    currency: Annotated[str, Meta(max_length=8)] | None = None
    country: Annotated[str, Meta(max_length=8)] | None = None
    segment: Annotated[str, Meta(max_length=64, extra=_KEY)] | None = None
