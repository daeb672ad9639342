"""Labelling: how judges come to know what is said of their events, exactly once each."""

from collections.abc import Iterable, Sequence
from threading import Lock
from typing import cast

import structlog

from models.judge import LabelledJudge, Labels, Tallies
from schemas.errors import MissingResource, Unavailable
from streams.labels import LabelFeed
from streams.metrics import Metrics
from streams.partition import Partition

log = structlog.get_logger()


class Labelling:
    """Teaches judges from a feed of labels.

    A judge's state says which labels it has learned from. A partition that is taken over catches
    up with the feed before it goes on, so that it never lacks a label that others know.

    Parameters
    ----------
    feed : LabelFeed
    """

    def __init__(self, feed: LabelFeed, metrics: Metrics) -> None:
        self._feed, self._metrics = feed, metrics
        self._reading = Lock()
        self._is_away = False
        self._right: dict[str, list[int]] = {}

    def poll(self) -> Sequence[tuple[str, Labels]]:
        """Return new labels; none while the topic cannot be read. Blocks on the broker."""
        with self._reading:
            try:
                found = self._feed.poll()
            except MissingResource as error:
                if not self._is_away:
                    log.warning("labels_unavailable", why=str(error))
                self._is_away = True
                return []
        self._is_away = False
        return found

    def catch_up(self, partitions: Iterable[Partition]) -> None:
        """Let judges that were restored or built learn what the feed has passed. Blocks.

        Raises
        ------
        Unavailable
            Where the topic cannot be read: judging without labels would give other verdicts.
        """
        chosen = [p for p in partitions if isinstance(p.judge, LabelledJudge)]
        if not chosen:
            return
        with self._reading:
            try:
                ends = self._feed.ends()
                for partition in chosen:
                    judge = cast("LabelledJudge", partition.judge)
                    for label in self._feed.between(judge.label_offsets, ends):
                        self.teach([partition], [label])
            except MissingResource as error:
                raise Unavailable(f"labels: {error}") from error
            self._feed.begin_at(ends)

    def teach(self, partitions: Iterable[Partition], found: Sequence[tuple[str, Labels]]) -> None:
        """Let the judges of the labels' domains learn; what they know already changes nothing."""
        for partition in partitions:
            for domain, labels in found:
                if partition.lane.domain.name == domain:
                    judge = cast("LabelledJudge", partition.judge)
                    self._count(partition, judge.learn(labels))

    def close(self) -> None:
        """End the feed."""
        self._feed.close()

    def _count(self, partition: Partition, tallies: Tallies) -> None:
        name, policy = partition.lane.domain.name, partition.lane.policy
        prices = {"missed": policy.missed_cost, "false_alarm": policy.false_alarm_cost}
        for (role, outcome), count in tallies.items():
            if role == "late":
                self._metrics.late_events.labels(name, outcome).inc(count)
                continue
            self._metrics.labels.labels(name, role, outcome).inc(count)
            self._metrics.label_cost.labels(name, role).inc(count * prices.get(outcome, 0.0))
        right = self._right.setdefault(name, [0, 0])
        right[0] += tallies.get(("champion", "found"), 0)
        right[1] += tallies.get(("champion", "false_alarm"), 0)
        if sum(right):
            self._metrics.alert_precision.labels(name).set(right[0] / sum(right))
