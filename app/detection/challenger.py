"""The challenger: the model that scores beside the champion, to be compared and not published."""

from collections.abc import Callable
from typing import Any

import structlog

from eddy.models.judge import Model
from eddy.models.registry.alias_follower import AliasFollower, Loaded, Refused
from eddy.models.registry.names import CHALLENGER
from eddy.models.registry.registry import Registry
from eddy.schemas.anomalies import ModelRef

log = structlog.get_logger()


class ChallengerFollower:
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
        self._name, self._champion = name, champion
        self._follower = AliasFollower(
            registry, name, parameters_type, alias=CHALLENGER, check=check
        )
        self._loaded: Model | None = None
        self._published: Model | None = None

    def poll(self) -> tuple[Model | None] | None:
        """Return (the challenger,) or (None,) where that changed, else None; never raises."""
        match self._follower.poll():
            case Loaded(model):
                self._loaded = model
            case Refused(why, None):
                log.warning("challenger_unknown", name=self._name, why=why)
            case Refused(why):
                log.warning("challenger_refused", name=self._name, why=why)
        challenger = self._loaded if self._follower.is_set else None
        if challenger is not None and challenger.ref.sha256 == self._champion().ref.sha256:
            challenger = None
        if challenger is self._published:
            return None
        self._published = challenger
        return (challenger,)
