"""Rides as the stream leaves them in the lake: judged partition by partition, then kept as rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from eddy.app.lake.rides import RidesDay, RidesJob
from eddy.app.settings import Settings, StorageConfig
from eddy.datasets.simulation.rides import RideSimulation, simulate
from eddy.lake import catalog as tables
from eddy.lake.config import LakeConfig
from eddy.lake.days import Day
from eddy.lake.rides.clustering import ClusteringSummary
from eddy.lake.rides.published_day import folder_of, read
from eddy.lake.store import Folder, filesystem
from eddy.lake.tables import TableSpec, anomalies, clusters, history, rejections
from eddy.models.domains.rides.default import default_model
from eddy.models.domains.rides.domain import DOMAIN as RIDES
from eddy.models.domains.rides.policy import RidesPolicy
from eddy.models.judge import Events, Identity, Model
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.clustered import Clustered
from eddy.schemas.decoding import Decoder, buffers

TOPIC = "events.rides"
POLICY = RidesPolicy(window_rides=150, min_window=60)
DETECTED_AT = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class Streamed:
    """What the stream made of rides: rows of its history, and its anomalies."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    anomalies: list[Anomaly] = field(default_factory=list)


@cache
def streamed(
    seed: int,
    rides: int,
    *,
    start: datetime = datetime(2024, 3, 1, tzinfo=UTC),
    rides_per_day: float = 800.0,
    partitions: int = 3,
    policy: RidesPolicy = POLICY,
    model: Model | None = None,
    config_hash: str = "abc",
    **rates: Any,
) -> Streamed:
    """Simulate rides, broken, late and double ones too, and let the real judges judge them."""
    options = RideSimulation(start=start, rides=rides, rides_per_day=rides_per_day, **rates)
    logs: list[list[bytes]] = [[] for _ in range(partitions)]
    for record in simulate(seed, options):
        logs[sum(record.key) % partitions].append(record.payload)
    found = Streamed()
    for number, log in enumerate(logs):
        _judge(found, number, log, policy, model or default_model(), config_hash)
    return found


def _judge(
    found: Streamed,
    number: int,
    log: list[bytes],
    policy: RidesPolicy,
    model: Model,
    config_hash: str,
) -> None:
    decoder = Decoder(RIDES.event_type, 300.0)
    kept, addresses, lengths = buffers(log)
    columns = decoder.decode(addresses, lengths, np.full(len(log), -1)).columns
    del kept
    valid = np.flatnonzero(columns.valid)
    events = Events(
        valid,
        columns.occurred_at[valid],
        columns.values[valid],
        columns.keys[valid],
        lambda row: decoder.reread(log[valid[row]]),
    )
    verdicts = RIDES.build_judge(policy, model, Identity(TOPIC, number, config_hash)).judge(events)
    every = list(range(len(verdicts.flagged)))
    found.anomalies += verdicts.anomalies(every, DETECTED_AT)
    flagged = set(verdicts.flagged.tolist())
    for row, offset in enumerate(valid.tolist()):
        score = float(verdicts.scores[row])
        verdict = "warming" if np.isnan(score) else "anomaly" if row in flagged else "normal"
        found.rows.append(history_row(events.event(row), number, offset, score, verdict, model))


def history_row(
    ride: Any, partition: int, offset: int, score: float, verdict: str, model: Model
) -> dict[str, Any]:
    """Return a row of the history as the sink writes it."""
    ref = msgspec.to_builtins(model.ref)
    event = {name: getattr(ride, name) for name in ride.__struct_fields__ if name != "occurred_at"}
    labels = ("vendor_id", "pickup_zone", "dropoff_zone")
    event |= {name: None if event[name] is None else str(event[name]) for name in labels}
    return {
        "occurred_at": ride.occurred_at,
        "score": None if np.isnan(score) else score,
        "verdict": verdict,
        "model": {"name": ref["name"], "version": ref["version"], "sha256": ref["sha256"]},
        "source": {"topic": TOPIC, "partition": partition, "offset": offset},
        "event": event,
        "kafka_topic": "scored.rides",
        "kafka_partition": partition,
        "kafka_offset": offset,
        "kafka_timestamp": ride.occurred_at,
    }


def keep(config: LakeConfig, rows: Iterable[dict[str, Any]], *, files: int = 3) -> None:
    """Write rows into the history as the sink does: in several commits, in the order they came."""
    table = tables.load(tables.open_catalog(config), config, history("rides", RIDES.event_type))
    for part in _parts(list(rows), files):
        table.append(pa.Table.from_pylist(part, schema=table.schema().as_arrow()))


def _parts(rows: list[dict[str, Any]], count: int) -> Iterator[list[dict[str, Any]]]:
    size = max(1, -(-len(rows) // count))
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def of_day(rows: Iterable[dict[str, Any]], day: str) -> list[dict[str, Any]]:
    """Return the rows of a day of UTC."""
    return [row for row in rows if row["occurred_at"].astimezone(UTC).date().isoformat() == day]


@dataclass(frozen=True)
class JobWorld:
    """A lake with tables, and the settings of those who work on it."""

    config: LakeConfig
    settings: Settings

    def job(self) -> RidesJob:
        """Return the daily job under these settings."""
        return RidesJob(self.settings)

    def run(self, *days: str) -> list[RidesDay]:
        """Run the daily job."""
        return list(self.job().run([Day.of(day) for day in days]))

    def published(self, day: str) -> tuple[ClusteringSummary, list[Clustered]] | None:
        """Return what other systems find of a day."""
        folder = Folder(filesystem(self.config), f"{self.config.bucket}/exports")
        return read(folder_of(folder, Day.of(day)))

    def table(self, spec: TableSpec) -> list[dict[str, Any]]:
        """Return all rows of a table."""
        table = tables.load(tables.open_catalog(self.config), self.config, spec)
        found = table.scan().to_arrow().sort_by([(name, "ascending") for name in spec.sorted_by])
        rows: list[dict[str, Any]] = found.to_pylist(maps_as_pydicts="strict")
        return rows

    def snapshots(self, spec: TableSpec) -> int:
        """Return how often a table was written."""
        return len(tables.load(tables.open_catalog(self.config), self.config, spec).snapshots())


def job_world(config: LakeConfig, folder: Path, policy: RidesPolicy = POLICY) -> JobWorld:
    """Create the tables of rides, and that of rejections; return the world."""
    specs = [history("rides", RIDES.event_type), clusters("rides"), anomalies("rides")]
    tables.create(config, [*specs, rejections()])
    section = {name: value for name, value in msgspec.structs.asdict(policy).items() if value}
    storage = StorageConfig(registry=str(folder / "models"))
    return JobWorld(config, Settings(lake=config, storage=storage, domains={"rides": section}))


def row_of(anomaly: Anomaly) -> dict[str, Any]:
    """Return an anomaly as a row of its table, without where its record stands."""
    row: dict[str, Any] = msgspec.to_builtins(anomaly, builtin_types=(datetime,))
    return row
