"""Rides: judged by distance and duration against the rides of the last while.

Speed is deliberately not a feature: a long ride at an ordinary speed must stay visible.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from eddy.models.arrays import Floats
from eddy.models.artefact import encode_parameters
from eddy.models.detectors.dbscan.windowed import DbscanScores, WindowedDbscan
from eddy.models.domain import Domain
from eddy.models.judge import Counts, Events, Identity, Model
from eddy.models.packing import pack, unpack
from eddy.schemas.anomalies import Anomaly, Entity, ModelRef, Reason, Source, point_id, severity_of
from eddy.schemas.columns import Program
from eddy.schemas.errors import ConfigError
from eddy.schemas.rides import Ride

NAMES = ("distance_km", "duration_s")
_UNITS = np.array([1.0, 60.0])  # kilometres, minutes: about one each for a short ride

Positive = Annotated[float, Meta(gt=0)]


class RidesPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings under ``[domains.rides]``.

    Attributes
    ----------
    window_rides : int
        Rides a partition's window keeps.
    window_seconds : float, optional
        ... and how old, in event time, they may be.
    min_window : int
        Warming below so many rides in the window: nothing is flagged.
    warning_score, critical_score : float
        From which score on an anomaly is more than information.
    """

    window_rides: Annotated[int, Meta(ge=10, le=10_000_000)] = 2_500
    window_seconds: Positive | None = None
    min_window: Annotated[int, Meta(ge=1)] = 1_000
    warning_score: Annotated[float, Meta(ge=1)] = 1.5
    critical_score: Annotated[float, Meta(ge=1)] = 3.0

    def __post_init__(self) -> None:
        if self.min_window > self.window_rides:
            raise ValueError("min_window: at most window_rides")
        if self.critical_score < self.warning_score:
            raise ValueError("critical_score: at least warning_score")


class DbscanParameters(msgspec.Struct, frozen=True):
    """What training finds: a point is ``transform @ (features - center)``."""

    center: tuple[float, float]
    transform: tuple[tuple[float, float], tuple[float, float]]
    eps: Positive
    min_samples: Annotated[int, Meta(ge=2, le=1_000_000)]

    def __post_init__(self) -> None:
        (a, b), (c, d) = self.transform
        if not abs(a * d - b * c) > 0:
            raise ConfigError("transform: has no inverse; train on history that varies")


def features(values: Floats) -> Floats:
    """Return sign(x) log(1 + |x|) of kilometres and minutes: ratios matter, not differences.

    Parameters
    ----------
    values : ndarray of float64, shape (n, 2)
        distance_km, duration_s.
    """
    scaled = values / _UNITS
    logs: Floats = np.copysign(np.log1p(np.abs(scaled)), scaled)
    return logs


def in_units(rows: Floats) -> Floats:
    """Return kilometres and seconds of features: the inverse of `features`."""
    sizes: Floats = np.copysign(np.expm1(np.abs(rows)), rows) * _UNITS
    return sizes


def _number_columns() -> list[int]:
    numbers = Program.of(Ride).numbers
    return [numbers.index(name) for name in NAMES]


@dataclass(frozen=True, slots=True)
class RidesVerdicts:
    """See `eddy.models.judge.Verdicts`."""

    counts: ClassVar[Counts] = {}

    scores: Floats
    flagged: NDArray[np.int64]
    scored: DbscanScores
    events: Events
    judge: "RidesJudge"
    model: Model

    def anomalies(self, rows: Sequence[int], detected_at: datetime) -> list[Anomaly]:
        """Build the anomalies of `rows`, positions in `flagged`."""
        chosen = np.asarray(rows, np.int64)
        if not len(chosen):
            return []
        at = self.flagged[chosen]
        values = self.judge.values(self.events)[at]
        columns = (
            at,
            self.events.offsets[at],
            self.scores[at],
            self.scored.late[at],
            self.scored.rows[chosen],
            values,
            in_units(self.scored.nearest[chosen]),
            in_units(self.scored.low[chosen]),
            in_units(self.scored.high[chosen]),
            self._contributions(chosen, features(values)),
        )
        # Columns become lists once: reading arrays item by item costs more than the rest.
        rows_of = zip(*(column.tolist() for column in columns), strict=True)
        return [self._anomaly(detected_at, *row) for row in rows_of]

    def _contributions(self, chosen: NDArray[np.int64], rows: Floats) -> Floats:
        """Split each score between the features.

        With delta the way from the nearest core point and M = W'W for the transform W, the
        squared distance is delta' M delta = sum_j delta_j (M delta)_j; divided by the distance
        and by eps the parts sum to the score.
        """
        parameters: DbscanParameters = self.model.parameters
        (a, b), (c, d) = parameters.transform
        cross = a * b + c * d
        delta = rows - self.scored.nearest[chosen]
        # Not delta @ M: BLAS rounds a row otherwise depending on how many come with it.
        first = delta[:, 0] * (a * a + c * c) + delta[:, 1] * cross
        second = delta[:, 0] * cross + delta[:, 1] * (b * b + d * d)
        parts = delta * np.column_stack((first, second))
        distance = np.sqrt(np.maximum(parts.sum(axis=1, keepdims=True), 1e-300))
        result: Floats = parts / (distance * parameters.eps)
        return result

    def _anomaly(
        self,
        detected_at: datetime,
        row: int,
        offset: int,
        score: float,
        late: bool,
        window: int,
        actual: list[float],
        typical: list[float],
        low: list[float],
        high: list[float],
        parts: list[float],
    ) -> Anomaly:
        identity, policy = self.judge.identity, self.judge.policy
        ride: Ride = self.events.event(row)
        main = 0 if abs(parts[0]) >= abs(parts[1]) else 1
        return Anomaly(
            anomaly_id=point_id(
                "rides", WindowedDbscan.name, identity.topic, identity.partition, offset
            ),
            domain="rides",
            detector=WindowedDbscan.name,
            event_id=ride.event_id,
            entity=Entity("ride", ride.ride_id),
            occurred_at=ride.occurred_at,
            detected_at=detected_at,
            score=score,
            severity=severity_of(score, policy.warning_score, policy.critical_score),
            # How much of the window there was to compare with.
            confidence=min(1.0, window / policy.window_rides),
            direction="above" if actual[main] >= typical[main] else "below",
            actual=_named(actual),
            expected=_named(typical),
            lower=_named(low),
            upper=_named(high),
            reasons=[
                Reason(NAMES[0], actual[0], typical[0], parts[0]),
                Reason(NAMES[1], actual[1], typical[1], parts[1]),
            ],
            labels=["late"] if late else [],
            model=self.model.ref,
            config_hash=identity.config_hash,
            source=Source(identity.topic, identity.partition, offset),
        )


