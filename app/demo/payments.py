"""The demo's payments: weeks of them, with their truth; in the history nothing goes wrong."""

from collections.abc import Iterator

import msgspec

from eddy.app.demo.weeks import Weeks
from eddy.datasets.simulation.payments.stream import (
    Incident,
    PaymentSimulation,
    incidents,
    simulate,
)
from eddy.datasets.simulation.record import SimulatedRecord

_HOUR_US = 3_600_000_000
_NEWS_US = 48 * _HOUR_US  # the new level is ordinary then, see `eddy.datasets.simulation`
_VISIBLE = 3.0
_VISIBLE_SILENCE = 15.0  # payments that do not come


class PaymentFeed(Weeks, frozen=True, kw_only=True):
    """What to send.

    Attributes
    ----------
    merchants, payments_per_day : int, float
        How many there are, and the payments of each on an ordinary day, on average.
    interval_s : float
        Length of the intervals in which they are judged.
    """

    merchants: int = 24
    payments_per_day: float = 150.0
    interval_s: float = 7_200.0

    @property
    def options(self) -> PaymentSimulation:
        """What to simulate."""
        return PaymentSimulation(
            start=self.start,
            days=self.all_days,
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

    def truth(self) -> list["PaymentIncident"]:
        """Return what goes wrong, by ascending start."""
        interval_us = round(self.interval_s * 1e6)
        return [_trouble(incident, interval_us) for incident in incidents(self.seed, self.options)]


class PaymentIncident(msgspec.Struct, frozen=True, kw_only=True):
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


def _trouble(incident: Incident, interval_us: int) -> PaymentIncident:
    length_us = incident.end_us - incident.start_us
    share = min(1.0, interval_us / max(length_us, 1))
    moved = abs(1 - incident.factor) * (incident.expected_payments * share) ** 0.5
    stops = incident.factor == 0 and incident.expected_payments >= _VISIBLE_SILENCE
    news_us = min(length_us, _NEWS_US) if incident.kind == "level_shift" else length_us
    return PaymentIncident(
        merchant=incident.merchant_id,
        kind=incident.kind,
        start_us=incident.start_us,
        end_us=incident.start_us + news_us,
        is_visible=stops or moved >= _VISIBLE,
    )
