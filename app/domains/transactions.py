"""Card transactions: the row of the domain ``transactions``."""

from collections.abc import Iterator
from pathlib import Path

from eddy.app.domains.row import DomainRow, Simulation
from eddy.models.domains.transactions.domain import DOMAIN

# ruff: noqa: PLC0415 - a process that judges imports nothing of files, simulation and training


def read_files(path: Path, *, zone: str = "UTC") -> Iterator[list[bytes]]:
    """Yield a file's transactions as JSON records."""
    from eddy.datasets.history.transactions import transaction_records

    return transaction_records(path, zone=zone)


def simulation() -> Simulation:
    """Return how transactions are simulated."""
    from eddy.datasets.simulation.transactions.stream import TransactionSimulation, labels, simulate

    return Simulation(TransactionSimulation, simulate, labels)


ROW = DomainRow(DOMAIN, read_files, simulation)
