"""A stock Faust agent, as its tutorial has it: ``async for`` over the topic, one event at a time.

At least once: offsets are committed every 2.8 s (Faust's default); a crash repeats outputs.
"""

import sys
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec

from bench.peers.job import AT_LEAST_ONCE, PeerJob
from bench.peers.peer import Peer, python_process
from bench.peers.work import Windows, anomaly

PEER = Peer(
    name="stock Faust",
    guarantee=AT_LEAST_ONCE,
    target=100.0,
    warm_up=1_000,
    events=100_000,
    seconds=12.0,
    process=partial(python_process, "stock_faust"),
)


def main(job: PeerJob) -> None:
    """Run the worker until the process is ended."""
    import mode.loop  # noqa: PLC0415 - uvloop counts only where it comes before faust

    mode.loop.use("uvloop")
    import faust  # noqa: PLC0415

    app = faust.App(
        job.group,
        broker=f"kafka://{job.bootstrap}",
        store="memory://",
        datadir=job.folder,
        topic_allow_declare=False,
        topic_disable_leader=True,
        web_enabled=False,
        consumer_auto_offset_reset="earliest",
    )
    anomalies = app.topic(job.anomalies, value_serializer="raw")
    windows = Windows()

    @app.agent(app.topic(job.events, value_serializer="raw"))
    async def rides(stream: Any) -> None:
        records: AsyncIterator[Any] = stream.events()
        async for record in records:
            ride = msgspec.json.decode(record.value)
            partition = record.message.partition
            if windows.is_noise(partition, ride["distance_km"], ride["duration_s"]):
                await anomalies.send(value=anomaly(ride["event_id"], ride["occurred_at"]))

    sys.argv = ["faust", "worker", "-l", "info", "--without-web"]
    app.main()


if __name__ == "__main__":
    main(PeerJob.from_environment())
