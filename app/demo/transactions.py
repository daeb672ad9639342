"""The demo's card transactions: weeks of a small population's, frauds and labels with them."""

from collections.abc import Iterator

from eddy.app.demo.weeks import Weeks
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.datasets.simulation.transactions.stream import TransactionSimulation, labels, simulate
from eddy.schemas.labels import Label


class TransactionFeed(Weeks, frozen=True, kw_only=True):
    """What to send; the history is as long as what is remembered of cards and terminals.

    Attributes
    ----------
    cards : int
        How many there are; there are twice as many terminals.
    """

    history_days: int = 40
    cards: int = 300

    @property
    def options(self) -> TransactionSimulation:
        """What to simulate."""
        return TransactionSimulation(start=self.start, days=self.all_days, customers=self.cards)

    def records(self) -> Iterator[SimulatedRecord]:
        """Yield the transactions in the order they come."""
        return simulate(self.seed, self.options)

    def labels(self) -> Iterator[tuple[int, Label]]:
        """Yield what becomes known of them, with when, in microseconds since 1970."""
        return labels(self.seed, self.options)
