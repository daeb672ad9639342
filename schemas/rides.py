"""The ride: one finished trip of a vehicle, as it stands on ``events.rides``."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

Identifier = Annotated[str, Meta(min_length=1, max_length=128)]
Label = Annotated[str, Meta(max_length=64)]


class Ride(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One ride.

    Null zones, negative durations, zero distances and rides of 24 hours are events, not errors:
    they are what a detector is for. Unknown fields are ignored.

    Attributes
    ----------
    event_id : str
        Identifies the event; 1 to 128 characters.
    occurred_at : datetime
        When the ride began; RFC 3339 with an offset, kept as UTC microseconds.
    ride_id : str
        The ride's own identifier.
    vendor_id, pickup_zone, dropoff_zone : str or int, nullable
        Labels; never used as numbers.
    distance_km : float
        Kilometres, finite, within +-1e6.
    duration_s : float
        Seconds, finite, within +-1e8; negative where the clocks disagree.
    fare : float, optional
        In `currency`; refunds are negative.
    currency : str, optional
        ISO 4217 code.
    passengers : float, optional
        0 to 1,000. Accepts 1.0, which is how a nullable integer column leaves a data frame.
    """

    event_id: Identifier
    occurred_at: Annotated[datetime, Meta(tz=True)]
    ride_id: Identifier
    vendor_id: Label | int | None
    pickup_zone: Label | int | None
    dropoff_zone: Label | int | None
    distance_km: Annotated[float, Meta(ge=-1e6, le=1e6)]
    duration_s: Annotated[float, Meta(ge=-1e8, le=1e8)]
    fare: Annotated[float, Meta(ge=-1e7, le=1e7)] | None = None
    currency: Annotated[str, Meta(max_length=8)] | None = None
    passengers: Annotated[float, Meta(ge=0, le=1000)] | None = None
