"""A domain as a package of its own would give it: buses, late against a limit that is learned.

The test of domains in packages copies this file beside an entry point; nothing else names it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta

from eddy.app.domains.row import DomainRow, Simulation
from eddy.app.settings import Settings
from eddy.app.training.trained_model import (
    TrainedModel,
    TrainingProgress,
    TrainingSource,
    options_of,
    training_of,
)
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.models.artefact import encode_parameters
from eddy.models.domain import Domain
from eddy.models.judge import Counts, Events, Identity, Model
from eddy.schemas.anomalies import Anomaly, Entity, ModelRef, Source, point_id, severity_of


class Arrival(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A bus that came to a stop."""

    event_id: Annotated[str, Meta(min_length=1, max_length=128)]
    occurred_at: Annotated[datetime, Meta(tz=True)]
    line: Annotated[str, Meta(max_length=32)]
    delay_s: Annotated[float, Meta(ge=0, le=86_400)]


class BusesPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings under ``[domains.buses]``."""

    critical_score: Annotated[float, Meta(ge=1)] = 3.0


class BusesParameters(msgspec.Struct, frozen=True):
    """The delay from which on a bus is late."""

    limit_s: Annotated[float, Meta(gt=0)] = 600.0


@dataclass(frozen=True)
class BusesVerdicts:
    scores: np.ndarray
    flagged: np.ndarray
    events: Events
    judge: "BusesJudge"
    counts: ClassVar[Counts] = {}

    def anomalies(self, rows: Sequence[int], detected_at: datetime) -> list[Anomaly]:
        return [self._anomaly(int(self.flagged[row]), detected_at) for row in rows]

    def _anomaly(self, row: int, detected_at: datetime) -> Anomaly:
        identity, offset = self.judge.identity, int(self.events.offsets[row])
        arrival: Arrival = self.events.event(row)
        score = float(self.scores[row])
        return Anomaly(
            anomaly_id=point_id("buses", "limit", identity.topic, identity.partition, offset),
            domain="buses",
            detector="limit",
            event_id=arrival.event_id,
            entity=Entity("line", arrival.line),
            occurred_at=arrival.occurred_at,
            detected_at=detected_at,
            score=score,
            severity=severity_of(score, 1.5, self.judge.policy.critical_score),
            confidence=1.0,
            actual={"delay_s": arrival.delay_s},
            model=self.judge.model.ref,
            config_hash=identity.config_hash,
            source=Source(identity.topic, identity.partition, offset),
        )


class BusesJudge:
    """Every arrival is judged by itself: there is no state."""

    history, complete, entities = 0, True, 0

    def __init__(self, policy: BusesPolicy, model: Model, identity: Identity) -> None:
        self.policy, self.model, self.identity = policy, model, identity

    def judge(self, events: Events) -> BusesVerdicts:
        scores = events.values[:, 0] / self.model.parameters.limit_s
        return BusesVerdicts(scores, np.flatnonzero(scores > 1.0), events, self)

    def set_model(self, model: Model) -> None:
        self.model = model

    def snapshot(self) -> bytes:
        return b""

    def restore(self, state: bytes) -> None:
        if state:
            raise ValueError("no snapshot of buses")


def default_model() -> Model:
    parameters = BusesParameters()
    digest = sha256(encode_parameters(parameters)).hexdigest()
    return Model(ModelRef("buses", "default", digest), parameters)


class BusesSimulation(msgspec.Struct, frozen=True, kw_only=True):
    arrivals: int = 1_000
    late_share: float = 0.01


def simulate(seed: int, options: BusesSimulation) -> Iterator[SimulatedRecord]:
    random = np.random.default_rng(seed)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(options.arrivals):
        is_late = bool(random.random() < options.late_share)
        arrival = Arrival(
            event_id=f"b{seed}-{number}",
            occurred_at=start + timedelta(seconds=number),
            line=f"{number % 7}",
            delay_s=2_000.0 if is_late else float(random.uniform(0, 120)),
        )
        yield SimulatedRecord(
            key=arrival.line.encode(),
            payload=msgspec.json.encode(arrival),
            event_id=arrival.event_id,
            occurred_at_us=round(arrival.occurred_at.timestamp() * 1e6),
            anomaly="late" if is_late else None,
        )


def read_files(path: Path, *, zone: str = "UTC") -> Iterator[list[bytes]]:
    from eddy.datasets.history.files import read_lines

    return read_lines(path)


class BusesTraining(msgspec.Struct, frozen=True, kw_only=True):
    quantile: Annotated[float, Meta(gt=0, lt=1)] = 0.98


def train(
    settings: Settings,
    source: TrainingSource,
    options: Mapping[str, Any],
    progress: TrainingProgress,
) -> TrainedModel:
    from eddy.app.training.training_rows import TrainingRows

    parameters = options_of(options, BusesTraining)
    rows = TrainingRows(ROW, ("delay_s",), settings.engine.max_skew_s)
    rows.read(settings, source, progress.read)
    delays = rows.values()[:, 0]
    limit_s = math.ceil(float(np.quantile(delays, parameters.quantile)))
    return TrainedModel(
        parameters=BusesParameters(limit_s),
        training=training_of(parameters, sha256(delays.tobytes()).hexdigest(), len(delays)),
        metrics={"limit_s": float(limit_s)},
        learned_from=f"{len(delays):,} arrivals",
        rejected=rows.rejected,
    )


ROW = DomainRow(
    Domain(
        name="buses",
        event_type=Arrival,
        policy_type=BusesPolicy,
        parameters_type=BusesParameters,
        default_model=default_model,
        build_judge=BusesJudge,
    ),
    read_files=read_files,
    simulation=lambda: Simulation(BusesSimulation, simulate),
    train=train,
)
