"""The challenger: the model that scores beside the champion, to be compared and not published."""

from collections.abc import Callable
from typing import Any

import structlog

from eddy.models.judge import Model
from eddy.models.registry.names import CHALLENGER
from eddy.models.registry.registry import Registry
from eddy.models.registry.reload import ModelWatcher
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.errors import ModelRefused, Unavailable

log = structlog.get_logger()


class ChallengerWatcher:
    """Follows the alias `challenger` of a model.

    A challenger that was promoted is none any more; one that cannot be loaded is passed over, and
    the one in use goes on.

    Parameters
    ----------
    champion : callable
        Gives the champion in use.
    check : callable
        Raises ModelRefused of a version that is not wanted.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        parameters_type: type[Any],
        champion: Callable[[], Model],
        check: Callable[[ModelRef], None] = lambda _: None,
    ) -> None:
        self._registry, self._name, self._champion = registry, name, champion
        self._watcher = ModelWatcher(registry, name, parameters_type, alias=CHALLENGER, check=check)
        self._found: Model | None = None
        self._told: Model | None = None

    def poll(self) -> tuple[Model | None] | None:
        """Return (the challenger,) or (None,) where that changed, else None; never raises."""
        try:
            is_named = CHALLENGER in self._registry.aliases(self._name)
        except (ModelRefused, Unavailable) as error:
            log.warning("challenger_unknown", name=self._name, why=str(error))
            return None
        if is_named:
            newer = self._watcher.poll()
            if self._watcher.outcome.kind == "refused":
                log.warning("challenger_refused", name=self._name, why=self._watcher.outcome.why)
            self._found = newer or self._found
        chosen = self._found if is_named else None
        if chosen is not None and chosen.ref.sha256 == self._champion().ref.sha256:
            chosen = None
        if chosen is self._told:
            return None
        self._told = chosen
        return (chosen,)
