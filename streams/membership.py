"""The membership: an ordinary group consumer that owns partitions and never fetches a record.

Its partitions stay paused. It gives the rebalance callbacks, the committed offsets and the group
metadata by which the broker refuses the commits of a member that was replaced.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import confluent_kafka as ck
import structlog

from eddy.schemas.errors import Fenced, MissingResource, Unavailable
from eddy.streams.connection import Connection
from eddy.streams.fetchers import TopicPartition
from eddy.streams.publisher import Position

log = structlog.get_logger()

_FENCED = (ck.KafkaError.FENCED_INSTANCE_ID, ck.KafkaError._FATAL)
_REFUSED = (
    ck.KafkaError.GROUP_AUTHORIZATION_FAILED,
    ck.KafkaError.TOPIC_AUTHORIZATION_FAILED,
    ck.KafkaError._AUTHENTICATION,
)


class Owner(Protocol):
    """Who is told of changes; called on the membership's thread, blocking the rebalance."""

    def assigned(self, partitions: Sequence[TopicPartition]) -> None:
        """Take over partitions."""
        ...

    def revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Finish what is open, then let go of partitions."""
        ...

    def lost(self, partitions: Sequence[TopicPartition]) -> None:
        """Let go of partitions that others may already own: nothing can be finished."""
        ...


class Rejoins:
    """How often a fenced member may join anew before it gives up.

    A join that is repeated because its answer was lost with the broker is taken for a second
    process with the same id: after a disturbance, joining again a few times is right. Each
    disturbance begins the count anew, so that a process outlives any number of broker restarts;
    a second process disturbs nobody's connection.

    Parameters
    ----------
    now : callable
        Seconds of a clock that never goes back.
    """

    MOST = 3
    DISTURBANCE_S = 120.0

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._disturbed_at = -math.inf
        self.count = 0

    def disturbed(self) -> None:
        """Note that the connection to the cluster was disturbed."""
        self._disturbed_at = self._now()
        self.count = 0

    def count_or_raise(self, instance_id: str) -> None:
        """Count a rejoin.

        Raises
        ------
        Fenced
            Where there must be another process with this id.
        """
        disturbed_s = self._now() - self._disturbed_at
        if disturbed_s < self.DISTURBANCE_S and self.count < self.MOST:
            self.count += 1
            return
        cause = f"the group fenced {instance_id!r}"
        if self.count >= self.MOST:
            cause += f" {self.count + 1} times after the cluster was away {disturbed_s:.0f} s ago"
        raise Fenced(
            f"engine.instance_id: {cause}: another process runs as {instance_id!r}; give every "
            "process its own with --instance-id or EDDY_ENGINE__INSTANCE_ID"
        )


class Membership:
    """Membership of one consumer group, static: a restarted instance gets its partitions back.

    Every method but `metadata` and `committed` is called on one thread.

    Parameters
    ----------
    connection : Connection
        The cluster.
    group, instance_id : str
        Consumer group, and this process' stable name in it.
    session_timeout_ms : int
        After so long a silence the group gives the partitions to others.
    """

    def __init__(
        self, connection: Connection, group: str, instance_id: str, session_timeout_ms: int
    ) -> None:
        self._instance_id = instance_id
        self._rejoins = Rejoins()
        self._fenced = False
        self._join: Callable[[], None] = lambda: None
        self._settings = settings = connection.librdkafka(
            group_id=group,
            group_instance_id=instance_id,
            session_timeout_ms=session_timeout_ms,
            heartbeat_interval_ms=max(session_timeout_ms // 4, 250),
            max_poll_interval_ms=max(300_000, session_timeout_ms),
            partition_assignment_strategy="cooperative-sticky",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        settings["log_level"] = 0
        settings["error_cb"] = self._disturbed
        self._consumer = ck.Consumer(settings)
        # While a rebalance callback runs, any call on its consumer from another thread waits for
        # the callback to end: look-ups go through a consumer that never joins, and the group
        # metadata is fetched between polls.
        lookup = {k: v for k, v in settings.items() if k not in ("group.instance.id", "error_cb")}
        self._lookup = ck.Consumer(lookup)
        self._metadata = self._consumer.consumer_group_metadata()

    def join(self, topics: Iterable[str], owner: Owner) -> None:
        """Join the group; `owner` is called from within later calls of `poll`."""

        def topic_partitions(partitions: Iterable[Any]) -> list[TopicPartition]:
            return [(p.topic, p.partition) for p in partitions]

        def on_assign(consumer: Any, partitions: list[Any]) -> None:
            self._metadata = consumer.consumer_group_metadata()
            consumer.incremental_assign(partitions)
            consumer.pause(partitions)
            owner.assigned(topic_partitions(partitions))

        def on_revoke(consumer: Any, partitions: list[Any]) -> None:
            self._metadata = consumer.consumer_group_metadata()
            owner.revoked(topic_partitions(partitions))
            consumer.incremental_unassign(partitions)

        def on_lost(consumer: Any, partitions: list[Any]) -> None:
            owner.lost(topic_partitions(partitions))
            consumer.incremental_unassign(partitions)

        def subscribe() -> None:
            self._consumer.subscribe(
                list(topics), on_assign=on_assign, on_revoke=on_revoke, on_lost=on_lost
            )

        self._join = subscribe
        subscribe()

    def poll(self, timeout_s: float) -> None:
        """Keep the membership alive and serve rebalances.

        Raises
        ------
        Fenced
            Where another process joined with the same instance id.
        MissingResource
            Where the group or a topic may not be used.
        """
        message = self._consumer.poll(timeout_s)
        if self._fenced:
            self._rejoin_or_give_up()
        self._metadata = self._consumer.consumer_group_metadata()
        error = None if message is None else message.error()
        if error is None:
            return  # nothing, or a record fetched in the moment before the pause
        if error.code() in _FENCED:
            self._rejoin_or_give_up()
        elif error.code() in _REFUSED:
            raise MissingResource(f"kafka: {error.str()}; check the credentials and the ACLs")

    def _disturbed(self, error: Any) -> None:
        if error.code() in _FENCED:
            self._fenced = True
        elif error.code() not in _REFUSED:
            self._rejoins.disturbed()

    def _rejoin_or_give_up(self) -> None:
        """Join anew where the fencing can be our own doing, else give up."""
        self._fenced = False
        self._rejoins.count_or_raise(self._instance_id)
        log.warning("rejoining_group", instance=self._instance_id, try_=self._rejoins.count)
        self._consumer.close()
        self._consumer = ck.Consumer(self._settings)
        self._join()

    def committed(
        self, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, Position | None]:
        """Return what is committed, None where nothing is; waits for open transactions.

        Raises
        ------
        Unavailable
            Where the coordinator does not answer.
        """
        requests = [ck.TopicPartition(topic, partition) for topic, partition in partitions]
        try:
            answers = self._lookup.committed(requests, timeout=20)
        except ck.KafkaException as error:
            raise Unavailable(f"committed offsets: {error.args[0].str()}") from error
        result: dict[TopicPartition, Position | None] = {}
        for answer in answers:
            if answer.error:
                raise Unavailable(f"committed offset of {answer.topic}: {answer.error}")
            topic_partition = (answer.topic, answer.partition)
            result[topic_partition] = (
                Position(answer.offset, answer.metadata or "") if answer.offset >= 0 else None
            )
        return result

    def range(self, partition: TopicPartition) -> tuple[int, int]:
        """Return the first offset kept and the next one to be written, asked of the broker.

        Raises
        ------
        Unavailable
            Where the broker does not answer.
        """
        try:
            low, high = self._lookup.get_watermark_offsets(
                ck.TopicPartition(*partition), timeout=10
            )
        except ck.KafkaException as error:
            raise Unavailable(f"offsets of {partition}: {error.args[0].str()}") from error
        return int(low), int(high)

    def metadata(self) -> Any:
        """Return the group metadata that goes with a transaction, as of the last poll."""
        return self._metadata

    def close(self) -> None:
        """Leave; being static, the partitions wait for this instance until the session ends."""
        self._consumer.close()
        self._lookup.close()
