"""What the judge says of a batch of rides: scores, and anomalies with their reasons."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

import numpy as np

from eddy.models.arrays import Floats, Ints
from eddy.models.detectors.dbscan.windowed import DbscanScores, WindowedDbscan
from eddy.models.domains.rides.features import NAMES, features, in_units
from eddy.models.domains.rides.parameters import DbscanParameters
from eddy.models.domains.rides.policy import RidesPolicy
from eddy.models.judge import Counts, Events, Identity, Model
from eddy.schemas.anomalies import Anomaly, Entity, Reason, Source, point_id, severity_of
from eddy.schemas.rides import Ride


@dataclass(frozen=True, slots=True)
class RidesVerdicts:
    """See `eddy.models.judge.Verdicts`."""

    counts: ClassVar[Counts] = {}

    scores: Floats
    flagged: Ints
    scored: DbscanScores
    events: Events
    values: Floats
    policy: RidesPolicy
    identity: Identity
    model: Model

    def anomalies(self, rows: Sequence[int], detected_at: datetime) -> list[Anomaly]:
        """Build the anomalies of `rows`, positions in `flagged`."""
        positions = np.asarray(rows, np.int64)
        if not len(positions):
            return []
        at = self.flagged[positions]
        values = self.values[at]
        columns = (
            at,
            self.events.offsets[at],
            self.scores[at],
            self.scored.late[at],
            self.scored.rows[positions],
            values,
            in_units(self.scored.nearest[positions]),
            in_units(self.scored.low[positions]),
            in_units(self.scored.high[positions]),
            self._contributions(positions, features(values)),
        )
        # Columns become lists once: reading arrays item by item costs more than the rest.
        rows_of = zip(*(column.tolist() for column in columns), strict=True)
        return [self._anomaly(detected_at, *row) for row in rows_of]

    def _contributions(self, positions: Ints, rows: Floats) -> Floats:
        """Split each score between the features.

        With delta the way from the nearest core point and M = W'W for the transform W, the
        squared distance is delta' M delta = sum_j delta_j (M delta)_j; divided by the distance
        and by eps the parts sum to the score.
        """
        parameters: DbscanParameters = self.model.parameters
        (a, b), (c, d) = parameters.transform
        cross = a * b + c * d
        delta = rows - self.scored.nearest[positions]
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
        identity, policy = self.identity, self.policy
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
