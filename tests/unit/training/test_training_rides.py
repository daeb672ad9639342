"""Training the detector of rides: a radius that fits the window, from rows alone."""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sklearn.cluster import DBSCAN

from eddy.datasets.history.rides import ride_records
from eddy.datasets.simulation.ride_draws import draw_rides
from eddy.models.artefact import decode_parameters, encode_parameters
from eddy.models.domains.rides.default import DEFAULT_PARAMETERS
from eddy.models.domains.rides.features import features
from eddy.models.domains.rides.parameters import DbscanParameters
from eddy.schemas.errors import ConfigError
from eddy.schemas.rides import Ride
from eddy.training.rides import density
from eddy.training.rides.train import RidesTraining, data_sha256, train

DATA = Path(os.environ.get("EDDY_DATA", Path(__file__).parents[4] / "shared/data"))
SMALL: dict[str, Any] = {"window": 2500, "min_samples": 25, "windows": 4, "scaling": "robust"}


def simulated(rows: int, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    hours = np.arange(rows, dtype=np.int64) * 43_000_000
    rides = draw_rides(rng, hours, np.full(rows, -1))
    return np.column_stack([rides["distance_km"], rides["duration_s"]])


def points(values: Any, parameters: DbscanParameters) -> Any:
    return (features(values) - np.array(parameters.center)) @ np.array(parameters.transform).T


@pytest.fixture(scope="module")
def values() -> Any:
    return simulated(10_000)


@pytest.mark.parametrize("scaling", ["whiten", "robust"])
def test_the_same_rows_give_the_same_artefact(values: Any, scaling: str) -> None:
    settings = RidesTraining(**{**SMALL, "scaling": scaling})
    first, second = (train(values[:3000], settings) for _ in range(2))
    assert encode_parameters(first[0]) == encode_parameters(second[0])
    assert first[1] == second[1]


def test_the_artefact_comes_back_whole(values: Any) -> None:
    parameters, _ = train(values, RidesTraining(**SMALL))
    assert decode_parameters(encode_parameters(parameters), DbscanParameters) == parameters
    assert parameters.min_samples == 25


def test_the_rate_promised_is_what_dbscan_finds(values: Any) -> None:
    parameters, metrics = train(values[:2500], RidesTraining(**SMALL))
    clusters = DBSCAN(eps=parameters.eps, min_samples=25).fit(points(values[:2500], parameters))
    assert metrics["expected_alert_rate"] == np.mean(clusters.labels_ == -1)


def test_the_rate_holds_for_rides_not_seen(values: Any) -> None:
    parameters, metrics = train(values, RidesTraining(**SMALL))
    later = points(simulated(2500, seed=2), parameters)
    noise = density.noise_share(later, density.kth_distances(later, 25), parameters.eps)
    assert noise == pytest.approx(metrics["expected_alert_rate"], abs=0.006)


def test_more_sensitive_finds_more(values: Any) -> None:
    dial = [0.05, 0.3, 0.5, 0.7, 0.95]
    results = [train(values, RidesTraining(sensitivity=s, **SMALL)) for s in dial]
    radii = [parameters.eps for parameters, _ in results]
    rates = [metrics["expected_alert_rate"] for _, metrics in results]
    assert radii == sorted(radii, reverse=True)
    assert rates == sorted(rates)
    assert len(set(radii)) == len(dial)
    assert rates[-1] > 3 * rates[2] > 3 * rates[0]


def test_a_fuller_window_is_denser(values: Any) -> None:
    radii = [train(values, RidesTraining(**{**SMALL, "window": w}))[0].eps for w in (1250, 10_000)]
    assert radii[0] > 1.5 * radii[1]


def test_half_a_window_of_rows_gives_about_the_same_radius(values: Any) -> None:
    settings = RidesTraining(window=10_000, min_samples=100, scaling="robust")
    half, whole = train(values[:5000], settings), train(values, settings)
    assert half[0].eps == pytest.approx(whole[0].eps, rel=0.2)
    assert half[0].min_samples == 100


def test_two_in_a_hundred_make_a_neighbourhood_dense(values: Any) -> None:
    assert train(values[:3000], RidesTraining(window=2500))[0].min_samples == 50
    assert RidesTraining(window=100).neighbours == 10
    assert RidesTraining(window=2500).fewest_rows == 500


def test_the_metrics_tell_how_sure_it_is(values: Any) -> None:
    _, metrics = train(values, RidesTraining(**SMALL))
    assert metrics["rows"] == 10_000
    assert metrics["windows"] == 4
    assert metrics["knee_share"] == 1
    assert metrics["eps_least"] <= metrics["eps"] <= metrics["eps_most"]
    assert metrics["alert_rate_least"] <= metrics["expected_alert_rate"]
    assert metrics["expected_alert_rate"] <= metrics["alert_rate_most"]
    assert all(np.isfinite(value) for value in metrics.values())


def test_without_a_knee_a_quantile_stands_in(values: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("eddy.training.rides.train.knee", lambda _: None)
    parameters, metrics = train(values[:2500], RidesTraining(**SMALL))
    distances = density.kth_distances(points(values[:2500], parameters), 25)
    assert metrics["knee_share"] == 0
    assert parameters.eps == np.quantile(distances, 1 - density.LEFT_OUT)


def test_the_knee_lies_where_the_curve_turns() -> None:
    curve = np.concatenate([np.linspace(0.1, 0.2, 900), np.linspace(0.2, 5, 100)])
    distance = density.knee(np.random.default_rng(0).permutation(curve))
    assert distance == pytest.approx(0.2, abs=0.1)


@pytest.mark.parametrize("curve", [np.ones(100), np.zeros(100), np.ones(1)])
def test_a_flat_curve_has_no_knee(curve: Any) -> None:
    assert density.knee(curve) is None


def test_noise_is_what_scikit_learn_calls_noise() -> None:
    cloud = np.random.default_rng(0).standard_t(2, (2000, 2))
    distances = density.kth_distances(cloud, 10)
    for eps in (1e-9, 0.05, 0.2, 0.5, 1e9):
        expected = np.mean(DBSCAN(eps=eps, min_samples=10).fit(cloud).labels_ == -1)
        assert density.noise_share(cloud, distances, eps) == expected


def test_runs_cover_the_rows_and_do_not_repeat_themselves() -> None:
    assert density.slices(10, 20, 5) == [slice(0, 10)]
    assert density.slices(100, 10, 3) == [slice(0, 10), slice(45, 55), slice(90, 100)]
    assert len(density.slices(101, 100, 8)) == 2


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (np.zeros((6000, 2)), "all rows are the same"),
        (simulated(100), "at least 1000 rows"),
        (np.empty((0, 2)), "0 rows are too few"),
        (np.ones((6000, 3)), "expected rows of"),
        (np.ones(6000), "expected rows of"),
        (np.where(np.arange(12_000).reshape(-1, 2) == 7, np.nan, 1.0), "1 of 6000 rows"),
        (np.where(np.arange(12_000).reshape(-1, 2) == 7, np.inf, 1.0), "1 of 6000 rows"),
    ],
)
def test_rows_that_teach_nothing_are_refused(rows: Any, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        train(rows, RidesTraining(**SMALL))


def test_rides_that_are_nearly_all_alike_are_refused() -> None:
    rows = np.ones((6000, 2))
    rows[::200] = simulated(30)
    with pytest.raises(ConfigError, match="vary|varied"):
        train(rows, RidesTraining(**SMALL))


def test_a_few_rides_over_and_over_are_refused() -> None:
    rows = np.resize([[1.0, 300.0], [5.0, 1000.0], [9.0, 900.0]], (6000, 2))
    with pytest.raises(ConfigError, match="just like them"):
        train(rows, RidesTraining(**SMALL))


@pytest.mark.parametrize(
    "change",
    [
        {"sensitivity": 0.0},
        {"sensitivity": 1.0},
        {"sensitivity": float("nan")},
        {"min_samples": 1},
        {"window": 100, "min_samples": 100},
        {"window": 10},
        {"windows": 0},
    ],
)
def test_settings_that_make_no_sense_are_named(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        RidesTraining(**change)


def test_an_unknown_scaling_is_named(values: Any) -> None:
    with pytest.raises(ConfigError, match="magic"):
        train(values, RidesTraining(**{**SMALL, "scaling": "magic"}))


def test_without_kneed_the_extra_is_named(values: Any, monkeypatch: Any) -> None:
    monkeypatch.setitem(sys.modules, "kneed", None)
    with pytest.raises(ConfigError, match=r"eddy-stream\[train\]"):
        train(values, RidesTraining(**SMALL))


def test_data_are_known_by_their_content(values: Any) -> None:
    assert data_sha256(values) == data_sha256(np.asfortranarray(values))
    assert data_sha256(values) != data_sha256(values[::-1])


def real(month: str) -> Any:
    path = DATA / f"rides/green_tripdata_{month}.parquet"
    if not path.exists():
        pytest.skip(f"no real rides at {path}")
    decode = msgspec.json.Decoder(Ride).decode
    rides = [decode(record) for chunk in ride_records(path) for record in chunk]
    return np.array([(ride.distance_km, ride.duration_s) for ride in rides])


def test_two_years_later_the_radius_still_holds() -> None:
    settings = RidesTraining(window=5000)
    parameters, metrics = train(real("2022-01"), settings)
    assert metrics["knee_share"] == 1
    assert metrics["eps_spread"] < 0.4
    assert 0.004 < metrics["expected_alert_rate"] < 0.02
    later = points(real("2023-12"), parameters)[:60_000].reshape(12, 5000, 2)
    noise = [
        density.noise_share(run, density.kth_distances(run, 100), parameters.eps) for run in later
    ]
    assert np.mean(noise) == pytest.approx(metrics["expected_alert_rate"], abs=0.01)


def test_the_default_model_is_what_training_makes_of_real_rides():
    trained, _ = train(real("2022-01"), RidesTraining())
    assert trained.min_samples == DEFAULT_PARAMETERS.min_samples
    np.testing.assert_allclose(trained.eps, DEFAULT_PARAMETERS.eps, rtol=1e-6)
    np.testing.assert_allclose(trained.center, DEFAULT_PARAMETERS.center, rtol=1e-6)
    np.testing.assert_allclose(trained.transform, DEFAULT_PARAMETERS.transform, rtol=1e-6)
