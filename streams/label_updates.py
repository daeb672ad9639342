"""Labelling: how judges come to know what is said of their events, exactly once each."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import cast

import structlog

from eddy.models.judge import Counts, LabelledJudge, Labels
from eddy.schemas.errors import MissingResource, Unavailable
from eddy.streams.labels import LabelFeed
from eddy.streams.metrics import Metrics
from eddy.streams.partition import Partition

log = structlog.get_logger()

_PATIENCE_S = 15.0


class LabelUpdates:
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
        chosen = [p for p in partitions if p.lane.domain.is_labelled]
        if not chosen:
            return
        with self._reading:
            try:
                ends = self._feed.ends()
                for partition in chosen:
                    judge = cast("LabelledJudge", partition.judge)
                    _check_offsets(judge, ends)
                    for _, labels in self._own(partition, judge.label_offsets, ends):
                        judge.learn(labels)  # not counted: it may have been before
            except MissingResource as error:
                raise Unavailable(f"labels: {error}") from error
            self._feed.begin_at(ends)

    def teach(self, partitions: Iterable[Partition], found: Sequence[tuple[str, Labels]]) -> None:
        """Let the judges of the labels' domains learn; what they know already changes nothing."""
        for partition in partitions:
            for domain, labels in found:
                if partition.lane.domain.name == domain:
                    judge = cast("LabelledJudge", partition.judge)
                    _check_offsets(judge, self._feed.positions)
                    self._count(partition, judge.learn(labels))

    def _own(
        self, partition: Partition, start: Mapping[int, int], ends: Mapping[int, int]
    ) -> Iterator[tuple[str, Labels]]:
        name = partition.lane.domain.name
        return (one for one in self._feed.between(dict(start), ends) if one[0] == name)

    def close(self) -> None:
        """End the feed, once nobody reads from it; it ends with the process otherwise."""
        if self._reading.acquire(timeout=_PATIENCE_S):
            self._feed.close()

    def _count(self, partition: Partition, tallies: Counts) -> None:
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


def _check_offsets(judge: LabelledJudge, ends: Mapping[int, int]) -> None:
    """Begin anew with a partition that ends before what was learned of it: it was made anew."""
    for number, offset in list(judge.label_offsets.items()):
        if offset > ends.get(number, 0):
            log.error(
                "labels_began_anew", partition=number, learned=offset, end=ends.get(number, 0)
            )
            judge.forget_labels(number)
