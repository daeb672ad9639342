"""The composition root: the one place where settings become real things."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from eddy.app.detection.challenger import ChallengerFollower
from eddy.app.detection.models import ChampionFollower, age_limit, first_model
from eddy.app.detection.policy_watch import PolicyWatcher
from eddy.app.domains import domain as domain_called
from eddy.app.domains import domain_names
from eddy.app.resolution import Resolved, policy_of, resolve, topics_of
from eddy.app.settings import Settings
from eddy.models.domain import Domain
from eddy.models.judge import Model
from eddy.models.registry import address
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import ConfigError
from eddy.schemas.topics import DomainTopics
from eddy.streams.config import Route
from eddy.streams.lane import CircuitBreaker, Lane
from eddy.streams.metrics import Metrics
from eddy.streams.wiring import Wiring


def registry(settings: Settings) -> Registry:
    """Return the model registry that the settings name; nothing is opened or asked yet.

    Raises
    ------
    ConfigError
        ``storage.registry`` is no folder and no address of a registry.
    """
    store = address.open_store(settings.storage.registry)
    return Registry(store, lambda: datetime.now(UTC))


def chosen_domains(settings: Settings) -> list[Domain]:
    """Return the domains the settings choose.

    Raises
    ------
    ConfigError
        Where one does not exist.
    """
    if not settings.domains:
        raise ConfigError(f"domains: none chosen; there are {', '.join(domain_names())}")
    return [domain_called(name) for name in settings.domains]


def policy(settings: Settings, domain: Domain) -> Any:
    """Return a domain's policy from its section of the settings; see `policy_of`."""
    return policy_of(settings, domain)


def topics(settings: Settings, domain: Domain) -> DomainTopics:
    """Return a domain's topics under the configured prefix."""
    return topics_of(domain, settings.topic_prefix)


def config_hash(settings: Settings, domain: Domain) -> str:
    """Identify everything in the configuration that a domain's verdicts depend on."""
    return resolve(settings, domain).config_hash


def wire(
    settings: Settings,
    metrics: Metrics,
    *,
    routes: Mapping[str, Route] | None = None,
    reload: bool = True,
    reread: Callable[[], Settings] | None = None,
    until_done: bool = False,
) -> Wiring:
    """Return a process, wired and not yet started.

    Parameters
    ----------
    routes : mapping of str to Route, optional
        By domain; the configured topics where not given.
    reload : bool
        Whether new champions are taken up while running.
    reread : callable, optional
        Reads the settings again, for policies to be taken up while running.
    """
    lanes = []
    in_use: dict[str, bool] = {}
    models = registry(settings)
    for domain in chosen_domains(settings):
        resolved = resolve(settings, domain)
        route = (routes or {}).get(domain.name) or Route(resolved.topics)
        lane = _lane(settings, resolved, route, models, metrics, reload)
        if reread is not None:
            lane.poll_policy = _policies(resolved, reread, in_use, metrics)
        lanes.append(lane)
    return Wiring(
        config=settings.engine,
        connection=settings.kafka,
        lanes=lanes,
        checkpoints_url=settings.storage.checkpoints_url,
        reload_interval_s=settings.reload_interval_s,
        health_host=settings.health.host,
        health_port=settings.health.port,
        until_done=until_done,
    )


def _lane(
    settings: Settings,
    resolved: Resolved,
    route: Route,
    models: Registry,
    metrics: Metrics,
    reload: bool,
) -> Lane:
    domain, engine = resolved.domain, settings.engine
    follower = ChampionFollower(models, domain, metrics, settings.max_model_age_days)
    lane = Lane(
        domain=domain,
        route=route,
        policy=resolved.policy,
        config_hash=resolved.config_hash,
        state_hash=resolved.state_hash,
        model=follower.model,
        poll_model=follower.poll if reload else lambda: None,
        circuit_breaker=CircuitBreaker(engine.fuse_ratio, engine.fuse_window),
    )
    if reload and domain.is_labelled:
        _with_challenger(settings, models, lane)
    return lane


def _with_challenger(settings: Settings, models: Registry, lane: Lane) -> None:
    """Let a challenger score in the shadow from the first event on."""
    domain = lane.domain
    follower = ChallengerFollower(
        models,
        domain.name,
        domain.parameters_type,
        lambda: lane.model,
        age_limit(settings.max_model_age_days),
    )
    lane.poll_challenger = follower.poll
    change = follower.poll()
    lane.challenger = None if change is None else change[0]


def _policies(
    resolved: Resolved,
    reread: Callable[[], Settings],
    in_use: dict[str, bool],
    metrics: Metrics,
) -> Callable[[], tuple[Any, str] | None]:
    """Return how to look for a newer policy."""
    domain = resolved.domain

    def read() -> Resolved:
        settings = reread()
        if domain.name not in settings.domains:
            raise ConfigError(f"domains.{domain.name}: gone; leaving a domain takes a restart")
        return resolve(settings, domain)

    def on_poll(is_in_use: bool) -> None:
        in_use[domain.name] = is_in_use
        metrics.config_reloaded.set(all(in_use.values()))

    return PolicyWatcher(resolved, read, on_poll).poll


def champion(settings: Settings, domain: Domain) -> Model:
    """Return the model that a domain begins with; see `first_model`."""
    return first_model(registry(settings), domain)
