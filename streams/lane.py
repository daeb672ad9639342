"""The lane: one domain on its way through the engine, with the model of the moment."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from eddy.models.domain import Domain
from eddy.models.judge import Events, Identity, Judge, Model, ShadowedJudge
from eddy.schemas.columns import Program
from eddy.schemas.errors import CircuitOpen
from eddy.schemas.rejections import Rejection
from eddy.streams.config import Route
from eddy.streams.metrics import Metrics


class CircuitBreaker:
    """Blows when nearly all of a window of successive records were rejected.

    Parameters
    ----------
    ratio : float
        Share of rejected records that is too much.
    window : int
        Records looked at together.
    """

    def __init__(self, ratio: float, window: int) -> None:
        self._ratio, self._window = ratio, window
        self._seen = self._rejected = 0

    def count(self, seen: int, rejected: int, domain: str, last: Rejection | None) -> None:
        """Add records.

        Raises
        ------
        CircuitOpen
            When the window is full and nearly all of it was bad.
        """
        self._seen += seen
        self._rejected += rejected
        if self._seen < self._window:
            return
        share = self._rejected / self._seen
        self._seen = self._rejected = 0
        if share >= self._ratio:
            why = f"last: {last.reason}: {last.detail} at {last.trace}" if last else ""
            raise CircuitOpen(
                f"{domain}: {share:.0%} of the last {self._window} records were rejected ({why}); "
                "nothing of the open transaction was committed. Mend the producer, or move the "
                "group's offsets beyond the bad records, then start again"
            )


@dataclass(slots=True, eq=False)
class Lane:
    """A domain, what it reads and writes, its settings and its model.

    Attributes
    ----------
    config_hash : str
        Of everything in the configuration that verdicts depend on; the model is apart.
    state_hash : str
        Of what state depends on, that is of settings that take a restart: a checkpoint of another
        one is not taken up. By default all settings do.
    poll_model : callable
        Gives a new model, or None; never raises on a bad artefact.
    poll_challenger : callable
        Gives (model,) where another one is to score in the shadow, (None,) where none is any more,
        and None where nothing changed; never raises on a bad artefact.
    poll_policy : callable
        Gives a new policy with the configuration's hash, or None; never raises on bad settings.
    """

    domain: Domain
    route: Route
    policy: Any
    config_hash: str
    model: Model
    poll_model: Callable[[], Model | None]
    circuit_breaker: CircuitBreaker
    poll_challenger: Callable[[], tuple[Model | None] | None] = lambda: None
    poll_policy: Callable[[], tuple[Any, str] | None] = lambda: None
    state_hash: str = ""
    challenger: Model | None = None
    counters: "Counters" = field(init=False)

    def __post_init__(self) -> None:
        self.state_hash = self.state_hash or self.config_hash

    def build_judge(self, partition: int) -> Judge:
        """Return a fresh judge for a partition."""
        judge = self.domain.build_judge(self.policy, self.model, self.identity(partition))
        if self.domain.has_shadow:
            cast("ShadowedJudge", judge).set_challenger(self.challenger)
        return judge

    def identity(self, partition: int) -> Identity:
        """Return where a partition's judge sits."""
        topic = self.route.source or self.route.topics.events
        return Identity(topic, partition, self.config_hash)

    def warm_up(self) -> None:
        """Compile what judging needs before there is anything to judge."""
        numbers, keys = self._columns()
        nothing = Events(
            offsets=np.empty(0, np.int64),
            occurred_at=np.empty(0, np.int64),
            values=np.empty((0, numbers)),
            keys=np.empty((0, keys), np.uint64),
            event=lambda _: None,
        )
        self.build_judge(0).judge(nothing)

    def _columns(self) -> tuple[int, int]:
        program = Program.of(self.domain.event_type)
        return len(program.numbers), len(program.keys)

    def bind(self, metrics: Metrics) -> None:
        """Look up this domain's metrics once; the hot path must not."""
        self.counters = Counters(metrics, self.domain.name)


class Counters:
    """One domain's children of the labelled metrics."""

    def __init__(self, metrics: Metrics, domain: str) -> None:
        self.consumed = metrics.events_consumed.labels(domain)
        self.judged = metrics.events_judged.labels(domain)
        self.replayed = metrics.events_replayed.labels(domain)
        self.lost = metrics.events_lost.labels(domain)
        self.latency = metrics.end_to_end_latency.labels(domain)
        self.scoring = metrics.scoring.labels(domain)
        self.restore = metrics.restore.labels(domain)
        self.watermark = metrics.watermark.labels(domain)
        self.entities = metrics.entities_tracked.labels(domain)
        self.state_bytes = metrics.state_bytes.labels(domain)
