"""The row of a domain: what the application does with one kind of event, from file to model."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from eddy.models.domain import Domain
from eddy.schemas.errors import ConfigError

if TYPE_CHECKING:
    from eddy.app.settings import Settings
    from eddy.app.training.trained_model import TrainedModel, TrainingProgress, TrainingSource
    from eddy.datasets.simulation.record import SimulatedRecord
    from eddy.models.registry.manifest import Manifest
    from eddy.schemas.labels import Label
    from eddy.training.gate_decision import GateDecision


class FileReader(Protocol):
    """Reads a file of events."""

    def __call__(self, path: Path, *, zone: str = "UTC") -> "Iterator[list[bytes]]":
        """Yield the rows of a file as JSON records, in order, malformed or not.

        Raises
        ------
        ConfigError
            The file is not one of events, or the zone of times without an offset is not known.
        MissingResource
            The file cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Simulation:
    """How events of a domain are simulated.

    Attributes
    ----------
    options_type : type
        The msgspec struct that says what to simulate.
    simulate : callable
        ``simulate(seed, options)`` yields simulated records with their truth.
    labels : callable, optional
        ``labels(seed, options)`` yields labels of the same events and when each becomes known, in
        microseconds since 1970.
    """

    options_type: type[Any]
    simulate: "Callable[[int, Any], Iterator[SimulatedRecord]]"
    labels: "Callable[[int, Any], Iterator[tuple[int, Label]]] | None" = None


class Trainer(Protocol):
    """Finds a model's parameters."""

    def __call__(
        self,
        settings: "Settings",
        source: "TrainingSource",
        options: Mapping[str, Any],
        progress: "TrainingProgress",
    ) -> "TrainedModel":
        """Read the rows of a source and learn from them; `options` are those given, by name.

        Raises
        ------
        ConfigError
            An option or the rows cannot give a model.
        MissingResource
            The source cannot be read, or is empty.
        """
        ...


@dataclass(frozen=True, slots=True)
class Gate:
    """What a version must pass before it becomes the champion.

    Attributes
    ----------
    check : callable
        ``check(settings, manifest)`` refuses, by a ConfigError, a version that cannot judge under
        these settings; nothing overrules it.
    decide : callable
        ``decide(settings, manifest, table, options)`` compares a version with the champion on a
        table of events that neither has learned from.
    """

    check: "Callable[[Settings, Manifest], None]"
    decide: "Callable[[Settings, Manifest, Path, Mapping[str, Any]], GateDecision]"


@dataclass(frozen=True, slots=True)
class DomainRow:
    """One row of the product's table of contents.

    What a process that only judges does without is imported by the callables when they are called.

    Attributes
    ----------
    domain : Domain
        What the stream needs.
    read_files : FileReader, optional
        For ``eddy replay FILE`` and ``eddy lake load``.
    simulation : callable, optional
        Gives the domain's `Simulation`.
    train : Trainer, optional
        For ``eddy train``.
    gate : callable, optional
        Gives the domain's `Gate`; without one every version may become the champion.
    """

    domain: Domain
    read_files: FileReader | None = None
    simulation: Callable[[], Simulation] | None = None
    train: Trainer | None = None
    gate: Callable[[], Gate] | None = None

    @property
    def name(self) -> str:
        """The domain's name."""
        return self.domain.name

    def file_reader(self) -> FileReader:
        """Return the reader of the domain's files; ConfigError where it has none."""
        if self.read_files is None:
            raise ConfigError(f"domain {self.name}: there is no reader of files of its events")
        return self.read_files

    def simulator(self) -> Simulation:
        """Return how the domain's events are simulated; ConfigError where they are not."""
        if self.simulation is None:
            raise ConfigError(f"domain {self.name}: there is no simulation of its events")
        return self.simulation()

    def trainer(self) -> Trainer:
        """Return what trains models of the domain; ConfigError where nothing does."""
        if self.train is None:
            raise ConfigError(f"domain {self.name}: there is no training of its models")
        return self.train
