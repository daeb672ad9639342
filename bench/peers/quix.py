"""Quix Streams: its data frame over the topic, one event at a time.

At least once with the library's own commit interval (5 s), or exactly once with a transaction
every 200 ms.
"""

from functools import partial
from typing import Any

from bench.environment import bench_python
from bench.peers.job import AT_LEAST_ONCE, EXACTLY_ONCE, PeerJob
from bench.peers.peer import Peer, python_process
from bench.peers.work import Windows, anomaly_fields
from eddy.sandbox.processes import BackgroundProcess

COMMIT_INTERVAL_S = {AT_LEAST_ONCE: 5.0, EXACTLY_ONCE: 0.2}


def _process(job: PeerJob) -> BackgroundProcess:
    return python_process("quix", job, bench_python())


_peer = partial(Peer, target=20.0, warm_up=10_000, events=400_000, seconds=12.0, process=_process)
AT_LEAST_ONCE_PEER = _peer(name="Quix Streams", guarantee=AT_LEAST_ONCE)
EXACTLY_ONCE_PEER = _peer(name="Quix Streams EOS", guarantee=EXACTLY_ONCE)


def main(job: PeerJob) -> None:
    """Run the application until the process is ended."""
    from quixstreams import Application, message_context  # noqa: PLC0415 - not in every venv

    app = Application(
        broker_address=job.bootstrap,
        consumer_group=job.group,
        auto_offset_reset="earliest",
        auto_create_topics=False,
        loglevel="WARNING",
        state_dir=job.folder,
        processing_guarantee="exactly-once" if job.guarantee == EXACTLY_ONCE else "at-least-once",
        commit_interval=COMMIT_INTERVAL_S[job.guarantee],
        consumer_extra_config={"queued.min.messages": 200_000},
    )
    windows = Windows()

    def is_noise(ride: dict[str, Any]) -> bool:
        partition = message_context().partition
        return windows.is_noise(partition, ride["distance_km"], ride["duration_s"])

    rides = app.dataframe(app.topic(job.events, value_deserializer="json"))
    anomalies = app.topic(job.anomalies, value_serializer="json")
    rides = rides.filter(is_noise)
    rides = rides.apply(lambda ride: anomaly_fields(ride["event_id"], ride["occurred_at"]))
    rides.to_topic(anomalies)
    app.run()


if __name__ == "__main__":
    main(PeerJob.from_environment())
