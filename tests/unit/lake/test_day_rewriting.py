"""A day replaced in one commit, also by two at once."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from eddy.lake import day_rewriting
from eddy.lake.catalog import create, open_catalog
from eddy.lake.day_rewriting import rewrite_day
from eddy.lake.days import Day
from eddy.lake.tables import clusters
from eddy.schemas.anomalies import Entity, ModelRef, Source
from eddy.schemas.clustered import Clustered
from eddy.schemas.errors import MissingResource, Unavailable
from tests.support.lake_jobs import JobWorld

DAY = Day.of("2024-03-01")
TABLE = clusters("rides")


def anomalies(count: int, score: float = 1.5, day: Day = DAY) -> list[Clustered]:
    return [
        Clustered(
            anomaly_id=f"{day}-{n:03d}", domain="rides", detector="windowed_dbscan",
            entity=Entity("ride", f"r{n}"), occurred_at=day.begin + timedelta(seconds=n),
            detected_at=day.end, score=score, severity="info", confidence=1.0,
            actual={"distance_km": 1.0}, labels=["late"],
            model=ModelRef("rides", "1", "0", datetime(2024, 1, 1, tzinfo=UTC)),
            config_hash="abc", source=Source("events.rides", 0, n),
        )
        for n in range(count)
    ]  # fmt: skip


@pytest.fixture
def world(lake_config) -> JobWorld:
    create(lake_config, [TABLE])
    return JobWorld(lake_config, None)


def rewrite(world: JobWorld, records: list[Clustered], day: Day = DAY) -> str:
    return rewrite_day(open_catalog(world.config), world.config, TABLE, day, records)


def scores(world: JobWorld) -> list[tuple[str, float]]:
    return [(row["anomaly_id"], row["score"]) for row in world.table(TABLE)]


def test_rows_come_back_as_they_were_said(world) -> None:
    said = anomalies(3)
    assert rewrite(world, said) == "written"
    for row, one in zip(world.table(TABLE), said, strict=True):
        plain = msgspec.to_builtins(one, builtin_types=(datetime,))
        assert {name: row[name] for name in plain} == plain


def test_a_day_is_replaced_and_the_others_stay(world) -> None:
    other = DAY.next()
    rewrite(world, anomalies(3))
    rewrite(world, anomalies(2, day=other), other)
    assert rewrite(world, anomalies(1, score=9.0)) == "written"
    assert scores(world) == [
        ("2024-03-01-000", 9.0),
        ("2024-03-02-000", 1.5),
        ("2024-03-02-001", 1.5),
    ]
    assert rewrite(world, []) == "written"
    assert len(scores(world)) == 2


def test_the_same_again_is_no_commit(world) -> None:
    rewrite(world, anomalies(3))
    before = world.snapshots(TABLE)
    assert rewrite(world, anomalies(3)) == "kept"
    assert rewrite(world, [], DAY.next()) == "kept"
    assert world.snapshots(TABLE) == before


def test_of_two_at_once_one_wins_and_nothing_is_there_twice(world) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda score: rewrite(world, anomalies(4, score)), (2.0, 3.0, 4.0)))
    found = scores(world)
    assert [name for name, _ in found] == [one.anomaly_id for one in anomalies(4)]
    assert len({score for _, score in found}) == 1


def test_a_commit_in_between_is_seen(world, monkeypatch) -> None:
    rewrite(world, anomalies(2))
    load, late = day_rewriting.catalogs.load, [anomalies(5, 7.0)]

    def load_then_lose(*arguments):
        table = load(*arguments)
        if late:
            records = late.pop()
            rewrite(world, records)
        return table

    monkeypatch.setattr(day_rewriting.catalogs, "load", load_then_lose)
    catalog, naps = open_catalog(world.config), []
    done = rewrite_day(catalog, world.config, TABLE, DAY, anomalies(3), sleep=naps.append)
    assert (done, len(naps)) == ("written", 1)
    monkeypatch.undo()
    assert scores(world) == [(one.anomaly_id, 1.5) for one in anomalies(3)]


def test_a_day_that_others_never_leave_alone_is_unavailable(world, monkeypatch) -> None:
    load, rewriting = day_rewriting.catalogs.load, []

    def load_then_lose(*arguments):
        table = load(*arguments)
        if not rewriting:
            rewriting.append(True)
            rewrite(world, anomalies(1, score=world.snapshots(TABLE) + 2.0))
            rewriting.clear()
        return table

    rewrite(world, anomalies(2))
    monkeypatch.setattr(day_rewriting, "_ATTEMPTS", 2)
    monkeypatch.setattr(day_rewriting.catalogs, "load", load_then_lose)
    with pytest.raises(Unavailable, match="written by others"):
        rewrite_day(
            open_catalog(world.config), world.config, TABLE, DAY, anomalies(3), sleep=lambda _: None
        )


def test_no_table_says_what_to_do(world) -> None:
    elsewhere = JobWorld(replace(world.config, namespace="elsewhere"), None)
    with pytest.raises(MissingResource, match="eddy lake create"):
        rewrite(elsewhere, [])
