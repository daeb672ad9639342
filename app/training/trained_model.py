"""What a training reads, and what it finds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec

from eddy.models.registry.manifest import Training
from eddy.schemas.errors import ConfigError

Options = TypeVar("Options")


@dataclass(frozen=True, slots=True)
class TrainingSource:
    """Where the rows of a training come from: files, the event topic, or what a domain names else.

    Attributes
    ----------
    files : sequence of Path
        Read in this order.
    topic : bool
        Whether the event topic is read instead.
    start, stop : str, optional
        Of the topic: offsets in every partition, or RFC 3339 times.
    zone : str, optional
        Of times in files that carry no offset.
    """

    files: Sequence[Path] = ()
    topic: bool = False
    start: str | None = None
    stop: str | None = None
    zone: str | None = None

    def __post_init__(self) -> None:
        if bool(self.files) and self.topic:
            raise ConfigError("give files, or --topic to learn from the event topic")
        if not self.topic and (self.start or self.stop):
            raise ConfigError("--from and --to: for --topic; files are read whole")

    @property
    def is_empty(self) -> bool:
        """Whether it names neither files nor the topic."""
        return not self.files and not self.topic


class TrainingProgress(Protocol):
    """Shows how far a training is."""

    def read(self, rows: int) -> None:
        """Show that so many more rows were read."""
        ...

    def step(self, name: str, completed: int | None = None, total: int | None = None) -> None:
        """Show what is being done now, and how much of it is done."""
        ...


class NoProgress:
    """A `TrainingProgress` that shows nothing."""

    def read(self, rows: int) -> None:
        """Show nothing."""

    def step(self, name: str, completed: int | None = None, total: int | None = None) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What a training found.

    Attributes
    ----------
    parameters : object
        A `Domain.parameters_type`.
    training : Training
    metrics : mapping of str to float
    learned_from : str
        The rows for people: ``1,234 rides``.
    measured_on : str
        Which rows `metrics` are of, for people: ``held out``; empty where it goes without saying.
    rejected : int
        Records read that are no events, and so were left out.
    files : mapping of str to bytes
        Kept beside the parameters.
    """

    parameters: Any
    training: Training
    metrics: Mapping[str, float]
    learned_from: str
    measured_on: str = ""
    rejected: int = 0
    files: Mapping[str, bytes] = field(default_factory=dict)


def training_of(options: object, data_sha256: str, rows: int) -> Training:
    """Return the record of a training that ends now."""
    return Training(
        trained_at=datetime.now(UTC),
        settings=msgspec.to_builtins(options),
        data_sha256=data_sha256,
        rows=rows,
    )


def options_of(options: Mapping[str, Any], kind: type[Options]) -> Options:
    """Return options by name as a struct; texts such as those of ``--set`` become numbers.

    Raises
    ------
    ConfigError
        An option is not known, or its value is none.
    """
    if unknown := options.keys() - set(kind.__struct_fields__):  # type: ignore[attr-defined]
        known = ", ".join(kind.__struct_fields__)  # type: ignore[attr-defined]
        raise ConfigError(f"--set {', '.join(sorted(unknown))}: there are {known}")
    try:
        return msgspec.convert(dict(options), kind, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"--set: {error}") from error
