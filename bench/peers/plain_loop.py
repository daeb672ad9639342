"""A plain confluent-kafka loop with transactions: what a careful engineer writes in an hour.

Records are decoded by msgspec, only the fields that are needed; batches of 1,000 go through the
engine's own detector. Exactly once: outputs and offsets in one transaction every 200 ms; a crash
loses the windows, which is why the engine keeps checkpoints.
"""

import operator
import time
from functools import cached_property, partial
from itertools import chain
from typing import Any

import confluent_kafka as ck
import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.peers.job import EXACTLY_ONCE, PeerJob
from bench.peers.peer import Peer, python_process
from bench.peers.work import Windows, anomaly

PEER = Peer(
    name="plain loop",
    guarantee=EXACTLY_ONCE,
    target=2.0,
    warm_up=200_000,
    events=2_500_000,
    seconds=20.0,
    runs=5,
    process=partial(python_process, "plain_loop"),
)

BATCH = 1_000
COMMIT_INTERVAL_S = 0.2


class _Ride(msgspec.Struct, gc=False):
    event_id: str
    occurred_at: str
    distance_km: float
    duration_s: float


_decode = msgspec.json.Decoder(_Ride).decode
_numbers = operator.attrgetter("distance_km", "duration_s")


class Loop:
    """The loop: consume, judge, produce, commit."""

    def __init__(self, job: PeerJob) -> None:
        self._job = job
        self._done: dict[int, int] = {}
        self._consumer = _consumer(job)
        self._producer = _producer(job)

    @cached_property
    def _windows(self) -> Windows:
        return Windows()

    def run(self) -> None:
        """Work until the process is ended."""
        self._producer.init_transactions(30)
        self._consumer.subscribe([self._job.events])
        committed_at = time.monotonic()
        self._producer.begin_transaction()
        while True:
            messages = self._consumer.consume(BATCH, 0.02)
            self._handle([message for message in messages if message.error() is None])
            if self._done and time.monotonic() - committed_at >= COMMIT_INTERVAL_S:
                self._commit()
                committed_at = time.monotonic()

    def _handle(self, messages: list[Any]) -> None:
        if not messages:
            return
        rides = [_decode(message.value()) for message in messages]
        numbers = np.fromiter(chain.from_iterable(map(_numbers, rides)), np.float64, 2 * len(rides))
        partitions = np.fromiter((m.partition() for m in messages), np.int32, len(messages))
        noise = self._judge(numbers.reshape(-1, 2), partitions)
        for row in np.flatnonzero(noise).tolist():
            ride, message = rides[row], messages[row]
            payload = anomaly(ride.event_id, ride.occurred_at)
            self._producer.produce(self._job.anomalies, payload, key=message.key())
        for message in messages:
            self._done[message.partition()] = message.offset() + 1
        self._producer.poll(0)

    def _judge(
        self, numbers: NDArray[np.float64], partitions: NDArray[np.int32]
    ) -> NDArray[np.bool_]:
        noise = np.zeros(len(numbers), np.bool_)
        for partition in np.unique(partitions).tolist():
            rows = partitions == partition
            noise[rows] = self._windows.noise(partition, numbers[rows])
        return noise

    def _commit(self) -> None:
        offsets = [ck.TopicPartition(self._job.events, p, o) for p, o in self._done.items()]
        metadata = self._consumer.consumer_group_metadata()
        self._producer.send_offsets_to_transaction(offsets, metadata)
        self._producer.commit_transaction()
        self._producer.begin_transaction()
        self._done.clear()


def _consumer(job: PeerJob) -> ck.Consumer:
    return ck.Consumer(
        {
            "bootstrap.servers": job.bootstrap,
            "group.id": job.group,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "cooperative-sticky",
            "queued.min.messages": 200_000,
            "queued.max.messages.kbytes": 262_144,
            "fetch.queue.backoff.ms": 5,
            "max.partition.fetch.bytes": 4_000_000,
            "fetch.max.bytes": 50_000_000,
            "check.crcs": False,
        }
    )


def _producer(job: PeerJob) -> ck.Producer:
    return ck.Producer(
        {
            "bootstrap.servers": job.bootstrap,
            "transactional.id": job.group,
            "compression.type": "lz4",
            "linger.ms": 5,
        }
    )


if __name__ == "__main__":
    Loop(PeerJob.from_environment()).run()
