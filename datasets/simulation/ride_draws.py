"""Drawing rides by the thousand: arrays in, arrays out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.datasets.simulation import ride_statistics as real
from eddy.models.arrays import Floats, Ints

HOUR_US = 3_600_000_000
KM_PER_MILE = 1.609344
_WEEK_HOURS = 168

# (least, most) kilometres and seconds of each kind, drawn evenly in their logarithms; None leaves
# the ride's own. Wide, so that a few a thousand rides do not make a cluster of their own.
ANOMALIES: dict[str, tuple[tuple[float, float] | None, tuple[float, float] | None]] = {
    "meter_left_running": ((0.3, 8.0), (6 * 3600, 23.9 * 3600)),
    "teleport": ((60.0, 900.0), (2, 60)),
    "stuck_gps": ((0.0, 0.0), (3 * 3600, 20 * 3600)),
    "absurd_distance": ((2_000.0, 300_000.0), None),
    "negative_duration": (None, (-7200, -60)),
}
ANOMALY_KINDS = tuple(ANOMALIES)


def draw_rides(
    rng: np.random.Generator, occurred_us: Ints, anomaly: Ints
) -> dict[str, NDArray[Any]]:
    """Draw one ride for each time.

    Parameters
    ----------
    rng : numpy.random.Generator
    occurred_us : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC; the hour of the day sets the speed.
    anomaly : ndarray of int64, shape (n,)
        Position in `ANOMALY_KINDS`, or -1.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        By field of `eddy.schemas.rides.Ride`. The fare stays that of the undistorted ride.
    """
    n = len(occurred_us)
    km = np.exp(_from_quantiles(rng, n, np.log(real.DISTANCE_KM)))
    hour = occurred_us // HOUR_US % 24
    speed = real.HOUR_EFFECT[hour] + _from_quantiles(rng, n, real.RESIDUAL)
    seconds = np.exp(real.INTERCEPT + real.SLOPE * np.log(km) + speed)
    fare = _fare(km, seconds, rng.uniform(*real.SLOW_SHARE, n))
    unmeasured = rng.random(n) < real.UNMEASURED_SHARE
    km = np.where(unmeasured, 0.0, km)
    seconds = np.where(unmeasured, _from_quantiles(rng, n, real.UNMEASURED_S), seconds)
    pickup, dropoff = _draw_zones(rng, km)
    km, seconds = _distort(rng, km, seconds, anomaly)
    return {
        "vendor_id": _draw(rng, n, real.VENDOR_SHARE),
        "pickup_zone": pickup,
        "dropoff_zone": dropoff,
        "distance_km": np.round(km, 3),
        "duration_s": np.rint(seconds),
        "fare": np.round(fare, 1),
        "passengers": _draw(rng, n, real.PASSENGER_SHARE),
    }


def busy_hours(clock: Floats) -> Floats:
    """Return hours since a Monday, measured so that every hour has the same number of rides."""
    week, hour = np.divmod(clock, _WEEK_HOURS)
    return np.asarray(week * _WEEK_HOURS + np.interp(hour, np.arange(_WEEK_HOURS + 1.0), _BUSY))


def clock_hours(busy: Floats) -> Floats:
    """Return hours on the clock since a Monday; undoes `busy_hours`."""
    week, hour = np.divmod(busy, _WEEK_HOURS)
    return np.asarray(week * _WEEK_HOURS + np.interp(hour, _BUSY, np.arange(_WEEK_HOURS + 1.0)))


def _week() -> Floats:
    rates = np.concatenate([*[real.WORKDAY_HOURS] * 5, *[real.WEEKEND_HOURS] * 2])
    return np.concatenate([[0.0], np.cumsum(rates * _WEEK_HOURS / rates.sum())])


_BUSY = _week()


def _from_quantiles(rng: np.random.Generator, n: int, quantiles: Floats) -> Floats:
    return np.asarray(np.interp(rng.random(n), real.PROBABILITIES, quantiles))


def _draw(rng: np.random.Generator, n: int, shares: Mapping[Any, float]) -> NDArray[Any]:
    values = np.array(list(shares), dtype=object)
    weights = np.cumsum(list(shares.values()))
    return np.asarray(values[np.searchsorted(weights, rng.random(n) * weights[-1], "right")])


def _draw_zones(rng: np.random.Generator, km: Floats) -> tuple[NDArray[Any], NDArray[Any]]:
    n = len(km)
    pickup = _draw(rng, n, _all_zones(real.PICKUP_SHARE))
    dropoff = _draw(rng, n, _all_zones(real.DROPOFF_SHARE))
    stays = real.SAME_ZONE_SHARE[np.searchsorted(real.SAME_ZONE_KM, km, "right")]
    return pickup, np.where(rng.random(n) < stays, pickup, dropoff)


def _all_zones(busiest: Mapping[int, float]) -> dict[int, float]:
    rest = (1 - sum(busiest.values())) / (real.ZONES - len(busiest))
    return {zone: busiest.get(zone, rest) for zone in range(1, real.ZONES + 1)}


def _fare(km: Floats, seconds: Floats, slow: Floats) -> Floats:
    by_distance, by_time = real.UNITS_PER_MILE * km / KM_PER_MILE, seconds / 60
    units = np.maximum(by_distance, by_time) + slow * np.minimum(by_distance, by_time)
    return np.asarray(real.FLAG_FARE + real.UNIT_FARE * units)


def _distort(
    rng: np.random.Generator, km: Floats, seconds: Floats, anomaly: Ints
) -> tuple[Floats, Floats]:
    u, v = rng.random((2, len(km)))
    for code, (km_range, s_range) in enumerate(ANOMALIES.values()):
        km = _replace(km, anomaly == code, km_range, u)
        seconds = _replace(seconds, anomaly == code, s_range, v)
    return km, seconds


def _replace(
    values: Floats, here: NDArray[np.bool_], bounds: tuple[float, float] | None, u: Floats
) -> Floats:
    if bounds is None:
        return values
    low, high = np.sign(bounds) * np.log1p(np.abs(bounds))
    drawn = low + u * (high - low)
    return np.where(here, np.sign(drawn) * np.expm1(np.abs(drawn)), values)
