"""Simulated rides: like real ones, with the truth of what was put in."""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import DBSCAN

from eddy.datasets.simulation.damage import DAMAGES
from eddy.datasets.simulation.ride_draws import ANOMALY_KINDS, busy_hours, clock_hours
from eddy.datasets.simulation.rides import RideSimulation, simulate, simulate_batches
from eddy.schemas.errors import ConfigError
from eddy.schemas.rejections import MAX_RECORD_BYTES
from eddy.schemas.rides import Ride

DATA = Path(os.environ.get("EDDY_DATA", Path(__file__).parents[4] / "shared/data"))
START = datetime(2024, 1, 1, tzinfo=UTC)
PLAIN = {
    "start": START,
    **dict.fromkeys(("anomaly_rate", "malformed_rate", "late_rate", "duplicate_rate"), 0.0),
}


def settings(**changes: Any) -> RideSimulation:
    return RideSimulation(**{**PLAIN, **changes})


def rides(records: list[Any]) -> list[Ride]:
    return [msgspec.json.decode(record.payload, type=Ride) for record in records]


@pytest.fixture(scope="module")
def plain() -> list[Ride]:
    return rides(list(simulate(1, settings(rides=40_000, disorder_s=0))))


@pytest.fixture(scope="module")
def mixed() -> list[Any]:
    rates = dict.fromkeys(("anomaly_rate", "malformed_rate", "late_rate", "duplicate_rate"), 0.01)
    return list(simulate(2, RideSimulation(start=START, rides=50_000, **rates)))


def test_the_same_seed_gives_the_same_records() -> None:
    options = RideSimulation(start=START, rides=10_000)
    assert list(simulate(3, options)) == list(simulate(3, options))
    assert list(simulate(3, options)) != list(simulate(4, options))


def test_batches_hold_the_same_records() -> None:
    options = RideSimulation(start=START, rides=20_000)
    batches = list(simulate_batches(3, options))
    assert [record for batch in batches for record in batch] == list(simulate(3, options))


def test_fewer_rides_are_the_same_rides() -> None:
    few = {r.event_id: r.payload for r in simulate(3, settings(rides=9_000))}
    many = {r.event_id: r.payload for r in simulate(3, settings(rides=20_000))}
    assert few.items() <= many.items()


def test_it_can_go_on_for_ever() -> None:
    assert len(list(islice(simulate(3, settings()), 30_000))) == 30_000


def test_no_rides() -> None:
    assert list(simulate(3, settings(rides=0))) == []


def test_every_ride_is_there_once(plain: list[Ride]) -> None:
    assert [ride.event_id for ride in plain] == [f"ride-1-{i}" for i in range(40_000)]


def test_time_goes_forward_from_the_start(plain: list[Ride]) -> None:
    times = [ride.occurred_at for ride in plain]
    assert times == sorted(times)
    assert START < times[0] < START + timedelta(hours=1)
    days = (times[-1] - START) / timedelta(days=1)
    assert days == pytest.approx(40_000 / 2000, rel=0.05)


def test_the_start_is_an_instant() -> None:
    there = START.astimezone(timezone(timedelta(hours=-5)))
    assert list(simulate(3, settings(rides=99, start=there))) == list(
        simulate(3, settings(rides=99))
    )


def test_the_night_is_quiet(plain: list[Ride]) -> None:
    hours = Counter(ride.occurred_at.hour for ride in plain)
    assert hours[17] > 10 * hours[3]


def test_the_clock_of_busy_hours_can_be_turned_back() -> None:
    clock = np.linspace(-500, 5000, 10_001)
    assert np.allclose(clock_hours(busy_hours(clock)), clock)
    assert np.all(np.diff(busy_hours(clock)) > 0)


def test_keys_are_pickup_zones() -> None:
    records = list(simulate(1, settings(rides=1000)))
    assert [r.key for r in records] == [str(ride.pickup_zone).encode() for ride in rides(records)]
    assert Counter(r.key for r in records).most_common(1)[0][0] == b"74"


def test_rates_are_as_asked(mixed: list[Any]) -> None:
    assert sum(not r.duplicate for r in mixed) == 50_000
    for count in (
        sum(r.anomaly is not None and not r.duplicate for r in mixed),
        sum(r.malformed is not None and not r.duplicate for r in mixed),
        sum(r.late and not r.duplicate for r in mixed),
        sum(r.duplicate for r in mixed),
    ):
        assert 400 < count < 600
    assert {r.anomaly for r in mixed} == {None, *ANOMALY_KINDS}
    assert {r.malformed for r in mixed} == {None, *DAMAGES}
    assert not any(r.anomaly and r.malformed for r in mixed)


