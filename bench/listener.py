"""A read_committed consumer of anomalies: what users of the engine see, and when."""

import re
import threading
import time
from types import TracebackType
from typing import Self

import confluent_kafka as ck

from bench.load import PROBE
from bench.site import Site

_NAME = re.compile(rb'"event_id":"' + PROBE.encode() + rb"(\d+)-")


class Listener:
    """Listens from the end of a topic on, in a thread of its own.

    Used as a context: whatever is published after it was entered is heard.
    """

    def __init__(self, site: Site, topic: str) -> None:
        self._ends = site.cluster.ends(topic)
        self._topic = topic
        self._client = ck.Consumer(
            {
                "bootstrap.servers": site.cluster.bootstrap,
                "group.id": f"{site.cluster.prefix}.listener",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 100,
                "log_level": 2,
            }
        )
        self._thread = threading.Thread(target=self._listen, name="listener", daemon=True)
        self._stop_asked = threading.Event()
        self._latencies_ms: list[float] = []
        self._newest_ms = 0

    def __enter__(self) -> Self:
        self._client.assign(
            [ck.TopicPartition(self._topic, p, end) for p, end in self._ends.items()]
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_asked.set()
        self._thread.join()
        self._client.close()

    def forget(self) -> None:
        """Forget the latencies so far."""
        self._latencies_ms = []

    def latencies_ms(self) -> list[float]:
        """Return the latencies heard since the last `forget`."""
        return list(self._latencies_ms)

    def newest_ms(self) -> int:
        """Return the latest moment, in ms since 1970, at which a record heard was produced."""
        return self._newest_ms

    def _listen(self) -> None:
        while not self._stop_asked.is_set():
            for message in self._client.consume(500, 0.01):
                if message.error() is None:
                    self._hear(message.value() or b"", message.timestamp()[1])

    def _hear(self, value: bytes, produced_ms: int) -> None:
        now_ns = time.time_ns()
        self._newest_ms = max(self._newest_ms, produced_ms)
        if sent_ns := probe_ns(value):
            self._latencies_ms.append((now_ns - sent_ns) / 1e6)


def probe_ns(value: bytes) -> int | None:
    """Return when a far-out ride was sent, from its anomaly; None for other anomalies."""
    match = _NAME.search(value)
    return int(match[1]) if match else None