def _named(pair: list[float]) -> dict[str, float]:
    return {NAMES[0]: pair[0], NAMES[1]: pair[1]}


class RidesJudge:
    """Judges one partition's rides; see `eddy.models.judge.Judge`."""

    def __init__(self, policy: RidesPolicy, model: Model, identity: Identity) -> None:
        self.policy, self.identity = policy, identity
        self._columns = _number_columns()
        self._use(model)
        seconds = policy.window_seconds
        self._detector = WindowedDbscan(
            center=self._parameters.center,
            transform=self._parameters.transform,
            eps=self._parameters.eps,
            min_samples=self._parameters.min_samples,
            window_rows=policy.window_rides,
            window_us=None if seconds is None else int(seconds * 1e6),
            min_window=policy.min_window,
        )

    def values(self, events: Events) -> Floats:
        """Return distance_km and duration_s, shape (n, 2)."""
        return events.values[:, self._columns]

    def judge(self, events: Events) -> RidesVerdicts:
        """Score the events, then learn from them."""
        scored = self._detector.judge(features(self.values(events)), events.occurred_at)
        return RidesVerdicts(scored.scores, scored.noise, scored, events, self, self._model)

    def set_model(self, model: Model) -> None:
        """Go on with another model; the window keeps its rides."""
        self._use(model)
        new = self._parameters
        self._detector.adopt(new.center, new.transform, new.eps, new.min_samples)

    def snapshot(self) -> bytes:
        """Return the window; the model is not in it."""
        return pack("rides", self._detector.snapshot())

    def restore(self, state: bytes) -> None:
        """Take over a snapshot; ValueError where it is not one of this judge's kind."""
        self._detector.restore(unpack("rides", state))

    @property
    def history(self) -> int:
        """Rides on which the next verdict can depend, unless they are spread by time."""
        return self.policy.window_rides

    @property
    def complete(self) -> bool:
        """Whether rides older than those seen cannot matter.

        Where it is never said, a rebuild reads all that the log still holds.
        """
        return self._detector.full

    @property
    def entities(self) -> int:
        """Rides in the window."""
        return self._detector.rows

    def _use(self, model: Model) -> None:
        self._model = model
        self._parameters: DbscanParameters = model.parameters


# `eddy train rides` on the 62,495 real green-taxi rides of January 2022, without labels.
DEFAULT_PARAMETERS = DbscanParameters(
    center=(1.5140663773143124, 2.504375675127179),
    transform=((2.7355633853137764, -1.550667278886445), (-1.550667278886445, 2.7461957612173893)),
    eps=1.807054177585738,
    min_samples=50,
)


def default_model() -> Model:
    """Return the model in use while the registry holds none."""
    digest = sha256(encode_parameters(DEFAULT_PARAMETERS)).hexdigest()
    return Model(ModelRef("rides", "default", digest), DEFAULT_PARAMETERS)


def _build(policy: Any, model: Model, identity: Identity) -> RidesJudge:
    return RidesJudge(policy, model, identity)


DOMAIN = Domain(
    name="rides",
    event_type=Ride,
    policy_type=RidesPolicy,
    parameters_type=DbscanParameters,
    default_model=default_model,
    build_judge=_build,
)
