"""The model that a domain begins with, and the champions that follow it while running."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import structlog

from eddy.models.domain import Domain
from eddy.models.judge import Model
from eddy.models.registry.alias_follower import AliasFollower, Gone, Loaded, Refused
from eddy.models.registry.names import CHAMPION
from eddy.models.registry.registry import Registry
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.errors import ModelRefused, UnknownModel
from eddy.streams.metrics import Metrics

log = structlog.get_logger()


class ChampionFollower:
    """The champion of a domain, or the default where there is none.

    Parameters
    ----------
    registry : Registry
    domain : Domain
    metrics : Metrics
        Show which model is in use, and count what was loaded and refused.
    max_age_days : float, optional
        A champion trained longer ago is not taken up; the one in use goes on.

    Attributes
    ----------
    model : Model
        In use.
    """

    def __init__(
        self, registry: Registry, domain: Domain, metrics: Metrics, max_age_days: float | None
    ) -> None:
        self.model = first_model(registry, domain)
        self._name, self._metrics = domain.name, metrics
        is_default = self.model.ref == domain.default_model().ref
        self._follower = AliasFollower(
            registry,
            domain.name,
            domain.parameters_type,
            current=None if is_default else self.model.ref,
            check=age_limit(max_age_days),
        )
        self._show(self.model.ref, 1)

    def poll(self) -> Model | None:
        """Return the champion where it is another than the model in use, else None."""
        match self._follower.poll():
            case Loaded(model):
                self._metrics.model_reloads.labels(self._name, "reloaded").inc()
                self._show(self.model.ref, 0)
                self._show(model.ref, 1)
                self.model = model
                return model
            case Refused(why) | Gone(why):
                self._metrics.model_reloads.labels(self._name, "refused").inc()
                log.warning("model_not_taken", name=self._name, why=why)
        return None

    def _show(self, ref: ModelRef, is_in_use: int) -> None:
        self._metrics.model_info.labels(ref.name, ref.version, ref.sha256).set(is_in_use)


def first_model(registry: Registry, domain: Domain) -> Model:
    """Return the model that a domain begins with.

    The champion; where that is damaged or refused, the newest of its predecessors that can be
    loaded; where the registry holds none, the default model.

    Raises
    ------
    Unavailable
        The registry does not answer: who begins with another model would judge otherwise than
        before.
    """
    try:
        return registry.load(domain.name, CHAMPION, domain.parameters_type)
    except UnknownModel as error:
        log.info("default_model_in_use", name=domain.name, why=str(error))
    except ModelRefused as error:
        log.warning("champion_refused", name=domain.name, why=str(error))
        for version in _earlier_champions(registry, domain.name):
            try:
                earlier = registry.load(domain.name, version, domain.parameters_type)
            except ModelRefused:
                continue
            log.warning("earlier_champion_in_use", name=domain.name, version=version)
            return earlier
        log.warning("default_model_in_use", name=domain.name, why="no champion can be loaded")
    return domain.default_model()


def age_limit(max_age_days: float | None) -> Callable[[ModelRef], None]:
    """Return a check that refuses models that were trained too long ago to be taken up."""

    def check(ref: ModelRef) -> None:
        if max_age_days is None or ref.trained_at is None:
            return
        age_days = (datetime.now(UTC) - ref.trained_at) / timedelta(days=1)
        if age_days > max_age_days:
            raise ModelRefused(
                f"{ref.name} {ref.version} was trained {age_days:.1f} days ago; "
                f"max_model_age_days is {max_age_days:g}"
            )

    return check


def _earlier_champions(registry: Registry, name: str) -> list[str]:
    """Return the versions that were champions before the present one, newest first."""
    changes = [change for change in registry.history(name) if change.alias == CHAMPION]
    versions = [c.before for c in reversed(changes) if c.action != "refused" and c.before]
    return list(dict.fromkeys(versions))
