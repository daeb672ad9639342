"""The composition root: the one place where settings become real things."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from eddy.app.detection.challenger import ChallengerWatcher
from eddy.app.detection.policy_watch import PolicyWatcher
from eddy.app.domains import domain as domain_called
from eddy.app.domains import domain_names
from eddy.app.resolution import Resolved, policy_of, resolve, topics_of
from eddy.app.settings import Settings
from eddy.models.domain import Domain
from eddy.models.judge import Model
from eddy.models.registry import address
from eddy.models.registry.names import CHAMPION
from eddy.models.registry.registry import Registry
from eddy.models.registry.reload import ModelWatcher
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.errors import ConfigError, ModelRefused, UnknownModel
from eddy.schemas.topics import DomainTopics
from eddy.streams.config import Route
from eddy.streams.lane import CircuitBreaker, Lane
from eddy.streams.metrics import Metrics
from eddy.streams.wiring import Wiring

log = structlog.get_logger()


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


def policy(settings: Settings, chosen: Domain) -> Any:
    """Return a domain's policy from its section of the settings; see `policy_of`."""
    return policy_of(settings, chosen)


def topics(settings: Settings, chosen: Domain) -> DomainTopics:
    """Return a domain's topics under the configured prefix."""
    return topics_of(chosen, settings.topic_prefix)


def config_hash(settings: Settings, chosen: Domain) -> str:
    """Identify everything in the configuration that a domain's verdicts depend on."""
    return resolve(settings, chosen).config_hash


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
    model, poll = _models(settings, domain, models, metrics)
    lane = Lane(
        domain=domain,
        route=route,
        policy=resolved.policy,
        config_hash=resolved.config_hash,
        state_hash=resolved.state_hash,
        model=model,
        poll_model=poll if reload else lambda: None,
        circuit_breaker=CircuitBreaker(engine.fuse_ratio, engine.fuse_window),
    )
    if reload and domain.is_labelled:
        _with_challenger(settings, models, lane)
    return lane


def _with_challenger(settings: Settings, models: Registry, lane: Lane) -> None:
    """Let a challenger score in the shadow from the first event on."""
    domain = lane.domain
    watcher = ChallengerWatcher(
        models,
        domain.name,
        domain.parameters_type,
        lambda: lane.model,
        lambda ref: _refuse_old(ref, settings.max_model_age_days),
    )
    lane.poll_challenger = watcher.poll
    found = watcher.poll()
    lane.challenger = None if found is None else found[0]


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


def _models(
    settings: Settings, chosen: Domain, models: Registry, metrics: Metrics
) -> tuple[Model, Callable[[], Model | None]]:
    """Return the champion, or the default where there is none, and how to look for a newer one."""
    current = champion(settings, chosen, models)
    is_default = current.ref == chosen.default_model().ref
    watcher = ModelWatcher(
        models,
        chosen.name,
        chosen.parameters_type,
        current=None if is_default else current.ref,
        check=lambda ref: _refuse_old(ref, settings.max_model_age_days),
    )
    _show(metrics, None, current)

    def poll() -> Model | None:
        nonlocal current
        newer = watcher.poll()
        outcome = watcher.outcome
        if outcome.kind != "unchanged":
            metrics.model_reloads.labels(chosen.name, outcome.kind).inc()
        if outcome.kind == "refused":
            log.warning("model_not_taken", name=chosen.name, why=outcome.why)
        if newer is not None:
            _show(metrics, current, newer)
            current = newer
        return newer

    return current, poll


def champion(settings: Settings, chosen: Domain, models: Registry | None = None) -> Model:
    """Return the model that a domain begins with.

    The champion; where that is damaged or refused, the newest of its predecessors that can be
    loaded; where the registry holds none, the default model.

    Raises
    ------
    Unavailable
        The registry does not answer: who begins with another model would judge otherwise than
        before.
    """
    models = models or registry(settings)
    try:
        return models.load(chosen.name, CHAMPION, chosen.parameters_type)
    except UnknownModel as error:
        log.info("default_model_in_use", name=chosen.name, why=str(error))
    except ModelRefused as error:
        log.warning("champion_refused", name=chosen.name, why=str(error))
        for version in _earlier_champions(models, chosen.name):
            try:
                earlier = models.load(chosen.name, version, chosen.parameters_type)
            except ModelRefused:
                continue
            log.warning("earlier_champion_in_use", name=chosen.name, version=version)
            return earlier
        log.warning("default_model_in_use", name=chosen.name, why="no champion can be loaded")
    return chosen.default_model()


def _earlier_champions(models: Registry, name: str) -> list[str]:
    """Return the versions that were champions before the present one, newest first."""
    changes = [one for one in models.history(name) if one.alias == CHAMPION]
    before = [one.before for one in reversed(changes) if one.action != "refused" and one.before]
    return list(dict.fromkeys(before))


def _refuse_old(ref: ModelRef, most_days: float | None) -> None:
    """Refuse a model that was trained too long ago to be taken up."""
    if most_days is None or ref.trained_at is None:
        return
    days = (datetime.now(UTC) - ref.trained_at) / timedelta(days=1)
    if days > most_days:
        raise ModelRefused(
            f"{ref.name} {ref.version} was trained {days:.1f} days ago; max_model_age_days is "
            f"{most_days:g}"
        )


def _show(metrics: Metrics, before: Model | None, now: Model) -> None:
    if before is not None:
        old = before.ref
        metrics.model_info.labels(old.name, old.version, old.sha256).set(0)
    metrics.model_info.labels(now.ref.name, now.ref.version, now.ref.sha256).set(1)
