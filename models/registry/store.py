"""What a registry needs of the place its models rest in: a folder, a bucket, MLflow.

A reader sees a version whole or not at all, and an alias before or after a change, never between.
Reading raises only `eddy.schemas.errors.ModelRefused` (or one of its kinds) and
`eddy.schemas.errors.Unavailable`, so that a running stream can keep its last good model.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from eddy.models.registry.aliases import AliasChange, Aliases
from eddy.models.registry.manifest import Manifest
from eddy.models.registry.names import LATEST, is_version
from eddy.schemas.errors import DamagedModel, ModelRefused, UnknownModel

Proposal = Callable[[Aliases], AliasChange | None]
"""Makes the next change from the aliases in force; None where there is nothing to change."""


class StoredVersion(NamedTuple):
    """A version and the folder its files are in, in the store's own words."""

    manifest: Manifest
    folder: str


class Store(Protocol):
    """Keeps versions and aliases; names were checked by the registry."""

    def names(self) -> list[str]:
        """Return the names of the models that have versions, sorted."""
        ...

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, oldest first; none where the name is not known."""
        ...

    def find(self, name: str, which: str) -> StoredVersion:
        """Return what `which`, a version, an alias or "latest", means.

        Raises
        ------
        UnknownModel
            No such version, or no such alias.
        DamagedModel
            The version is not as it was registered.
        """
        ...

    def read_file(self, folder: str, file: str, limit_bytes: int) -> bytes:
        """Return a file of a version.

        Raises
        ------
        DamagedModel
            It is not there, or larger than `limit_bytes`.
        """
        ...

    def add(self, manifest: Manifest, contents: Mapping[str, bytes]) -> str:
        """Keep a version for good; return the number it got, which the manifest does not know."""
        ...

    def aliases(self, name: str) -> dict[str, str]:
        """Return alias -> version."""
        ...

    def history(self, name: str) -> list[AliasChange]:
        """Return every change of an alias that took effect and every refusal, oldest first."""
        ...

    def change(self, name: str, propose: Proposal) -> AliasChange | None:
        """Log a change and let it take effect; of writers at the same time none is lost."""
        ...


def number_of(store: Store, name: str, which: str) -> str:
    """Return the version that `which` means, whether or not it is there.

    Raises
    ------
    UnknownModel
        There is no such alias.
    """
    if is_version(which):
        return which
    if which == LATEST and (versions := store.versions(name)):
        return versions[-1]
    aliases = store.aliases(name)
    if which not in aliases:
        known = ", ".join(sorted(aliases)) or "none"
        raise UnknownModel(f"model {name!r} has no {which!r}; aliases: {known}")
    return aliases[which]


def absence(name: str, which: str, number: str) -> ModelRefused:
    """Return the error for a version that is not there: never was, or is gone."""
    if which == number:
        return UnknownModel(f"model {name!r} has no version {number}")
    return DamagedModel(f"model {name!r}: {which!r} is version {number}, which is gone")
