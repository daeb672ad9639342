"""Label updates: how judges learn the labels of their events, exactly once each."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import cast

import structlog

from eddy.models.judge import Counts, LabelledJudge
from eddy.models.labels import LabelRecords
from eddy.schemas.errors import MissingResource, Unavailable
from eddy.streams.labels import LabelFeed
from eddy.streams.metrics import Metrics
from eddy.streams.partition import Partition

log = structlog.get_logger()

_CLOSE_LIMIT_S = 15.0


class LabelUpdates:
    """Teaches judges from a feed of labels.

    A judge's state says which labels it has learned from. A partition that is taken over catches
    up with the feed before it goes on, so that it never lacks a label that others know. Where no
    domain is labelled, nothing is ever read.

    Parameters
    ----------
    feed : LabelFeed
    """

    def __init__(self, feed: LabelFeed, metrics: Metrics) -> None:
        self._feed, self._metrics = feed, metrics
        self._reading = Lock()
        self._is_away = False
        self._alarms: dict[str, Counter[str]] = defaultdict(Counter)

    def poll(self) -> Sequence[tuple[str, LabelRecords]]:
        """Return new labels; none while the topic cannot be read. Blocks on the broker."""
        with self._reading:
            try:
                labels = self._feed.poll()
            except MissingResource as error:
                if not self._is_away:
                    log.warning("labels_unavailable", why=str(error))
                self._is_away = True
                return []
        self._is_away = False
        return labels

    def catch_up(self, partitions: Iterable[Partition]) -> None:
        """Let judges that were restored or built learn what the feed has passed. Blocks.

        Raises
        ------
        Unavailable
            Where the topic cannot be read: judging without labels would give other verdicts.
        """
        labelled = [p for p in partitions if p.lane.domain.is_labelled]
        if not labelled:
            return
        with self._reading:
            try:
                ends = self._feed.ends()
                for partition in labelled:
                    judge = _labelled_judge(partition)
                    _check_offsets(judge, ends)
                    for records in self._missing(partition, judge.label_offsets, ends):
                        judge.learn(records)  # not counted: it may have been before
            except MissingResource as error:
                raise Unavailable(f"labels: {error}") from error
            self._feed.begin_at(ends)

    def teach(
        self, partitions: Iterable[Partition], labels: Sequence[tuple[str, LabelRecords]]
    ) -> None:
        """Let the judges of the labels' domains learn; what they know already changes nothing."""
        for partition in partitions:
            for domain, records in labels:
                if partition.lane.domain.name == domain:
                    judge = _labelled_judge(partition)
                    _check_offsets(judge, self._feed.positions)
                    self._count(partition, judge.learn(records))

    def close(self) -> None:
        """End the feed, once nobody reads from it; it ends with the process otherwise."""
        if self._reading.acquire(timeout=_CLOSE_LIMIT_S):
            self._feed.close()

    def _missing(
        self, partition: Partition, start: Mapping[int, int], ends: Mapping[int, int]
    ) -> Iterator[LabelRecords]:
        name = partition.lane.domain.name
        between = self._feed.between(dict(start), ends)
        return (records for domain, records in between if domain == name)

    def _count(self, partition: Partition, counts: Counts) -> None:
        name, policy = partition.lane.domain.name, partition.lane.policy
        prices = {"missed": policy.missed_cost, "false_alarm": policy.false_alarm_cost}
        for (role, outcome), count in counts.items():
            if role == "late":
                self._metrics.late_events.labels(name, outcome).inc(count)
                continue
            self._metrics.labels.labels(name, role, outcome).inc(count)
            self._metrics.label_cost.labels(name, role).inc(count * prices.get(outcome, 0.0))
        alarms = self._alarms[name]
        for outcome in ("found", "false_alarm"):
            alarms[outcome] += counts.get(("champion", outcome), 0)
        if alarms.total():
            self._metrics.alert_precision.labels(name).set(alarms["found"] / alarms.total())


def _labelled_judge(partition: Partition) -> LabelledJudge:
    return cast("LabelledJudge", partition.judge)


def _check_offsets(judge: LabelledJudge, ends: Mapping[int, int]) -> None:
    """Begin anew with a partition that ends before what was learned of it: it was made anew."""
    for number, offset in list(judge.label_offsets.items()):
        if offset > ends.get(number, 0):
            log.error(
                "labels_began_anew", partition=number, learned=offset, end=ends.get(number, 0)
            )
            judge.forget_labels(number)
