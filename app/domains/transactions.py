"""Card transactions: the row of the domain ``transactions``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eddy.app.domains.row import DomainRow, Gate, Simulation
from eddy.models.domains.transactions.domain import DOMAIN

if TYPE_CHECKING:
    from eddy.app.settings import Settings
    from eddy.app.training.trained_model import TrainedModel, TrainingProgress, TrainingSource

# ruff: noqa: PLC0415 - a process that judges imports nothing of files, simulation and training


def read_files(path: Path, *, zone: str = "UTC") -> Iterator[list[bytes]]:
    """Yield a file's transactions as JSON records."""
    from eddy.datasets.history.transactions import transaction_records

    return transaction_records(path, zone=zone)


def simulation() -> Simulation:
    """Return how transactions are simulated."""
    from eddy.datasets.simulation.transactions.stream import TransactionSimulation, labels, simulate

    return Simulation(TransactionSimulation, simulate, labels)


def train(
    settings: "Settings",
    source: "TrainingSource",
    options: Mapping[str, Any],
    progress: "TrainingProgress",
) -> "TrainedModel":
    """Learn from training tables."""
    from eddy.app.training.transaction_models import train_transactions

    return train_transactions(settings, source, options, progress)


def gate() -> Gate:
    """Return what a version must pass: it beats the champion on days neither has learned from."""
    from eddy.app.promotion.transactions_gate import decide
    from eddy.app.training.history_in_use import check_model

    return Gate(check_model, decide)


ROW = DomainRow(DOMAIN, read_files, simulation, train, gate)
