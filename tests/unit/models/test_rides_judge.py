"""The judge of rides: what it says of a ride, in the units of rides."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from eddy.models.domains.rides.default import DEFAULT_PARAMETERS, default_model
from eddy.models.domains.rides.domain import DOMAIN as RIDES
from eddy.models.domains.rides.features import NAMES, features, in_units
from eddy.models.domains.rides.parameters import DbscanParameters
from eddy.models.domains.rides.policy import RidesPolicy
from eddy.models.judge import Events, Identity, Model
from eddy.schemas.anomalies import Anomaly, point_id
from eddy.schemas.columns import Columns, Program
from eddy.schemas.errors import ConfigError
from eddy.schemas.rides import Ride

NOW = datetime(2024, 3, 2, tzinfo=UTC)
START = datetime(2024, 3, 1, tzinfo=UTC)
IDENTITY = Identity("events.rides", 2, "abc")
POLICY = RidesPolicy(window_rides=200, min_window=20)
PARAMETERS = DbscanParameters((1.0, 2.0), ((2.0, -0.5), (-0.5, 2.0)), 0.5, 5)
MODEL = Model(default_model().ref, PARAMETERS)


def events(rides: list[tuple[float, float]], first: int = 0, start: datetime = START) -> Events:
    """Rides of so many kilometres and seconds, a second apart."""
    typed = [
        Ride(
            event_id=f"e{first + i}", ride_id=f"r{first + i}", vendor_id=None, pickup_zone=None,
            dropoff_zone=None, occurred_at=start + timedelta(seconds=first + i),
            distance_km=distance, duration_s=duration,
        )
        for i, (distance, duration) in enumerate(rides)
    ]  # fmt: skip
    program = Program.of(Ride)
    columns = Columns.blank(program, len(typed))
    columns.fill(list(range(len(typed))), typed, program)
    offsets = np.arange(first, first + len(typed))
    return Events(offsets, columns.occurred_at, columns.values, columns.keys, typed.__getitem__)


def ordinary(count: int, seed: int = 0) -> list[tuple[float, float]]:
    rng = np.random.default_rng(seed)
    distance = rng.lognormal(1.0, 0.2, count)
    duration = distance * 240 * rng.lognormal(0, 0.1, count)
    return list(zip(distance.tolist(), duration.tolist(), strict=True))


def warm(policy: RidesPolicy = POLICY, model: Model = MODEL) -> Any:
    judge = RIDES.build_judge(policy, model, IDENTITY)
    judge.judge(events(ordinary(100)))
    return judge


def anomaly_of(ride: tuple[float, float], policy: RidesPolicy = POLICY) -> Anomaly:
    verdicts = warm(policy).judge(events([ride], first=100))
    assert verdicts.flagged.tolist() == [0]
    return verdicts.anomalies([0], NOW)[0]


def test_features_are_logs_that_keep_the_sign() -> None:
    values = np.array([[0.0, 0.0], [3.0, 600.0], [-3.0, -600.0]])
    rows = features(values)
    np.testing.assert_allclose(rows[1], np.log([4.0, 11.0]))
    assert (rows[2] == -rows[1]).all()
    assert (rows[0] == 0).all()


def test_units_come_back() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(1_000, 2)) * 10.0 ** rng.integers(-6, 6, (1_000, 2))
    np.testing.assert_allclose(in_units(features(values)), values, rtol=1e-9, atol=1e-12)


def test_an_ordinary_ride_is_not_flagged() -> None:
    verdicts = warm().judge(events([(2.7, 660.0)], first=100))
    assert len(verdicts.flagged) == 0
    assert verdicts.scores[0] <= 1.0
    assert verdicts.anomalies([], NOW) == []


def test_a_short_ride_that_took_hours_says_so() -> None:
    found = anomaly_of((2.7, 30_000.0))
    assert found.anomaly_id == point_id("rides", "windowed_dbscan", "events.rides", 2, 100)
    assert (found.domain, found.event_id, found.entity.id) == ("rides", "e100", "r100")
    assert found.entity.type == "ride"
    assert found.actual == {"distance_km": 2.7, "duration_s": 30_000.0}
    assert found.direction == "above"
    assert found.expected["duration_s"] < 2_000
    by_feature = {reason.feature: reason.contribution for reason in found.reasons}
    assert by_feature["duration_s"] > abs(by_feature["distance_km"])
    assert sum(by_feature.values()) == pytest.approx(found.score, rel=1e-9)
    for name in NAMES:
        assert found.lower[name] <= found.expected[name] <= found.upper[name]
    assert found.detected_at == NOW
    assert found.model == MODEL.ref
    assert found.labels == []


def test_too_little_is_below() -> None:
    assert anomaly_of((2.7, -30_000.0)).direction == "below"
    assert anomaly_of((0.0, 660.0)).direction == "below"


def test_severity_follows_the_policy() -> None:
    score = anomaly_of((2.7, 5_000.0)).score
    for limits, expected in (
        ((score + 1, score + 2), "info"),
        ((score, score + 1), "warning"),
        ((1.0, score), "critical"),
    ):
        policy = msgspec.structs.replace(
            POLICY, warning_score=max(1.0, limits[0]), critical_score=limits[1]
        )
        assert anomaly_of((2.7, 5_000.0), policy).severity == expected


def test_confidence_is_how_full_the_window_is() -> None:
    assert anomaly_of((2.7, 30_000.0)).confidence == 101 / 200
    judge = warm()
    judge.judge(events(ordinary(300, seed=1), first=100))
    verdicts = judge.judge(events([(2.7, 30_000.0)], first=400))
    assert verdicts.anomalies([0], NOW)[0].confidence == 1.0
    assert judge.complete
    assert judge.entities == judge.history == 200


def test_late_rides_are_labelled_and_not_learned_from() -> None:
    judge = warm(RidesPolicy(window_rides=200, min_window=20, window_seconds=3_600.0))
    before = judge.snapshot()
    late = events([(2.7, 30_000.0)], first=100, start=START - timedelta(hours=2))
    verdicts = judge.judge(late)
    assert verdicts.anomalies([0], NOW)[0].labels == ["late"]
    assert judge.snapshot() == before


def test_nothing_is_flagged_while_warming() -> None:
    judge = RIDES.build_judge(POLICY, MODEL, IDENTITY)
    verdicts = judge.judge(events([*ordinary(18), (2.7, 90_000.0)]))
    assert np.isnan(verdicts.scores).all()
    assert len(verdicts.flagged) == 0


def test_anomalies_keep_the_model_that_judged() -> None:
    judge = warm()
    verdicts = judge.judge(events([(2.7, 30_000.0)], first=100))
    before = verdicts.anomalies([0], NOW)
    ref = msgspec.structs.replace(MODEL.ref, version="next")
    judge.set_model(Model(ref, msgspec.structs.replace(PARAMETERS, eps=0.9)))
    assert verdicts.anomalies([0], NOW) == before
    later = judge.judge(events([(2.7, 30_000.0)], first=101)).anomalies([0], NOW)[0]
    assert later.model.version == "next"
    assert later.score < before[0].score


def test_a_snapshot_of_another_judge_is_refused() -> None:
    judge = warm()
    small = RIDES.build_judge(RidesPolicy(window_rides=50, min_window=10), MODEL, IDENTITY)
    for state in (judge.snapshot(), b"", b"\x81"):
        with pytest.raises(ValueError, match=r"."):
            small.restore(state)


def test_a_judge_elsewhere_gives_other_ids() -> None:
    found = set()
    for identity in (IDENTITY, replace(IDENTITY, partition=3), replace(IDENTITY, topic="other")):
        judge = RIDES.build_judge(POLICY, MODEL, identity)
        judge.judge(events(ordinary(100)))
        verdicts = judge.judge(events([(2.7, 30_000.0)], first=100))
        found.add(verdicts.anomalies([0], NOW)[0].anomaly_id)
    assert len(found) == 3


@pytest.mark.parametrize(
    "settings",
    [
        {"window_rides": 5},
        {"min_window": 0},
        {"window_rides": 100, "min_window": 101},
        {"window_seconds": 0.0},
        {"warning_score": 0.5},
        {"warning_score": 4.0, "critical_score": 3.0},
        {"window": 5},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(settings, RidesPolicy)


def test_a_transform_without_an_inverse_is_refused() -> None:
    with pytest.raises(ConfigError, match="no inverse"):
        DbscanParameters((0.0, 0.0), ((1.0, 2.0), (2.0, 4.0)), 0.5, 5)


def test_the_default_model_is_the_same_everywhere() -> None:
    assert default_model() == default_model()
    assert default_model().parameters == DEFAULT_PARAMETERS
    assert len(default_model().ref.sha256) == 64
