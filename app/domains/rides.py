"""Rides: the row of the domain ``rides``."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eddy.app.domains.row import DomainRow, Simulation
from eddy.models.domains.rides.domain import DOMAIN

if TYPE_CHECKING:
    from eddy.app.settings import Settings
    from eddy.app.training.trained_model import TrainedModel, TrainingProgress, TrainingSource

# ruff: noqa: PLC0415 - a process that judges imports nothing of files, simulation and training


def read_files(path: Path, *, zone: str = "UTC") -> Iterator[list[bytes]]:
    """Yield a file's rides as JSON records."""
    from eddy.datasets.history.rides import ride_records

    return ride_records(path, zone=zone)


def simulation() -> Simulation:
    """Return how rides are simulated."""
    from eddy.datasets.simulation.rides import RideSimulation, simulate

    return Simulation(RideSimulation, simulate)


def train(
    settings: "Settings",
    source: "TrainingSource",
    options: Mapping[str, Any],
    progress: "TrainingProgress",
) -> "TrainedModel":
    """Learn from rides."""
    from eddy.app.training.rides import train as learn

    return learn(settings, source, options, progress)


ROW = DomainRow(DOMAIN, read_files, simulation, train)
