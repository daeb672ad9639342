"""How a partition gets its state: the newest fitting checkpoint, or the log."""

from collections.abc import Mapping, Sequence

import structlog

from eddy.schemas.errors import Unavailable
from eddy.streams.checkpoints import Checkpoints
from eddy.streams.config import EngineConfig
from eddy.streams.fetchers import TopicPartition
from eddy.streams.idle_clock import IdleClock
from eddy.streams.lane import Lane
from eddy.streams.membership import Membership
from eddy.streams.metrics import Metrics
from eddy.streams.partition import Partition
from eddy.streams.publisher import Position

log = structlog.get_logger()


class Restorer:
    """Prepares partitions for replay: where to read from, from where on to publish.

    Outputs begin at the committed offset. State begins at a checkpoint at or below it, or, where
    none fits, as far back in the log as the judge's verdicts depend on.
    """

    def __init__(
        self,
        membership: Membership,
        checkpoints: Checkpoints,
        metrics: Metrics,
        config: EngineConfig,
    ) -> None:
        self._membership = membership
        self._checkpoints = checkpoints
        self._metrics = metrics
        self._latest = config.initial_offset == "latest"

    def prepare(
        self, topic_partitions: Sequence[TopicPartition], lanes: Mapping[str, Lane], epoch: int
    ) -> tuple[list[Partition], dict[TopicPartition, Position]]:
        """Return the partitions, and the initial offsets that are still to be committed.

        Blocks on the broker and the checkpoint store.

        Raises
        ------
        Unavailable
            Where either does not answer.
        """
        committed = self._membership.committed(topic_partitions)
        partitions, initial = [], {}
        for topic_partition in topic_partitions:
            partition = self._prepare(
                topic_partition, lanes[topic_partition[0]], committed[topic_partition], epoch
            )
            partitions.append(partition)
            if committed[topic_partition] is None:
                initial[topic_partition] = Position(partition.live_from)
        return partitions, initial

    def _prepare(
        self, topic_partition: TopicPartition, lane: Lane, committed: Position | None, epoch: int
    ) -> Partition:
        low, high = self._membership.range(topic_partition)
        offset = None if committed is None else committed.offset
        live_from = self._live_from(topic_partition, lane, offset, low, high)
        judge = lane.build_judge(topic_partition[1])
        fetch_from, rebuilt = max(low, live_from - 2 * judge.history), True
        checkpoint = self._checkpoint(topic_partition, live_from, lane.state_hash)
        if checkpoint is not None:
            taken_at, state = checkpoint
            try:
                judge.restore(state)
                fetch_from, rebuilt = max(taken_at, low), False
            except ValueError as error:
                self._metrics.checkpoints.labels("incompatible").inc()
                log.warning(
                    "checkpoint_refused", place=topic_partition, offset=taken_at, why=str(error)
                )
                judge = lane.build_judge(topic_partition[1])
        if rebuilt and live_from > low:
            log.warning(
                "state_rebuilt_from_log", place=topic_partition, start=fetch_from, until=live_from
            )
        return Partition(
            topic_partition=topic_partition,
            lane=lane,
            judge=judge,
            epoch=epoch,
            position=fetch_from,
            live_from=live_from,
            fetch_from=fetch_from,
            low=low,
            rebuilt=rebuilt,
            # a note speaks of offsets: where these are of another log, it means nothing
            clock=IdleClock(committed.note if committed and committed.offset <= high else ""),
        )

    def _live_from(
        self,
        topic_partition: TopicPartition,
        lane: Lane,
        committed: int | None,
        low: int,
        high: int,
    ) -> int:
        if committed is None:
            start = lane.route.start.get(topic_partition[1], high if self._latest else low)
            return min(max(start, low), high)
        if committed < low:
            lane.counters.lost.inc(low - committed)
            log.error(
                "events_lost_to_retention",
                place=topic_partition,
                committed=committed,
                first_kept=low,
                what_to_do="raise the topic's retention above the longest outage",
            )
            return low
        if committed > high:
            log.error("offsets_beyond_log", place=topic_partition, committed=committed, end=high)
            return low
        return committed

    def _checkpoint(
        self, topic_partition: TopicPartition, at_most: int, state_hash: str
    ) -> tuple[int, bytes] | None:
        try:
            stored, refused = self._checkpoints.newest(*topic_partition, at_most, state_hash)
        except Unavailable as error:
            # The log can do without; only slower.
            self._metrics.checkpoints.labels("unavailable").inc()
            log.warning("checkpoints_unavailable", place=topic_partition, why=str(error))
            return None
        for outcome in refused:
            self._metrics.checkpoints.labels(outcome).inc()
            log.warning("checkpoint_refused", place=topic_partition, why=outcome)
        self._metrics.checkpoints.labels("found" if stored else "missing").inc()
        return (stored.header.offset, stored.state) if stored else None
