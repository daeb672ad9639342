"""Rides to fill topics with: real ones where their files are at hand, else simulated ones."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "rides"
KM_PER_MILE = 1.609
SIMULATED_RIDES = 120_000

_BEGIN, _END, _MILES = "lpep_pickup_datetime", "lpep_dropoff_datetime", "trip_distance"
# What else is read, and what stands for it where a year's file, or a row, does not have it.
_USUAL = {
    "PULocationID": 74,
    "DOLocationID": 75,
    "fare_amount": 0.0,
    "total_amount": 0.0,
    "passenger_count": 1,
}


@dataclass(frozen=True, slots=True)
class Template:
    """A ride without its ids, ready to be numbered: about 246 bytes of JSON when it is."""

    key: bytes
    body: bytes

    def numbered(self, number: int) -> bytes:
        """Return the ride's JSON."""
        return b'{"event_id":"ride-%09d","ride_id":"r%09d",%b' % (number, number, self.body)


def templates(data: Path = DATA) -> list[Template]:
    """Return rides from the green-taxi files in `data`, or simulated ones where there are none."""
    rows = _real(data) if any(data.glob("*.parquet")) else _simulated()
    return [_template(row) for row in rows]


def far_out(rng: np.random.Generator, name: str) -> bytes:
    """Return a ride far from every other one, scattered so that such rides never get dense."""
    row = {
        "occurred_at": datetime.now(UTC).isoformat(),
        "vendor_id": "probe",
        "pickup_zone": 0,
        "dropoff_zone": 0,
        "distance_km": float(np.exp(rng.uniform(7.0, 13.5))),
        "duration_s": float(np.exp(rng.uniform(12.0, 18.0))),
        "fare": 1.0,
        "currency": "USD",
        "passengers": 1,
    }
    return msgspec.json.encode({"event_id": name, "ride_id": name, **row})


def _template(row: dict[str, Any]) -> Template:
    return Template(str(row["pickup_zone"]).encode(), msgspec.json.encode(row)[1:])


def _real(data: Path) -> Iterator[dict[str, Any]]:
    """Read the files, column by column."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - slow to import, and only here

    for file in sorted(data.glob("*.parquet")):
        names = pq.read_schema(file).names
        wanted = [name for name in (_BEGIN, _END, _MILES, *_USUAL) if name in names]
        table = pq.read_table(file, columns=wanted)
        yield from _rows(table.filter(table[_MILES].is_valid()))


def _rows(table: Any) -> Iterator[dict[str, Any]]:
    begin, end = table[_BEGIN].to_numpy(), table[_END].to_numpy()
    usual = [_filled(table, name, value) for name, value in _USUAL.items()]
    columns = (
        np.datetime_as_string(begin.astype("M8[s]"), timezone="UTC").tolist(),
        (table[_MILES].to_numpy() * KM_PER_MILE).tolist(),
        ((end - begin) / np.timedelta64(1, "s")).tolist(),
        *usual,
    )
    for at, km, seconds, pickup, dropoff, fare, total, passengers in zip(*columns, strict=True):
        yield {
            "occurred_at": at,
            "vendor_id": "green",
            "pickup_zone": pickup,
            "dropoff_zone": dropoff,
            "distance_km": km,
            "duration_s": seconds,
            "fare": fare,
            "total": total,
            "passengers": passengers,
            "currency": "USD",
        }


def _filled(table: Any, name: str, usual: float) -> list[Any]:
    """Return a column with its gaps filled; all gaps where the file does not have it."""
    if name not in table.column_names:
        return [usual] * len(table)
    return [usual if v is None else type(usual)(v) for v in table[name].to_pylist()]


def _simulated() -> Iterator[dict[str, Any]]:
    from eddy.datasets.simulation.rides import RideSimulation, simulate  # noqa: PLC0415 - the fallback

    settings = RideSimulation(
        start=datetime(2024, 1, 1, tzinfo=UTC),
        rides=SIMULATED_RIDES,
        malformed_rate=0.0,
        late_rate=0.0,
        duplicate_rate=0.0,
    )
    for record in simulate(0, settings):
        row = msgspec.json.decode(record.payload)
        del row["event_id"], row["ride_id"]
        yield {**row, "total": row.get("fare")}
