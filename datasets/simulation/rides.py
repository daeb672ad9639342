"""Rides that look like real ones, with anomalies, late, double and broken records among them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.datasets.simulation.damage import DAMAGES, damaged
from eddy.datasets.simulation.disorder import Disorder
from eddy.datasets.simulation.record import SimulatedRecord
from eddy.datasets.simulation.ride_draws import (
    ANOMALY_KINDS,
    HOUR_US,
    busy_hours,
    clock_hours,
    draw_rides,
)
from eddy.models.arrays import Ints
from eddy.schemas.errors import ConfigError
from eddy.schemas.rides import Ride

CHUNK_RIDES = 8192
DAMAGE_KINDS = tuple(DAMAGES)
_MONDAY = datetime(1970, 1, 5, tzinfo=UTC)
_MONDAY_US = 4 * 24 * HOUR_US


class RideSimulation(msgspec.Struct, frozen=True, kw_only=True):
    """What to simulate; rates are shares of the rides.

    Attributes
    ----------
    start : datetime
        Event time of the beginning, with an offset.
    rides : int, optional
        How many; None goes on for ever.
    rides_per_day : float
        Density in event time; it follows the hours of a real week.
    anomaly_rate, malformed_rate : float
        Shares made anomalous or unreadable; no ride is both. Above some 0.5 % anomalies become
        so common that a density-based detector is right to find them ordinary.
    late_rate, late_s : float, (float, float)
        Share of late records, and how late at least and at most.
    duplicate_rate, duplicate_s : float, float
        Share of records that come twice, and within how many seconds.
    disorder_s : float
        Every record comes up to so many seconds after its time.
    """

    start: datetime
    rides: int | None = None
    rides_per_day: float = 2000.0
    anomaly_rate: float = 0.002
    malformed_rate: float = 0.001
    late_rate: float = 0.002
    late_s: tuple[float, float] = (600.0, 21_600.0)
    duplicate_rate: float = 0.002
    duplicate_s: float = 60.0
    disorder_s: float = 5.0

    def __post_init__(self) -> None:
        for name in ("anomaly_rate", "malformed_rate", "late_rate", "duplicate_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}: between 0 and 1")
        if self.anomaly_rate + self.malformed_rate > 1:
            raise ConfigError("anomaly_rate and malformed_rate: at most 1 together")
        if self.start.tzinfo is None:
            raise ConfigError("start: needs an offset, such as 2024-01-01T00:00:00Z")
        if not 0 < self.rides_per_day <= 1e12:
            raise ConfigError("rides_per_day: more than 0, at most 1e12")
        if (self.rides or 0) < 0:
            raise ConfigError("rides: at least 0")
        if not 0 <= self.late_s[0] <= self.late_s[1] or min(self.duplicate_s, self.disorder_s) < 0:
            raise ConfigError("late_s, duplicate_s, disorder_s: at least 0, and late_s ascending")


def simulate(seed: int, settings: RideSimulation) -> Iterator[SimulatedRecord]:
    """Yield records in the order they come; the same seed and settings give the same bytes."""
    for batch in simulate_batches(seed, settings):
        yield from batch


def simulate_batches(seed: int, settings: RideSimulation) -> Iterator[list[SimulatedRecord]]:
    """Yield the same records in batches, for those who send by the thousand."""
    rng = np.random.default_rng(seed)
    disorder, first = Disorder(), 0
    clock = (settings.start - _MONDAY) / timedelta(hours=1)
    while settings.rides is None or first < settings.rides:
        # whole chunks are drawn, whatever is kept: fewer rides are then the same rides
        keep = CHUNK_RIDES if settings.rides is None else settings.rides - first
        gaps = rng.exponential(24 / settings.rides_per_day, CHUNK_RIDES)
        clocks = clock_hours(busy_hours(np.array([clock])) + np.cumsum(gaps))
        occurred_us = _MONDAY_US + np.rint(clocks * HOUR_US).astype(np.int64)
        ids = [f"ride-{seed}-{row}" for row in range(first, first + CHUNK_RIDES)]
        disorder.put(*_chunk(rng, settings, ids, occurred_us, keep))
        yield disorder.take(int(occurred_us[min(keep, CHUNK_RIDES) - 1]))
        clock, first = float(clocks[-1]), first + CHUNK_RIDES
    yield disorder.take()


@dataclass(frozen=True, slots=True)
class _Fates:
    """What becomes of each ride of a chunk; kinds are positions, -1 for none."""

    anomaly: Ints
    malformed: Ints
    late: NDArray[np.bool_]
    duplicate: NDArray[np.bool_]
    due_us: Ints
    again_us: Ints


def _draw_fates(rng: np.random.Generator, settings: RideSimulation, occurred_us: Ints) -> _Fates:
    n = len(occurred_us)
    chance = rng.random(n)
    anomalous = chance < settings.anomaly_rate
    malformed = ~anomalous & (chance < settings.anomaly_rate + settings.malformed_rate)
    late = rng.random(n) < settings.late_rate
    wait_s = rng.uniform(0, settings.disorder_s, n) + late * rng.uniform(*settings.late_s, n)
    due_us = occurred_us + (wait_s * 1e6).astype(np.int64)
    again_s = rng.uniform(0, settings.duplicate_s, n)
    return _Fates(
        anomaly=np.where(anomalous, rng.integers(0, len(ANOMALY_KINDS), n), -1),
        malformed=np.where(malformed, rng.integers(0, len(DAMAGE_KINDS), n), -1),
        late=late,
        duplicate=rng.random(n) < settings.duplicate_rate,
        due_us=due_us,
        again_us=due_us + 1 + (again_s * 1e6).astype(np.int64),
    )


def _chunk(
    rng: np.random.Generator, settings: RideSimulation, ids: list[str], occurred_us: Ints, keep: int
) -> tuple[Ints, list[SimulatedRecord]]:
    """Return when the records of a chunk are due, and the records."""
    fates = _draw_fates(rng, settings, occurred_us)
    rides = draw_rides(rng, occurred_us, fates.anomaly)
    records = _records(ids, occurred_us, rides, fates)[:keep]
    twice = np.flatnonzero(fates.duplicate[:keep])
    doubles = [msgspec.structs.replace(records[i], duplicate=True) for i in twice.tolist()]
    return np.concatenate([fates.due_us[:keep], fates.again_us[twice]]), records + doubles


_encode: Callable[[Ride], bytes] = msgspec.json.Encoder().encode


def _records(
    ids: list[str], occurred_us: Ints, rides: dict[str, NDArray[Any]], fates: _Fates
) -> list[SimulatedRecord]:
    moments = zip(occurred_us.tolist(), occurred_us.astype("M8[us]").tolist(), strict=True)
    rows = zip(*(column.tolist() for column in rides.values()), strict=True)
    ends = (fates.anomaly.tolist(), fates.malformed.tolist(), fates.late.tolist())
    return [
        _record(event_id, moment, dict(zip(rides, row, strict=True)), end)
        for event_id, moment, row, end in zip(
            ids, moments, rows, zip(*ends, strict=True), strict=True
        )
    ]


def _record(
    event_id: str, moment: tuple[int, datetime], ride: dict[str, Any], fate: tuple[int, int, bool]
) -> SimulatedRecord:
    occurred_us, occurred_at = moment
    anomaly, malformed, late = fate
    occurred_at = occurred_at.replace(tzinfo=UTC)
    payload = _encode(
        Ride(event_id=event_id, occurred_at=occurred_at, ride_id=event_id, currency="USD", **ride)
    )
    kind = None if malformed < 0 else DAMAGE_KINDS[malformed]
    return SimulatedRecord(
        key=str(ride["pickup_zone"]).encode(),
        payload=payload if kind is None else damaged(payload, kind, "distance_km"),
        event_id=event_id,
        occurred_at_us=occurred_us,
        anomaly=None if anomaly < 0 else ANOMALY_KINDS[anomaly],
        malformed=kind,
        late=late,
    )
