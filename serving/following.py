"""Following the champions: a thread polls the registry, and the last good model stays."""

import threading
from collections.abc import Sequence
from typing import Any

import structlog

from eddy.models.judge import Model
from eddy.models.registry.alias_follower import AliasFollower, Gone, Loaded, Refused
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import ModelRefused, Unavailable
from eddy.serving.metrics import ServingMetrics
from eddy.serving.served import Served

log = structlog.get_logger()


class Following:
    """The champions of some models, as of the last poll of the registry.

    A model is served once it was verified and has scored a row; one that is refused changes
    nothing. What `served` returned stays usable for as long as a request needs it.

    Parameters
    ----------
    registry : Registry
    names : sequence of str
        Of the models, the default one first.
    parameters_type : type
        What their artefacts hold.
    metrics : ServingMetrics
    interval_s : float
        Seconds between two polls.
    """

    def __init__(
        self,
        registry: Registry,
        names: Sequence[str],
        parameters_type: type[Any],
        metrics: ServingMetrics,
        interval_s: float,
    ) -> None:
        self.names = list(names)
        self._registry = registry
        self._metrics = metrics
        self._interval_s = interval_s
        self._followers = {name: AliasFollower(registry, name, parameters_type) for name in names}
        self._served: dict[str, Served] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="following", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """End the polling."""
        self._stopped.set()
        self._thread.join(timeout=5)  # it only reads: a load under way ends with the process

    def served(self, name: str) -> Served | None:
        """Return the model in use under a name; None while there is none."""
        return self._served.get(name)

    @property
    def missing(self) -> list[str]:
        """The names under which no model is in use yet."""
        return [name for name in self.names if name not in self._served]

    def refresh(self) -> None:
        """Take up the champions that are others than those in use."""
        for name, follower in self._followers.items():
            match follower.poll():
                case Loaded(model):
                    self._take_up(model)
                case Refused(why) | Gone(why):
                    self._refuse(name, why)

    def _take_up(self, model: Model) -> None:
        ref = model.ref
        served = Served(ref, model.parameters, self._measured(ref.name, ref.version))
        try:
            served.warm_up()
        except Exception as error:
            log.exception("model_does_not_score", name=ref.name, version=ref.version)
            self._refuse(ref.name, f"it does not score: {type(error).__name__}")
            return
        before = self._served.get(ref.name)
        self._served[ref.name] = served
        self._metrics.show(before.ref if before else None, ref)
        self._metrics.model_reloads.labels(ref.name, "reloaded").inc()
        log.info("model_in_use", name=ref.name, version=ref.version, sha256=ref.sha256)

    def _measured(self, name: str, version: str) -> dict[str, float]:
        try:
            return dict(self._registry.resolve(name, version).metrics)
        except (ModelRefused, Unavailable) as error:  # it was loaded: only its metrics are missing
            log.warning("metrics_not_read", name=name, version=version, why=str(error))
            return {}

    def _refuse(self, name: str, why: str) -> None:
        self._metrics.model_reloads.labels(name, "refused").inc()
        log.warning("model_not_taken", name=name, why=why)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                self.refresh()
            except Exception:  # a defect in one poll must not end the polling
                log.exception("registry_not_seen")
            self._stopped.wait(self._interval_s)
