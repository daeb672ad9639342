"""The daily job: what the stream said, from what the stream kept."""

from datetime import UTC, datetime

import msgspec
import pytest

from eddy.app import wiring
from eddy.lake.tables import clusters
from eddy.models.artefact import encode_parameters
from eddy.models.domains.rides.default import DEFAULT_PARAMETERS, default_model
from eddy.models.domains.rides.domain import DOMAIN as RIDES
from eddy.models.domains.rides.policy import RidesPolicy
from eddy.models.judge import Model
from eddy.models.registry.manifest import Training
from eddy.schemas.anomalies import Anomaly
from eddy.schemas.errors import MissingResource
from tests.support.lake_jobs import JobWorld, Streamed, job_world, keep, of_day, streamed

DAYS = ("2024-03-01", "2024-03-02", "2024-03-03")
TABLE = clusters("rides")


def of_the_stream(world: JobWorld, rides: int = 2_000, **options) -> Streamed:
    """Rides as judged under the world's own settings; many are late, up to 28 hours."""
    config_hash = wiring.config_hash(world.settings, RIDES)
    rates = {"anomaly_rate": 0.01, "late_rate": 0.02, "late_s": (600.0, 100_000.0), **options}
    return streamed(1, rides, config_hash=config_hash, **rates)


def on(day: str, anomaly: Anomaly) -> bool:
    return anomaly.occurred_at.date().isoformat() == day


@pytest.fixture(scope="module")
def ran(object_store, tmp_path_factory) -> tuple[JobWorld, Streamed]:
    """A lake with some days of history over which the job ran once."""
    folder = tmp_path_factory.mktemp("lake")
    world = job_world(object_store.lake(folder), folder)
    said = of_the_stream(world)
    keep(world.config, said.rows, files=2)
    world.run(*DAYS)
    return world, said


@pytest.fixture
def world(lake_config, tmp_path) -> JobWorld:
    return job_world(lake_config, tmp_path)


def test_the_job_says_what_the_stream_said_to_the_last_bit(ran) -> None:
    world, said = ran
    for day in DAYS:
        summary, found = world.published(day)
        rows = of_day(said.rows, day)
        assert len(rows) > 300
        assert summary.rides == summary.compared.equal == len(rows)
        assert summary.warming == sum(row["verdict"] == "warming" for row in rows)
        assert summary.short_of_history == 0
        by_stream = {
            one.anomaly_id: one for one in said.anomalies if str(one.occurred_at.date()) == day
        }
        assert {one.anomaly_id for one in found} == by_stream.keys()
        assert summary.anomalies == len(found) > 5
        for one in found:
            fields = {name: getattr(one, name) for name in Anomaly.__struct_fields__}
            fields["detected_at"] = by_stream[one.anomaly_id].detected_at
            assert Anomaly(**fields) == by_stream[one.anomaly_id]
            assert (one.streamed_score, one.streamed_verdict) == (one.score, "anomaly")


def test_table_and_files_hold_the_same(ran) -> None:
    world, _ = ran
    published = [one for day in DAYS for one in world.published(day)[1]]
    rows = world.table(TABLE)
    assert [row["anomaly_id"] for row in rows] == [one.anomaly_id for one in published]
    for row, one in zip(rows, published, strict=True):
        assert (row["score"], row["occurred_at"]) == (one.score, one.occurred_at)
        assert row["actual"] == one.actual
        assert row["reasons"][0]["contribution"] == one.reasons[0].contribution
        assert row["detected_at"] == one.detected_at > one.occurred_at


def test_the_same_day_again_writes_nothing(ran) -> None:
    world, _ = ran
    before = world.snapshots(TABLE)
    again = world.run(DAYS[1])[0]
    assert (again.table, again.files) == ("kept", "kept")
    assert world.snapshots(TABLE) == before


def test_a_day_without_rides_is_a_result(ran) -> None:
    world, _ = ran
    done = world.run("2023-01-01")[0]
    assert (done.summary.rides, done.summary.anomalies, done.files) == (0, 0, "written")
    assert world.published("2023-01-01") == (done.summary, [])


def test_a_lake_without_tables_says_what_to_do(lake_config, tmp_path) -> None:
    with pytest.raises(MissingResource, match="eddy lake create"):
        JobWorld(lake_config, job_world_settings(lake_config, tmp_path)).run("2024-03-01")