def test_doubles_come_after_their_like(mixed: list[Any]) -> None:
    seen: dict[str, bytes] = {}
    for record in mixed:
        assert record.duplicate == (record.event_id in seen)
        assert seen.setdefault(record.event_id, record.payload) == record.payload


def test_late_records_are_late_and_no_others() -> None:
    busy = settings(rides=50_000, rides_per_day=1e6, late_rate=0.01, late_s=(60, 600), disorder_s=5)
    records = list(simulate(6, busy))
    last = max(record.occurred_at_us for record in records)
    newest = 0
    for record in records:
        behind_s = (newest - record.occurred_at_us) / 1e6
        newest = max(newest, record.occurred_at_us)
        if not record.late:
            assert behind_s <= 5
        elif newest < last:  # the rest comes when there is nothing left to be behind of
            assert 55 <= behind_s <= 605
    assert 400 < sum(record.late for record in records) < 600


def test_malformed_records_are_rejected_for_the_reason_given(mixed: list[Any]) -> None:
    for record in mixed:
        if record.malformed is None:
            msgspec.json.decode(record.payload, type=Ride)
            continue
        reason = DAMAGES[record.malformed][1]
        assert (reason == "empty") == (record.payload == b"")
        assert (reason == "too_large") == (len(record.payload) > MAX_RECORD_BYTES)
        if reason == "malformed_json":
            with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)) as caught:
                msgspec.json.decode(record.payload)
            assert not isinstance(caught.value, msgspec.ValidationError)
        if reason == "schema_violation":
            msgspec.json.decode(record.payload)
            with pytest.raises(msgspec.ValidationError, match="distance_km"):
                msgspec.json.decode(record.payload, type=Ride)


def features(rows: list[Ride]) -> Any:
    values = np.array([(ride.distance_km, ride.duration_s) for ride in rows])
    return np.sign(values) * np.log1p(np.abs(values))


def test_anomalies_are_far_out() -> None:
    """At the rate a stream is simulated with, DBSCAN finds nearly all, and little else."""
    records = list(simulate(5, settings(rides=15_000, anomaly_rate=0.002)))
    x = features(rides(records))
    noise = DBSCAN(eps=0.4, min_samples=25).fit(x / x.std(0)).labels_ == -1
    truth = np.array([r.anomaly is not None for r in records])
    assert noise[truth].mean() > 0.95
    assert noise[~truth].mean() < 0.01
    for kind in ANOMALY_KINDS:
        here = np.array([r.anomaly == kind for r in records])
        assert noise[here].mean() > 0.8, kind


@pytest.mark.parametrize(
    "change",
    [
        {"anomaly_rate": 1.1},
        {"late_rate": -0.1},
        {"anomaly_rate": 0.6, "malformed_rate": 0.6},
        {"rides": -1},
        {"rides_per_day": 0},
        {"rides_per_day": float("nan")},
        {"late_s": (10, 5)},
        {"disorder_s": -1},
        {"start": datetime(2024, 1, 1)},
    ],
)
def test_settings_that_make_no_sense_are_named(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        settings(**change)


def test_it_looks_like_the_real_rides(plain: list[Ride]) -> None:
    path = DATA / "rides/green_tripdata_2022-01.parquet"
    if not path.exists():
        pytest.skip(f"no real rides at {path}")
    tables = [pd.read_parquet(DATA / f"rides/green_tripdata_{m}.parquet") for m in MONTHS]
    real = pd.concat(tables, ignore_index=True)
    pickup, dropoff = real["lpep_pickup_datetime"], real["lpep_dropoff_datetime"]
    real_km = real["trip_distance"].to_numpy() * 1.609344
    real_s = (dropoff - pickup).dt.total_seconds().to_numpy()
    km = np.array([ride.distance_km for ride in plain])
    s = np.array([ride.duration_s for ride in plain])
    for q in (0.1, 0.25, 0.5, 0.75, 0.9, 0.95):
        assert np.quantile(km, q) == pytest.approx(np.quantile(real_km, q), rel=0.12), q
        assert np.quantile(s, q) == pytest.approx(np.quantile(real_s, q), rel=0.12), q
    assert np.mean(km == 0) == pytest.approx(np.mean(real_km == 0), abs=0.01)
    assert correlation(km, s) == pytest.approx(correlation(real_km, real_s), abs=0.03)
    share = pd.Series([r.pickup_zone for r in plain]).value_counts(normalize=True)
    real_share = real["PULocationID"].value_counts(normalize=True)
    assert share[74] == pytest.approx(real_share[74], abs=0.02)


MONTHS = ("2022-01", "2023-12")


def correlation(km: Any, s: Any) -> float:
    driven = (km >= 0.1) & (km < 100) & (s >= 60) & (s < 10_800)
    return float(np.corrcoef(np.log(km[driven]), np.log(s[driven]))[0, 1])
