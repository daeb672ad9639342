import msgspec
import numpy as np
import pytest

from bench import rides
from bench.listener import probe_ns
from bench.load import PROBE
from eddy.schemas.rides import Ride


def test_simulated_rides_stand_in_for_missing_files(tmp_path, monkeypatch):
    monkeypatch.setattr(rides, "SIMULATED_RIDES", 100)
    made = rides.templates(tmp_path)
    assert len(made) == 100
    decoded = [msgspec.json.decode(made[n].numbered(n), type=Ride) for n in range(100)]
    assert decoded[7].event_id == "ride-000000007"


@pytest.mark.skipif(not rides.DATA.is_dir(), reason="no real rides at ../shared/data")
def test_real_rides_are_rides():
    made = rides.templates()
    lengths = [len(ride.numbered(0)) for ride in made[::100]]
    assert 200 < np.mean(lengths) < 280
    for ride in made[::1000]:
        msgspec.json.decode(ride.numbered(1), type=Ride)


def test_far_out_rides_are_valid_and_tell_when_they_were_sent():
    payload = rides.far_out(np.random.default_rng(0), f"{PROBE}1234-5")
    ride = msgspec.json.decode(payload, type=Ride)
    assert ride.distance_km > 1000
    assert probe_ns(payload) == 1234


def test_other_anomalies_tell_nothing():
    assert probe_ns(b'{"event_id":"ride-000000001"}') is None


def test_far_out_rides_are_too_scattered_to_become_ordinary():
    rng = np.random.default_rng(0)
    made = [msgspec.json.decode(rides.far_out(rng, "x"), type=Ride) for _ in range(1500)]
    at = np.log1p([[r.distance_km, r.duration_s] for r in made]) / [0.7, 0.8]
    gaps = np.linalg.norm(at[:, None] - at[None, :], axis=2)
    assert (gaps <= 0.2).sum(axis=1).max() < 20
