"""Following the champion: a stream asks now and then, and keeps what it has unless told better."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

from eddy.models.judge import Model
from eddy.models.registry.manifest import Manifest
from eddy.models.registry.names import CHAMPION
from eddy.models.registry.registry import Registry
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.errors import ModelRefused, Unavailable, UnknownModel

Kind = Literal["reloaded", "unchanged", "refused"]

_MAX_PAUSE_POLLS = 64


class Outcome(msgspec.Struct, frozen=True):
    """What a poll came to; `kind` labels the metric, `why` goes to the log."""

    kind: Kind
    why: str = ""
    version: str | None = None


class ModelWatcher:
    """Gives a new model when the champion is another one, verified; never raises for a bad one.

    A refused artefact is remembered by version and sha256 and tried again only after 1, 2, 4 ...
    at most 64 further polls, so that a large broken file costs next to nothing. A refusal is an
    outcome once, when it is new; from then on polls are "unchanged" and `refused` still says
    what is wrong. No threads, no clock.

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
        Whom to follow, if not the champion.
    check : callable
        Raises ModelRefused of a version that is not wanted, such as one that is too old.
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
        self._registry = registry
        self._alias = alias
        self._check = check
        self._name = name
        self._type = parameters_type
        self._current = _identity(current) if current else None
        self._outcome = Outcome("unchanged", "not asked yet")
        self._refused: str | None = None
        self._bad: tuple[str, str] | None = None
        self._pause = self._wait = 0

    @property
    def outcome(self) -> Outcome:
        """What the last poll came to."""
        return self._outcome

    @property
    def refused(self) -> str | None:
        """Why the present champion is not in use; None while it is, or there is none."""
        return self._refused

    def poll(self) -> Model | None:
        """Return the champion if it is another than the last one returned, else None."""
        model: Model | None = None
        try:
            manifest = self._registry.resolve(self._name, self._alias)
            model = self._newer(manifest)
        except UnknownModel as error:
            self._outcome = self._none_there(error)
        except (ModelRefused, Unavailable) as error:
            self._outcome = self._refuse(None, error)
        return model

    def _newer(self, manifest: Manifest) -> Model | None:
        identity = _identity(manifest.ref)
        if identity == self._current:
            self._settle(Outcome("unchanged", version=manifest.version))
            return None
        if identity == self._bad and self._wait > 0:
            self._wait -= 1
            self._outcome = Outcome("unchanged", self._refused or "", manifest.version)
            return None
        return self._load(manifest)

    def _load(self, manifest: Manifest) -> Model | None:
        try:
            self._check(manifest.ref)
            model = self._registry.load(self._name, manifest.version, self._type)
        except (ModelRefused, Unavailable) as error:
            self._outcome = self._refuse(manifest, error)
            return None
        self._current = _identity(model.ref)
        self._settle(Outcome("reloaded", version=manifest.version))
        return model

    def _settle(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._refused = self._bad = None
        self._pause = self._wait = 0

    def _none_there(self, error: UnknownModel) -> Outcome:
        if self._current is not None:
            return self._refuse(None, error)
        self._refused = None
        return Outcome("unchanged", str(error))

    def _refuse(self, manifest: Manifest | None, error: Exception) -> Outcome:
        bad = _identity(manifest.ref) if manifest else None
        # what cannot be read now may be readable at the next poll; only a bad artefact waits
        again = bad is not None and bad == self._bad
        self._pause = min(self._pause * 2, _MAX_PAUSE_POLLS) if again and self._pause else 1
        self._wait = self._pause if isinstance(error, ModelRefused) else 0
        known = (bad, str(error)) == (self._bad, self._refused)
        self._bad, self._refused = bad, str(error)
        version = manifest.version if manifest else None
        return Outcome("unchanged" if known else "refused", str(error), version)


def _identity(ref: ModelRef) -> tuple[str, str]:
    return ref.version, ref.sha256
