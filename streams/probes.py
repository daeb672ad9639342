"""Liveness and readiness, judged by progress."""

import time
from collections import defaultdict
from typing import cast

from eddy.models.judge import ForecastingJudge
from eddy.streams.engine import Engine
from eddy.streams.health import ProbeResult
from eddy.streams.metrics import Metrics
from eddy.streams.partition import Partition

# Looks at the queue in a row that brought nothing: a second or more.
_EMPTY_READS = 50


class Probes:
    """Watches an engine: how far behind, since when without progress, whether restored.

    Parameters
    ----------
    limit_s : float
        No progress for so long while there is lag means not alive.
    """

    def __init__(self, engine: Engine, metrics: Metrics, limit_s: float) -> None:
        self._engine, self._assignment = engine, engine.assignment
        self._metrics = metrics
        self._limit_s = limit_s
        self._empty_reads = 0
        self._moved = time.monotonic()
        self._positions: dict[tuple[str, int], int] = {}

    def read(self, brought_something: bool) -> None:
        """Note a look at the queue."""
        self._empty_reads = 0 if brought_something else self._empty_reads + 1

    def observe(self) -> None:
        """Set the gauges that are looked at rather than counted; twice a second."""
        metrics = self._metrics
        lag = self._assignment.lag()
        positions = {p.topic_partition: p.position for p in self._assignment.partitions}
        if positions != self._positions or not any(lag.values()):
            self._positions, self._moved = positions, time.monotonic()
            metrics.progressed()
        ages: dict[str, float] = {}
        for (topic, number), behind in lag.items():
            metrics.consumer_lag_messages.labels(topic, str(number)).set(behind)
            last = self._assignment[topic, number].last_timestamp_ms
            age = max(0.0, time.time() - last / 1e3) if behind and last > 0 else 0.0
            ages[topic] = max(ages.get(topic, 0.0), age)
        for topic, age in ages.items():
            metrics.consumer_lag_seconds.labels(topic).set(age)
        self._observe_lanes()

    def live(self) -> ProbeResult:
        """Whether events move, or there are none."""
        still = time.monotonic() - self._moved
        if still > self._limit_s:
            behind = sum(self._assignment.lag().values())
            return ProbeResult(
                False, f"no progress for {still:.0f} s with {behind} messages of lag"
            )
        return ProbeResult(
            True, "progress" if still < self._limit_s / 2 else f"quiet for {still:.0f} s"
        )

    def ready(self) -> ProbeResult:
        """Whether all owned partitions have their state."""
        partitions = self._assignment.partitions
        waiting = [p.topic_partition for p in partitions if not p.is_restored]
        if waiting and not self._settled():
            return ProbeResult(False, f"restoring {waiting}")
        if not partitions:
            return ProbeResult(False, "no partitions assigned")
        return ProbeResult(True, f"{len(partitions)} partitions")

    def done(self) -> bool:
        """Whether every partition has reached its route's stop.

        The last offsets before the stop may hold no record (transaction markers): a partition
        whose end was seen also counts as done when nothing is left to read or to commit.
        """
        partitions = self._assignment.partitions
        stops = sum(len(lane.route.stop) for lane in self._assignment.lanes)
        if len(partitions) < stops:
            return False
        if not any(p.position < (p.end or 0) for p in partitions):
            return True
        return self._settled()

    def _settled(self) -> bool:
        if not all(map(self._assignment.is_fetched, self._assignment.partitions)):
            self._empty_reads = 0  # those before the first fetch say nothing
            return False
        return self._empty_reads >= _EMPTY_READS and self._engine.idle

    def _observe_errors(self, domain: str, partitions: list[Partition]) -> None:
        sums: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for partition in partitions:
            judge = cast("ForecastingJudge", partition.judge)
            for name, error_and_volume in judge.forecast_errors.items():
                sums[name].append(error_and_volume)
        for name, parts in sums.items():
            errors, volume = (sum(column) for column in zip(*parts, strict=True))
            if volume > 0:
                self._metrics.forecast_error.labels(domain, name).set(errors / volume)

    def _observe_lanes(self) -> None:
        for lane in self._assignment.lanes:
            partitions = self._assignment.of_lane(lane)
            lane.counters.entities.set(sum(p.judge.entities for p in partitions))
            lane.counters.state_bytes.set(sum(p.state_bytes for p in partitions))
            if lane.domain.forecasts:
                self._observe_errors(lane.domain.name, partitions)
            trained_at = lane.model.ref.trained_at
            if trained_at is not None:
                age = max(0.0, time.time() - trained_at.timestamp())
                self._metrics.model_age.labels(lane.model.ref.name).set(age)
