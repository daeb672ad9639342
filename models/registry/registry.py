"""The contract of every registry: versions never change, aliases say which one is in use.

A reader sees a version whole or not at all, and an alias before or after a change, never between.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Protocol

import msgspec
from msgspec import Meta

from eddy.models.artefact import PARAMETERS_FILE, digest
from eddy.models.judge import Model
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.errors import ConfigError, DamagedModel, UnknownModel

CHAMPION = "champion"
CHALLENGER = "challenger"
LATEST = "latest"  # reserved: always the newest version, so that no registry lets it be set
MAX_FILES = 16
MAX_LINE_BYTES = 4000  # of the audit log; MLflow's databases take 5000 characters

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ALIAS = re.compile(r"(?!v[0-9]+$)[a-z][a-z0-9_-]{0,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


class File(msgspec.Struct, frozen=True):
    """One file of a version, as it was registered."""

    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Meta(ge=0)]

    @classmethod
    def of(cls, content: bytes) -> "File":
        """Describe a file with this content."""
        return cls(digest(content), len(content))

    def check(self, content: bytes, where: str) -> None:
        """Raise DamagedModel unless `content`, found at `where`, is this file's."""
        if len(content) != self.size_bytes or digest(content) != self.sha256:
            raise DamagedModel(f"{where} is not the file that was registered")


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
        if len(self.files) > MAX_FILES or not all(map(is_file_name, self.files)):
            raise ValueError("files that no version has")

    @property
    def sha256(self) -> str:
        """Identify the content: that of ``model.json``, which names what else it needs by SHA-256.

        The same data and settings give the same one.
        """
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


Action = Literal["set", "rollback", "refused"]


class AliasChange(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit log: an alias moved from `before` to `after`, or was not let.

    Attributes
    ----------
    sequence : int
        Counts the lines of one model, from 1.
    action : str
        Where it is "refused", `alias` stayed at `before`; `after` is what it was not given.
    by, reason : str
        Who, and why.
    evidence : dict
        The figures it was decided on; plain values only.
    """

    sequence: int
    at: datetime
    action: Action
    alias: str
    before: str | None
    after: str
    by: str = ""
    reason: str = ""
    evidence: dict[str, Any] = {}


class Registry(Protocol):
    """Holds models by name and version.

    `which` is a version ("3"), an alias ("champion") or "latest". Reading raises only
    `eddy.schemas.errors.ModelRefused` (or one of its kinds) and `eddy.schemas.errors.Unavailable`,
    so that a running stream can keep its last good model.
    """

    def register(
        self,
        name: str,
        artefact: bytes,
        *,
        training: Training,
        metrics: Mapping[str, float],
        files: Mapping[str, bytes] = {},
    ) -> str:
        """Keep `artefact` (from `encode_parameters`) and `files` for good; return the version.

        What the model needs of `files` to judge, `artefact` names by SHA-256: its digest alone
        identifies the content of a version.
        """
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
        """Return a verified model: size and sha256 of every file as registered.

        Its parameters are of the type asked for or, where that has a method ``opened(files)``,
        what this returns for the further files.
        """
        ...

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        ...

    def set_alias(
        self,
        name: str,
        alias: str,
        which: str,
        *,
        by: str = "",
        reason: str = "",
        evidence: Mapping[str, Any] = {},
    ) -> Manifest:
        """Point `alias` at a version whose files are intact; nothing to do where it does."""
        ...

    def promote(
        self,
        name: str,
        which: str,
        *,
        by: str = "",
        reason: str = "",
        evidence: Mapping[str, Any] = {},
    ) -> Manifest:
        """Make a version the champion."""
        ...

    def rollback(self, name: str, *, by: str = "", reason: str = "") -> Manifest:
        """Make the champion the one it replaced; again, the one before that."""
        ...

    def refuse(
        self,
        name: str,
        which: str,
        *,
        by: str = "",
        reason: str = "",
        evidence: Mapping[str, Any] = {},
    ) -> AliasChange:
        """Write into the audit log that a version was not made the champion, and why."""
        ...

    def history(self, name: str) -> list[AliasChange]:
        """Return the audit log: every change of an alias and every refusal, oldest first."""
        ...


def is_name(name: str) -> bool:
    """Whether `name` can name a model in every registry."""
    return _NAME.fullmatch(name) is not None


def is_file_name(name: str) -> bool:
    """Whether a version may have a file of this name: no folders, nothing hidden."""
    return _FILE_NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` can name a model in every registry."""
    if not is_name(name):
        raise ConfigError(f"model name {name!r}: lower-case letters, digits, - and _, at most 64")


def check_alias(alias: str) -> None:
    """Raise ConfigError unless `alias` can be set in every registry."""
    if not is_alias(alias):
        raise ConfigError(
            f"alias {alias!r}: lower-case letters, digits, - and _, beginning with a letter; "
            f"{LATEST!r} and v1, v2, ... are reserved"
        )


def is_alias(alias: str) -> bool:
    """Whether `alias` can be set in every registry."""
    return _ALIAS.fullmatch(alias) is not None and alias != LATEST


def check_evidence(by: str, reason: str, evidence: Mapping[str, Any]) -> None:
    """Raise ConfigError unless who, why and on what figures fit into a line of the audit log."""
    told = len(msgspec.json.encode([by, reason, evidence]))
    if told > MAX_LINE_BYTES:
        raise ConfigError(f"the audit log takes {MAX_LINE_BYTES} bytes a line, not {told}")


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
