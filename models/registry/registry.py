"""The contract of every registry: versions never change, aliases say which one is in use.

A reader sees a version whole or not at all, and an alias before or after a change, never between.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from models.judge import Model
from models.registry.artefact import PARAMETERS_FILE
from schemas.anomalies import ModelRef
from schemas.errors import ConfigError, DamagedModel, UnknownModel

CHAMPION = "champion"
CHALLENGER = "challenger"
LATEST = "latest"  # reserved: always the newest version, so that no registry lets it be set

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


class File(msgspec.Struct, frozen=True):
    """One file of a version, as it was registered."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Meta(ge=0)]


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """How a model came about: enough to make it again.

    Attributes
    ----------
    trained_at : datetime
        When, in UTC.
    settings : dict
        The trainer's settings; plain values only.
    data_sha256 : str
        Identifies the training rows; empty where they were not kept.
    rows : int
        How many rows it learned from.
    """

    trained_at: Annotated[datetime, Meta(tz=True)]
    settings: dict[str, Any] = {}
    data_sha256: str = ""
    rows: int = 0


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a version's files."""

    name: str
    version: str
    files: dict[str, File]
    created_at: Annotated[datetime, Meta(tz=True)]
    training: Training
    metrics: dict[str, float] = {}
    eddy_version: str = ""

    def __post_init__(self) -> None:
        if PARAMETERS_FILE not in self.files:
            raise ValueError(f"no {PARAMETERS_FILE} among the files")

    @property
    def sha256(self) -> str:
        """Identify the content: the same data and settings give the same one."""
        return self.files[PARAMETERS_FILE].sha256

    @property
    def ref(self) -> ModelRef:
        """Name this version in anomalies and metrics."""
        return ModelRef(
            name=self.name,
            version=self.version,
            sha256=self.sha256,
            trained_at=self.training.trained_at,
        )


class AliasChange(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log: an alias moved from `before` to `after`."""

    sequence: int
    at: datetime
    action: Literal["set", "rollback"]
    alias: str
    before: str | None
    after: str
    by: str = ""


class Registry(Protocol):
    """Holds models by name and version.

    `which` is a version ("3"), an alias ("champion") or "latest". Reading raises only
    `schemas.errors.ModelRefused` (or one of its kinds) and `schemas.errors.Unavailable`, so that
    a running stream can keep its last good model.
    """

    def register(
        self, name: str, artefact: bytes, *, training: Training, metrics: Mapping[str, float]
    ) -> str:
        """Keep `artefact` (from `encode_parameters`) for good; return its new version."""
        ...

    def names(self) -> list[str]:
        """Return the names of the models, sorted."""
        ...

    def versions(self, name: str) -> list[str]:
        """Return the versions of `name`, oldest first; none where the name is not known."""
        ...

    def resolve(self, name: str, which: str) -> Manifest:
        """Return the manifest of a version; cheap, does not read the artefact."""
        ...

    def load(self, name: str, which: str, parameters_type: type[Any]) -> Model:
        """Return a verified model: size and sha256 as registered, content of the type asked for."""
        ...

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        ...

    def set_alias(self, name: str, alias: str, which: str, *, by: str = "") -> Manifest:
        """Point `alias` at a version whose files are intact."""
        ...

    def promote(self, name: str, which: str, *, by: str = "") -> Manifest:
        """Make a version the champion."""
        ...

    def rollback(self, name: str, *, by: str = "") -> Manifest:
        """Make the champion the one it replaced; again, the one before that."""
        ...

    def history(self, name: str) -> list[AliasChange]:
        """Return every change of an alias, oldest first."""
        ...


def is_name(name: str) -> bool:
    """Whether `name` can name a model in every registry."""
    return _NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` can name a model in every registry."""
    if not is_name(name):
        raise ConfigError(f"model name {name!r}: lower-case letters, digits, - and _, at most 64")


def check_alias(alias: str) -> None:
    """Raise ConfigError unless `alias` can be set in every registry."""
    if alias == LATEST or not _ALIAS.fullmatch(alias):
        raise ConfigError(
            f"alias {alias!r}: lower-case letters, digits, - and _, beginning with a letter; "
            f"{LATEST!r} is reserved"
        )


def is_version(which: str) -> bool:
    """Tell a version from an alias."""
    return _VERSION.fullmatch(which) is not None


def pick(name: str, which: str, aliases: Mapping[str, str], exists: Callable[[str], bool]) -> str:
    """Return the version that `which`, a version or an alias, means.

    Raises
    ------
    UnknownModel
        No such version, or no such alias.
    DamagedModel
        The alias points at a version that is no longer there.
    """
    version = which if is_version(which) else aliases.get(which)
    if version is None:
        known = ", ".join(sorted(aliases)) or "none"
        raise UnknownModel(f"model {name!r} has no {which!r}; aliases: {known}")
    if exists(version):
        return version
    if version == which:
        raise UnknownModel(f"model {name!r} has no version {version}")
    raise DamagedModel(f"model {name!r}: {which!r} is version {version}, which is gone")
