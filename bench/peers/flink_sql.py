"""Flink SQL, exactly once: a two-line distance test, run by Flink's SQL client in one JVM.

It does less than the engine: no window, no DBSCAN. Checkpoints, and with them commits, come every
second; two slots, one a core. No JDK is needed, and no Python: the client and its local cluster
come from jars.
"""

from pathlib import Path
from string import Template

from rich.console import Console

from bench.java import java
from bench.peers.job import EXACTLY_ONCE, PeerJob
from bench.peers.peer import Peer
from eddy.sandbox.jars import ensure_jars, jar_directory
from eddy.sandbox.java import java_environment
from eddy.sandbox.processes import BackgroundProcess

_JARS = Path(__file__).with_name("java") / "flink-jars.txt"

_CONFIG = """\
execution.target: local
parallelism.default: 2
execution.checkpointing.interval: 1s
state.backend.type: hashmap
io.tmp.dirs: $folder
"""

_SCRIPT = Template("""\
CREATE TABLE rides (
  event_id STRING, occurred_at STRING, distance_km DOUBLE, duration_s DOUBLE
) WITH (
  'connector' = 'kafka',
  'topic' = '$events',
  'properties.bootstrap.servers' = '$bootstrap',
  'properties.group.id' = '$group',
  'scan.startup.mode' = 'earliest-offset',
  'format' = 'json'
);
CREATE TABLE anomalies (
  anomaly_id STRING, domain STRING, occurred_at STRING, score DOUBLE
) WITH (
  'connector' = 'kafka',
  'topic' = '$anomalies',
  'properties.bootstrap.servers' = '$bootstrap',
  'properties.transaction.timeout.ms' = '60000',
  'properties.compression.type' = 'lz4',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = '$group',
  'format' = 'json'
);
SET 'table.dml-sync' = 'true';
INSERT INTO anomalies
SELECT event_id, 'rides', occurred_at, score FROM (
  SELECT event_id, occurred_at,
    POWER((LN(1 + GREATEST(distance_km, 0)) - 1.3) / 0.7, 2)
    + POWER((LN(1 + GREATEST(duration_s, 0)) - 6.3) / 0.8, 2) AS score
  FROM rides
) WHERE score >= 9.5;
""")


def _process(job: PeerJob) -> BackgroundProcess:
    with Console().status("fetching Flink ..."):
        ensure_jars(listing=_JARS)
    jars, folder = jar_directory(_JARS), Path(job.folder)
    script = folder / "rides.sql"
    script.write_text(script_text(job), encoding="utf-8")
    (folder / "config.yaml").write_text(_CONFIG.replace("$folder", job.folder), encoding="utf-8")
    client = ("org.apache.flink.table.client.SqlClient", "embedded")
    history = ("-hist", str(folder / "history"))
    return BackgroundProcess(
        name="flink_sql",
        argv=(str(java()), "-Xmx1g", *client, *history, "-f", str(script)),
        env={**java_environment(jars), "FLINK_CONF_DIR": str(folder)},
    )


def script_text(job: PeerJob) -> str:
    """Return the SQL for a job."""
    return _SCRIPT.substitute(
        bootstrap=job.bootstrap, events=job.events, anomalies=job.anomalies, group=job.group
    )


PEER = Peer(
    name="Flink SQL",
    guarantee=EXACTLY_ONCE,
    target=2.0,
    warm_up=500_000,
    events=2_200_000,
    seconds=20.0,
    process=_process,
)