def job_world_settings(config, folder):
    from eddy.app.settings import Settings, StorageConfig

    return Settings(lake=config, storage=StorageConfig(registry=str(folder)))


def test_rides_that_come_late_reopen_their_day(world) -> None:
    said = of_the_stream(world, 900)
    day = DAYS[0]
    rows = of_day(said.rows, day)
    flagged = [row for row in rows if row["verdict"] == "anomaly"]
    keep(world.config, [row for row in said.rows if row is not flagged[-1]])
    before = world.run(day)[0].summary
    keep(world.config, [flagged[-1]], files=1)
    done = world.run(day)[0]
    assert (done.table, done.files) == ("written", "written")
    assert done.summary.rides == before.rides + 1
    ids = [row["event"]["event_id"] for row in flagged]
    assert sorted(row["event_id"] for row in world.table(TABLE)) == sorted(ids)


def test_rows_that_were_delivered_twice_count_once(world) -> None:
    said = of_the_stream(world, 900)
    keep(world.config, [*said.rows, *said.rows[100:150]])
    summary = world.run(DAYS[0])[0].summary
    rows = of_day(said.rows, DAYS[0])
    assert summary.compared.equal == summary.rides == len(rows)
    assert summary.duplicates == len(of_day(said.rows[100:150], DAYS[0]))


def test_a_history_that_begins_later_is_said_to_be_short(world) -> None:
    said = of_the_stream(world)
    keep(world.config, [row for row in said.rows if row["source"]["offset"] >= 100])
    done = world.run(DAYS[0], DAYS[2])
    assert done[0].summary.short_of_history > 0
    assert done[0].summary.compared.different > 0
    assert done[1].summary.compared.different == done[1].summary.short_of_history == 0


def test_another_model_is_not_compared(world) -> None:
    parameters = msgspec.structs.replace(DEFAULT_PARAMETERS, eps=1.2)
    ref = msgspec.structs.replace(default_model().ref, version="7", sha256="0" * 64)
    said = of_the_stream(world, 900, model=Model(ref, parameters))
    keep(world.config, said.rows, files=2)
    summary = world.run(DAYS[0])[0].summary
    assert summary.compared.other_model == summary.rides
    assert summary.model == default_model().ref


def test_the_champion_judges(world) -> None:
    parameters = msgspec.structs.replace(DEFAULT_PARAMETERS, eps=1.2)
    registry = wiring.registry(world.settings)
    training = Training(trained_at=datetime(2024, 1, 1, tzinfo=UTC))
    artefact = encode_parameters(parameters)
    version = registry.register("rides", artefact, training=training, metrics={})
    registry.promote("rides", version, by="test")
    model = wiring.champion(world.settings, RIDES)
    said = of_the_stream(world, 900, model=model)
    keep(world.config, said.rows, files=2)
    summary = world.run(DAYS[0])[0].summary
    assert summary.model.sha256 == model.ref.sha256 != default_model().ref.sha256
    assert summary.compared.equal == summary.rides > 0


def test_windows_by_time_are_said_to_be_uncertain(lake_config, tmp_path) -> None:
    policy = RidesPolicy(window_rides=150, min_window=60, window_seconds=20_000.0)
    world = job_world(lake_config, tmp_path, policy)
    said = of_the_stream(world, 900, policy=policy)
    keep(world.config, said.rows, files=2)
    first, second = (done.summary for done in world.run(*DAYS[:2]))
    assert first.short_of_history == 0  # it begins with the stream
    assert first.compared.different == 0
    assert second.short_of_history > 0


def test_rides_from_files_are_judged_as_a_replay_of_the_file_does(world) -> None:
    said = of_the_stream(world, 900, partitions=1)
    rows = [
        {
            **row,
            "score": None,
            "verdict": None,
            "model": None,
            "source": {**row["source"], "topic": "it's a file.parquet"},
        }
        for row in said.rows
    ]
    keep(world.config, rows)
    world.run(DAYS[0])
    summary, found = world.published(DAYS[0])
    assert summary.compared.not_streamed == summary.rides
    streamed_then = [one for one in said.anomalies if on(DAYS[0], one)]
    assert {one.event_id: one.score for one in found} == {
        one.event_id: one.score for one in streamed_then
    }
    assert {one.source.topic for one in found} == {"it's a file.parquet"}
    assert all(one.streamed_score is None for one in found)
