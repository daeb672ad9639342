"""Kafka Streams with exactly_once_v2: Jackson and a two-line distance test, in Java.

It does less than the engine: no window, no DBSCAN; a distance from a fixed centre stands for them.
"""

from pathlib import Path

from rich.console import Console

from bench.java import compile_class, compiler, java
from bench.peers.job import EXACTLY_ONCE, PeerJob
from bench.peers.peer import Peer
from eddy.sandbox.jars import ensure_jars, jar_directory
from eddy.sandbox.java import java_environment
from eddy.sandbox.processes import BackgroundProcess

_JAVA = Path(__file__).with_name("java")
_JARS = _JAVA / "kafka-streams-jars.txt"
_THREADS = 2


def _process(job: PeerJob) -> BackgroundProcess:
    compiler()  # says so before anything is downloaded
    with Console().status("fetching Kafka Streams ..."):
        ensure_jars(listing=_JARS)
    jars, classes = jar_directory(_JARS), Path(job.folder) / "classes"
    compile_class(_JAVA / "RideStream.java", jars, classes)
    return BackgroundProcess(
        name="kafka_streams",
        argv=(
            str(java()),
            "-Xmx1g",
            "RideStream",
            job.bootstrap,
            job.events,
            job.anomalies,
            job.group,
            f"{job.folder}/state",
            str(_THREADS),
        ),
        env={**java_environment(jars), "CLASSPATH": f"{classes}:{jars}/*"},
    )


PEER = Peer(
    name="Kafka Streams",
    guarantee=EXACTLY_ONCE,
    target=3.0,
    warm_up=400_000,
    events=2_300_000,
    seconds=20.0,
    process=_process,
)
