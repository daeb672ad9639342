"""Following an alias: who asks now and then, and keeps the model in use until there is a better."""

from collections.abc import Callable
from typing import Any

import msgspec

from eddy.models.judge import Model
from eddy.models.registry.manifest import Manifest
from eddy.models.registry.names import CHAMPION
from eddy.models.registry.registry import Registry
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.errors import ModelRefused, Unavailable, UnknownModel

_MAX_PAUSE_POLLS = 64


class Loaded(msgspec.Struct, frozen=True):
    """The alias points at another model than the last one loaded; it was verified."""

    model: Model


class Refused(msgspec.Struct, frozen=True):
    """The alias cannot be followed, since this poll; `version` where it is known which."""

    why: str
    version: str | None = None


class Gone(msgspec.Struct, frozen=True):
    """The alias of a model in use is there no more, since this poll."""

    why: str


class Unchanged(msgspec.Struct, frozen=True):
    """As at the last poll; `why` says what keeps the alias from being followed, if anything."""

    why: str | None = None


class AliasFollower:
    """Loads the model that an alias points at when it is another one; never raises for a bad one.

    A refused artefact is remembered by version and sha256 and tried again only after 1, 2, 4 ...
    at most 64 further polls, so that a large broken file costs next to nothing. A refusal is
    reported once, when it is new. No threads, no clock.

    Parameters
    ----------
    registry : Registry
    name : str
        The model's name.
    parameters_type : type
        What the artefact must hold.
    current : ModelRef, optional
        The model already in use, so that the first poll does not load it again.
    alias : str
    check : callable
        Raises ModelRefused of a version that is not wanted, such as one that is too old.

    Attributes
    ----------
    is_set : bool
        Whether the alias pointed at a version when that was last known.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        parameters_type: type[Any],
        current: ModelRef | None = None,
        alias: str = CHAMPION,
        check: Callable[[ModelRef], None] = lambda _: None,
    ) -> None:
        self.is_set = False
        self._registry = registry
        self._alias = alias
        self._check = check
        self._name = name
        self._type = parameters_type
        self._current = _identity(current) if current else None
        self._complaint: str | None = None
        self._refused: tuple[str, str] | None = None
        self._pause = self._wait = 0

    def poll(self) -> Loaded | Refused | Gone | Unchanged:
        """Ask the registry."""
        try:
            manifest = self._registry.resolve(self._name, self._alias)
        except UnknownModel as error:
            self.is_set = False
            return self._gone(str(error))
        except (ModelRefused, Unavailable) as error:
            return self._refuse(None, error)
        self.is_set = True
        identity = _identity(manifest.ref)
        if identity == self._current:
            self._settle()
            return Unchanged()
        if identity == self._refused and self._wait > 0:
            self._wait -= 1
            return Unchanged(self._complaint)
        return self._load(manifest)

    def _load(self, manifest: Manifest) -> Loaded | Refused | Unchanged:
        try:
            self._check(manifest.ref)
            model = self._registry.load(self._name, manifest.version, self._type)
        except (ModelRefused, Unavailable) as error:
            return self._refuse(manifest, error)
        self._current = _identity(model.ref)
        self._settle()
        return Loaded(model)

    def _settle(self) -> None:
        self._complaint = self._refused = None
        self._pause = self._wait = 0

    def _gone(self, why: str) -> Gone | Unchanged:
        is_known = self._current is None or (self._refused, self._complaint) == (None, why)
        self._settle()
        if self._current is not None:
            self._complaint = why
        return Unchanged(self._complaint) if is_known else Gone(why)

    def _refuse(self, manifest: Manifest | None, error: Exception) -> Refused | Unchanged:
        refused = _identity(manifest.ref) if manifest else None
        # what cannot be read now may be readable at the next poll; only a bad artefact waits
        is_again = refused is not None and refused == self._refused
        self._pause = min(self._pause * 2, _MAX_PAUSE_POLLS) if is_again and self._pause else 1
        self._wait = self._pause if isinstance(error, ModelRefused) else 0
        is_known = (refused, str(error)) == (self._refused, self._complaint)
        self._refused, self._complaint = refused, str(error)
        if is_known:
            return Unchanged(self._complaint)
        return Refused(str(error), manifest.version if manifest else None)


def _identity(ref: ModelRef) -> tuple[str, str]:
    return ref.version, ref.sha256
