"""Filling topics: as fast as it goes, or at a steady pace."""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Self

import confluent_kafka as ck
import numpy as np

from bench.rides import Template, far_out

PROBE = "probe-"

_LOOK_EVERY = 5_000
_TICK_S = 0.005

Show = Callable[[int], None]
"""Takes the number of events sent, for a progress bar."""


def fill(bootstrap: str, topic: str, rides: Sequence[Template], count: int, show: Show) -> None:
    """Send `count` rides to a topic, keyed by zone."""
    templates = ((rides[number % len(rides)], number) for number in range(count))
    send(bootstrap, topic, ((ride.key, ride.numbered(number)) for ride, number in templates), show)


def send(bootstrap: str, topic: str, records: Iterable[tuple[bytes, bytes]], show: Show) -> None:
    """Send (key, value) records to a topic as fast as it goes; lz4."""
    producer = ck.Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    count = 0
    for key, value in records:
        _send(producer, topic, value, key)
        count += 1
        if count % _LOOK_EVERY == 0:
            producer.poll(0)
            show(count)
    producer.flush()
    show(count)


def _send(producer: ck.Producer, topic: str, value: bytes, key: bytes) -> None:
    while True:
        try:
            return producer.produce(topic, value, key=key)
        except BufferError:
            producer.poll(0.1)


class Pacer(threading.Thread):
    """Sends rides at a steady pace while its context is entered, far-out ones among them.

    A far-out ride is called ``probe-<nanoseconds since 1970>-<number>``: the moment it was handed
    to the producer.

    Parameters
    ----------
    per_s : int
        Rides a second.
    far_out_share : float
        How many of them are far out.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        rides: Sequence[Template],
        per_s: int,
        far_out_share: float,
    ) -> None:
        super().__init__(name="pacer", daemon=True)
        self._producer = ck.Producer({"bootstrap.servers": bootstrap, "compression.type": "lz4"})
        self._topic = topic
        self._rides = rides
        self._per_s = per_s
        self._share = far_out_share
        self._rng = np.random.default_rng(0)
        self._stop_asked = threading.Event()
        self.sent = 0

    def run(self) -> None:
        """Send what is due every few milliseconds, so that no burst makes up for a late wake-up."""
        begin = time.monotonic()
        while not self._stop_asked.wait(_TICK_S):
            due = int((time.monotonic() - begin) * self._per_s)
            for number in range(self.sent, due):
                self._send_one(number)
            self.sent = due
            self._producer.poll(0)
        self._producer.flush()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_asked.set()
        self.join()

    def _send_one(self, number: int) -> None:
        ride = self._rides[number % len(self._rides)]
        if self._rng.random() < self._share:
            value = far_out(self._rng, f"{PROBE}{time.time_ns()}-{number}")
        else:
            value = ride.numbered(number)
        _send(self._producer, self._topic, value, ride.key)
