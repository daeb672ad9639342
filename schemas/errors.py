"""The error tree: four kinds, told apart by what is done about them.

::

    EddyError
    ├── RejectedRecord   set aside   the record goes to ``rejections.<domain>``; the stream goes on
    ├── Unavailable      slow down   a dependency does not answer; retried a bounded number of times
    ├── ModelRefused     keep the last good model; the artefact is not fit to judge with
    │   ├── UnknownModel     no such model, version or alias in the registry
    │   └── DamagedModel     the registry's files are not those that were registered
    └── FatalError       crash       the process ends with ``exit_code`` and nothing is committed
        ├── ConfigError      2   a setting, a flag or a file is wrong; the message names it
        ├── MissingResource  3   a port, the disk, the broker or a file is not to be had
        ├── Fenced           4   another process runs with the same instance id
        ├── CircuitOpen      5   nearly every record is bad: the producer is broken, not the records
        ├── Mismatch         6   a comparison (``eddy replay``, ``eddy doctor``) found a difference
        └── GateRefused      7   a model is not good enough to become champion; nothing changed

An error that is not in this tree is a defect; it ends the process with exit code 1.
"""

from typing import ClassVar


class EddyError(Exception):
    """Root of every error this project raises on purpose."""

    exit_code: ClassVar[int] = 1


class RejectedRecord(EddyError):
    """One record cannot become an event.

    Parameters
    ----------
    reason : str
        A member of `eddy.schemas.rejections.REASONS`.
    detail : str
        What is wrong, naming the field; never holds the record's content.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Unavailable(EddyError):
    """A dependency does not answer now and may later."""

    exit_code = 3


class ModelRefused(EddyError):
    """A model cannot be used; a stream that has one goes on with it, a command says so and ends."""

    exit_code = 3


class UnknownModel(ModelRefused):
    """The registry holds no such model, version or alias."""

    exit_code = 2


class DamagedModel(ModelRefused):
    """A file in the registry is missing, cut short, too large or altered."""


class FatalError(EddyError):
    """The process must end."""


class ConfigError(FatalError):
    """A setting, a flag or a file's content is wrong; the message says which and what to do."""

    exit_code = 2


class MissingResource(FatalError):
    """A port, the disk, the broker or a file is not to be had; the message says what to do."""

    exit_code = 3


class Fenced(FatalError):
    """Another process took over this instance id."""

    exit_code = 4


class CircuitOpen(FatalError):
    """Nearly every record of an input topic is rejected."""

    exit_code = 5


class Mismatch(FatalError):
    """Two things that must be equal differ."""

    exit_code = 6


class GateRefused(FatalError):
    """A model is not good enough to become champion; the message says why, and nothing changed."""

    exit_code = 7
