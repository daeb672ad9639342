"""A Bytewax flow: Kafka source, one map, Kafka sink, one event at a time.

At least once: its recovery store keeps the offsets. It commits nothing to Kafka, so it counts
its events itself.
"""

from pathlib import Path
from typing import Any

import msgspec

from bench.environment import bench_python
from bench.peers.job import AT_LEAST_ONCE, PeerJob
from bench.peers.peer import Peer, python_process
from bench.peers.work import Counter, Windows, anomaly
from eddy.sandbox.processes import BackgroundProcess


def _process(job: PeerJob) -> BackgroundProcess:
    return python_process("bytewax_flow", job, bench_python())


PEER = Peer(
    name="Bytewax",
    guarantee=AT_LEAST_ONCE,
    target=12.0,
    warm_up=10_000,
    events=600_000,
    seconds=12.0,
    process=_process,
    counts_itself=True,
)


def main(job: PeerJob) -> None:
    """Run the flow until the process is ended."""
    # not in every venv
    import bytewax.operators as op  # noqa: PLC0415
    from bytewax.connectors.kafka import (  # noqa: PLC0415
        KafkaSink,
        KafkaSinkMessage,
        KafkaSource,
    )
    from bytewax.dataflow import Dataflow  # noqa: PLC0415
    from bytewax.recovery import RecoveryConfig, init_db_dir  # noqa: PLC0415
    from bytewax.testing import run_main  # noqa: PLC0415

    windows, counter = Windows(), Counter(job)

    def judge(record: Any) -> Any:
        counter.add(1)
        ride = msgspec.json.decode(record.value)
        if not windows.is_noise(record.partition, ride["distance_km"], ride["duration_s"]):
            return None
        return KafkaSinkMessage(record.key, anomaly(ride["event_id"], ride["occurred_at"]))

    more = {"queued.min.messages": "200000"}
    source = KafkaSource([job.bootstrap], [job.events], batch_size=1_000, add_config=more)
    flow = Dataflow("rides")
    rides = op.input("in", flow, source)
    anomalies = op.filter_map("judge", rides, judge)
    op.output("out", anomalies, KafkaSink([job.bootstrap], job.anomalies))
    recovery = Path(job.folder) / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, 1)
    run_main(flow, recovery_config=RecoveryConfig(str(recovery)))


if __name__ == "__main__":
    main(PeerJob.from_environment())
