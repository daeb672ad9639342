"""Merchants' payment volume: the row of the domain ``tpv``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eddy.app.domains.row import DomainRow, Simulation
from eddy.models.domains.tpv.domain import DOMAIN

if TYPE_CHECKING:
    from eddy.app.settings import Settings
    from eddy.app.training.trained_model import TrainedModel, TrainingProgress, TrainingSource

# ruff: noqa: PLC0415 - a process that judges imports nothing of files, simulation and training


def read_files(path: Path, *, zone: str = "UTC") -> Iterator[list[bytes]]:
    """Yield a file's payments as JSON records."""
    from eddy.datasets.history.payments.records import payment_records

    return payment_records(path, zone=zone)


def simulation() -> Simulation:
    """Return how payments are simulated."""
    from eddy.datasets.simulation.payments.stream import PaymentSimulation, simulate

    return Simulation(PaymentSimulation, simulate)


def train(
    settings: "Settings",
    source: "TrainingSource",
    options: Mapping[str, Any],
    progress: "TrainingProgress",
) -> "TrainedModel":
    """Learn from payments."""
    from eddy.app.training.tpv import train as learn

    return learn(settings, source, options, progress)


ROW = DomainRow(DOMAIN, read_files, simulation, train)
