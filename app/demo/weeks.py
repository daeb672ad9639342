"""Weeks that end now, sent at accelerated event time.

The first of them are history: they are sent as fast as can be. The others take seconds a day. So
event time is never in the future, and whoever watches long enough sees them end.
"""

from datetime import datetime, timedelta

import msgspec

from eddy.datasets.simulation.record import SimulatedRecord

_DAY_US = 86_400_000_000


class Weeks(msgspec.Struct, frozen=True, kw_only=True):
    """When to send what happened in them.

    Attributes
    ----------
    end : datetime
        Event time of the end.
    history_days, days : int
        How many are sent at once, and how many after them.
    day_s : float
        Seconds that each of the later days takes.
    """

    seed: int
    end: datetime
    history_days: int = 21
    days: int = 56
    day_s: float = 2.5

    @property
    def all_days(self) -> int:
        """How many there are together."""
        return self.history_days + self.days

    @property
    def start(self) -> datetime:
        """Event time of the beginning."""
        return self.end - timedelta(days=self.all_days)

    @property
    def history_end_us(self) -> int:
        """Event time at which the history ends, in microseconds since 1970."""
        return round((self.end - timedelta(days=self.days)).timestamp() * 1e6)

    def due_s(self, record: SimulatedRecord) -> float:
        """Return when a record is due, in seconds from the first; late ones at once."""
        return max(0.0, (record.occurred_at_us - self.history_end_us) / _DAY_US * self.day_s)
