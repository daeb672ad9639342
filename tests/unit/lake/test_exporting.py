"""Days of a table as files: every row, every column, whole or not at all."""

import csv
import gzip
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from eddy.app.lake.export import chosen_tables, exported
from eddy.lake.days import Day
from eddy.lake.exporting import chosen_format
from eddy.lake.store import Folder, filesystem
from eddy.schemas.errors import ConfigError, MissingResource
from tests.support.lake_jobs import JobWorld, job_world, keep, streamed

ROWS = 1_200
DAYS = [Day.of("2024-03-01"), Day.of("2024-03-02")]


@pytest.fixture(scope="module")
def world(object_store, tmp_path_factory) -> JobWorld:
    folder = tmp_path_factory.mktemp("lake")
    world = job_world(object_store.lake(folder), folder)
    keep(world.config, streamed(3, ROWS).rows, files=1)
    world.run(*map(str, DAYS))
    return world


@pytest.fixture(scope="module")
def kept() -> list[dict[str, Any]]:
    return [row for row in streamed(3, ROWS).rows if row["occurred_at"] < DAYS[-1].end]


def one(world, table, format_, output):
    specs = chosen_tables(world.settings, table)
    return next(exported(world.settings, specs, DAYS, format_, str(output)))


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_json_lines_hold_every_row(world, kept, tmp_path, name) -> None:
    done = one(world, "history_rides", "json", tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert done.bytes == len(content)
    text = gzip.decompress(content) if name.endswith(".gz") else content
    rows = [json.loads(line) for line in text.splitlines()]
    assert done.rows == len(rows) == len(kept)
    assert {row["event"]["event_id"] for row in rows} == {row["event"]["event_id"] for row in kept}
    assert rows[0]["occurred_at"].endswith("Z")
    assert [row["occurred_at"] for row in rows] == sorted(row["occurred_at"] for row in rows)


def test_csv_has_nested_columns_as_json(world, tmp_path) -> None:
    done = one(world, "clustered_rides", "csv", tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert done.rows == len(rows) > 0
    assert json.loads(rows[0]["actual"]).keys() == {"distance_km", "duration_s"}
    assert json.loads(rows[0]["reasons"])[0]["feature"] == "distance_km"
    assert json.loads(rows[0]["source"])["topic"] == "events.rides"
    assert rows[0]["detected_at"] == "2024-03-02T00:00:00Z"
    assert float(rows[0]["score"]) > 1.0
    assert rows[0]["window_start"] == ""


def test_parquet_keeps_the_types(world, kept, tmp_path) -> None:
    done = one(world, "history_rides", "parquet", tmp_path / "x.parquet")
    table = pq.read_table(tmp_path / "x.parquet")
    assert done.rows == table.num_rows == len(kept)
    scores = {(row["source"]["partition"], row["source"]["offset"]): row["score"] for row in kept}
    for source, score in zip(table["source"].to_pylist(), table["score"].to_pylist(), strict=True):
        assert scores[source["partition"], source["offset"]] == score


def test_by_default_a_day_is_an_object_in_the_store(world) -> None:
    specs = chosen_tables(world.settings, "clustered_rides")
    done = list(exported(world.settings, specs, DAYS, "json"))
    assert [file.first for file in done] == list(map(str, DAYS))
    bucket = world.config.bucket
    assert done[0].target == (
        f"s3://{bucket}/exports/json/clustered_rides/dt=2024-03-01/clustered_rides.jsonl.gz"
    )
    path, _, name = done[1].target.removeprefix("s3://").rpartition("/")
    content = Folder(filesystem(world.config), path).read(name)
    assert len(gzip.decompress(content).splitlines()) == done[1].rows > 0
    again = list(exported(world.settings, specs, DAYS, "json"))
    assert Folder(filesystem(world.config), path).read(name) == content
    assert again == done


@pytest.mark.parametrize("format_", ["csv", "json", "parquet"])
def test_a_day_without_rows_is_an_empty_file(world, tmp_path, format_) -> None:
    specs = chosen_tables(world.settings, "rejections")
    done = next(exported(world.settings, specs, DAYS, format_, str(tmp_path / "x")))
    assert done.rows == 0
    content = (tmp_path / "x").read_bytes()
    if format_ == "csv":
        assert content.startswith(b'"reason","detail"')
    elif format_ == "json":
        assert content == b""
    else:
        assert pq.read_table(tmp_path / "x").num_rows == 0


def test_what_fails_leaves_the_file_of_before(world, tmp_path) -> None:
    target = tmp_path / "x.csv"
    target.write_text("before")

    def stop(_: int) -> None:
        raise KeyboardInterrupt

    specs = chosen_tables(world.settings, "history_rides")
    with pytest.raises(KeyboardInterrupt):
        list(exported(world.settings, specs, DAYS, "csv", str(target), stop))
    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_targets_and_names_that_are_none_are_refused(world, tmp_path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        one(world, "history_rides", "csv", tmp_path)
    with pytest.raises(MissingResource, match="No such file"):
        one(world, "history_rides", "csv", tmp_path / "no" / "x.csv")
    with pytest.raises(ConfigError, match="s3://BUCKET/KEY"):
        one(world, "history_rides", "csv", "s3://bucket")
    with pytest.raises(ConfigError, match="history_rides"):
        chosen_tables(world.settings, "history_ride")
    with pytest.raises(ConfigError, match="one of csv"):
        chosen_format("xml")
    specs = [*chosen_tables(world.settings, None), *chosen_tables(world.settings, "rejections")]
    with pytest.raises(ConfigError, match="one table"):
        next(exported(world.settings, specs, DAYS, "csv", "x"))
