"""A plain confluent-kafka loop that adds payments up: two-hour sums by merchant, with transactions.

Records are decoded by msgspec, only the fields that are needed, and added up in dictionaries. When
the latest payment is two hours and five minutes past the beginning of a window, its sums are
published. It forecasts nothing, judges nothing, drops what comes late, and a crash loses the sums.
"""

from functools import partial
from typing import Any

import msgspec

from bench.peers.job import EXACTLY_ONCE, PeerJob
from bench.peers.peer import Peer, python_process
from bench.peers.plain_loop import Loop

PEER = Peer(
    name="plain loop, sums only",
    guarantee=EXACTLY_ONCE,
    target=1.0,
    warm_up=200_000,
    events=2_500_000,
    seconds=20.0,
    process=partial(python_process, "plain_sums"),
)

_LENGTH_MIN, _DELAY_MIN = 120, 5


class _Payment(msgspec.Struct, gc=False):
    occurred_at: str
    merchant_id: str
    amount: float
    kind: str
    status: str


_decode = msgspec.json.Decoder(_Payment).decode
_SIGNS = {"sale": 1.0, "refund": -1.0}


class SumsLoop(Loop):
    """The loop: consume, add up, produce what has closed, commit."""

    def __init__(self, job: PeerJob) -> None:
        super().__init__(job)
        self._open: dict[int, dict[int, dict[str, float]]] = {}

    def _handle(self, messages: list[Any]) -> None:
        for message in messages:
            payment, partition = _decode(message.value()), message.partition()
            minute = _minute(payment.occurred_at)
            windows = self._open.setdefault(partition, {})
            sums = windows.setdefault(minute // _LENGTH_MIN, {})
            if payment.status == "approved":
                before = sums.get(payment.merchant_id, 0.0)
                sums[payment.merchant_id] = before + _SIGNS[payment.kind] * payment.amount
            oldest = min(windows)
            if minute >= (oldest + 1) * _LENGTH_MIN + _DELAY_MIN:
                self._publish(oldest, windows.pop(oldest))
            self._done[partition] = message.offset() + 1
        self._producer.poll(0)

    def _publish(self, window: int, sums: dict[str, float]) -> None:
        for merchant, volume in sums.items():
            value = msgspec.json.encode({"window": window, "tpv": volume})
            while True:
                try:
                    self._producer.produce(self._job.anomalies, value, key=merchant)
                    break
                except BufferError:
                    self._producer.poll(0.01)


def _minute(occurred_at: str) -> int:
    """Return the minute of a month: the benchmark's payments are of one."""
    day, hour, minute = occurred_at[8:10], occurred_at[11:13], occurred_at[14:16]
    return (int(day) * 24 + int(hour)) * 60 + int(minute)


if __name__ == "__main__":
    SumsLoop(PeerJob.from_environment()).run()
