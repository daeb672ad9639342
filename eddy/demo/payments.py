"""The demo's payments: weeks of merchants' payments at accelerated event time, with their truth.

The weeks end now. The first of them, in which nothing goes wrong, are history: they are sent as
fast as can be. The others take seconds a day. So event time is never in the future, and whoever
watches long enough sees the payments end.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from models.simulation.payments import Incident, PaymentSimulation, incidents, simulate
from models.simulation.record import SimulatedRecord

_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_NEWS_US = 48 * _HOUR_US  # the new level is ordinary then, see `models.simulation`
_VISIBLE = 3.0
_VISIBLE_SILENCE = 15.0  # payments that do not come


class PaymentFeed(msgspec.Struct, frozen=True, kw_only=True):
    """What to send.

    Attributes
    ----------
    end : datetime
        Event time of the end.
    history_days, days : int
        How many are sent at once, and how many after them.
    day_s : float
        Seconds that each of the later days takes.
    merchants, payments_per_day : int, float
        How many there are, and the payments of each on an ordinary day, on average.
    interval_s : float
        Length of the intervals in which they are judged.
    """

    seed: int
    end: datetime
    history_days: int = 21
    days: int = 56
    day_s: float = 2.5
    merchants: int = 24
    payments_per_day: float = 150.0
    interval_s: float = 7_200.0

    @property
    def options(self) -> PaymentSimulation:
        """What to simulate."""
        days = self.history_days + self.days
        return PaymentSimulation(
            start=self.end - timedelta(days=days),
            days=days,
            merchants=self.merchants,
            payments_per_day=self.payments_per_day,
            size_spread=0.4,
            calm_days=self.history_days,
            drop_out_rate=0.015,
            spike_rate=0.015,
            dip_rate=0.015,
            level_shift_rate=0.005,
        )

    def records(self) -> Iterator[SimulatedRecord]:
        """Yield the payments in the order they come."""
        return simulate(self.seed, self.options)

    def due_s(self, record: SimulatedRecord) -> float:
        """Return when a payment is due, in seconds from the first; late ones at once."""
        return max(0.0, (record.occurred_at_us - self.history_end_us) / _DAY_US * self.day_s)

    @property
    def history_end_us(self) -> int:
        """Event time at which the history ends, in microseconds since 1970."""
        return round((self.end - timedelta(days=self.days)).timestamp() * 1e6)

    def truth(self) -> list["Trouble"]:
        """Return what goes wrong, by ascending start."""
        interval_us = round(self.interval_s * 1e6)
        return [_trouble(one, interval_us) for one in incidents(self.seed, self.options)]


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """An incident as far as it is news.

    Attributes
    ----------
    is_visible : bool
        Whether it moves more than chance does. Chance moves ``m`` payments by ``sqrt(m)``
        (Poisson); an interval of the incident must differ from an ordinary one by three of that.
        A merchant that stops is told by all intervals together: it must miss fifteen payments.
    """

    merchant: str
    kind: str
    start_us: int
    end_us: int
    is_visible: bool


def _trouble(incident: Incident, interval_us: int) -> Trouble:
    length_us = incident.end_us - incident.start_us
    share = min(1.0, interval_us / max(length_us, 1))
    moved = abs(1 - incident.factor) * (incident.expected_payments * share) ** 0.5
    stops = incident.factor == 0 and incident.expected_payments >= _VISIBLE_SILENCE
    news_us = min(length_us, _NEWS_US) if incident.kind == "level_shift" else length_us
    return Trouble(
        merchant=incident.merchant_id,
        kind=incident.kind,
        start_us=incident.start_us,
        end_us=incident.start_us + news_us,
        is_visible=stops or moved >= _VISIBLE,
    )
