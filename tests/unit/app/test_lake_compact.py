"""`eddy lake compact`, on an S3 server: files, summary, metrics, and what it refuses."""

import gzip
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eddy.app.lake.compaction import chosen_tables
from eddy.lake import catalog as catalogs
from eddy.lake.config import LakeConfig
from eddy.lake.store import filesystem
from eddy.lake.tables import anomalies, changes
from eddy.schemas.errors import ConfigError, MissingResource
from tests.support.commands import Result, invoke
from tests.support.lake_rows import FIRST_DAY, OFFSETS, LakeTable, said

TABLES = ("--table", "anomalies_rides", "--table", "anomaly_changes_rides")
Run = Callable[..., Result]


@pytest.fixture
def tables(lake_config: LakeConfig, tmp_path: Path) -> dict[str, LakeTable]:
    specs = [anomalies("rides"), changes("rides")]
    catalogs.create(lake_config, specs)
    catalog = catalogs.open_catalog(lake_config)
    return {
        spec.kind: LakeTable(
            spec, lambda spec=spec: catalogs.load(catalog, lake_config, spec), tmp_path
        )
        for spec in specs
    }


@pytest.fixture
def run(lake_config: LakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    for name, value in asdict(lake_config).items():
        monkeypatch.setenv(f"EDDY_LAKE__{name.upper()}", str(value))
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> Result:
        return invoke("lake", "compact", *arguments, catch_exceptions=True)

    return call


def summary(result: Result) -> dict[str, Any]:
    assert result.exception is None, result.output
    told: dict[str, Any] = msgspec.json.decode(result.stdout)
    return told


def test_a_day_of_two_tables(
    tables: dict[str, LakeTable], run: Run, tmp_path: Path, lake_config: LakeConfig
) -> None:
    for table in tables.values():
        table.append(said("a", 0, 0), said("b", 0, 1), **{OFFSETS: "{0: 2}"})
        table.append(said("a", 0, 2, "close"), said("a", 0, 0))
    model = {"name": "rides", "version": "1", "sha256": "f" * 64}
    source = {"topic": "events.rides", "partition": 0, "offset": 9}
    line = said("z", 0, None, actual={}, reasons=[], model=model, source=source)
    lines = gzip.compress(msgspec.json.encode(line) + b"\nno line\n")
    store = lake_config.warehouse.removeprefix("s3://").partition("/")[0]
    name = f"{store}/jsonl/anomalies.rides+0+9.json.gz"
    with filesystem(lake_config).open_output_stream(name, compression=None) as file:
        file.write(lines)
    metrics = tmp_path / "compaction.prom"
    arguments = ("--date", str(FIRST_DAY), *TABLES, "--json")
    asked = (*arguments, "--from-jsonl", f"s3://{store}/jsonl", "--metrics-file", str(metrics))
    done = summary(run(*asked))
    days = {day["table"]: day for day in done["days"]}
    ended, all_said = days["anomalies_rides"], days["anomaly_changes_rides"]
    counts = ("rows_before", "rows_after", "added", "duplicates", "files_before", "files_after")
    assert [ended[name] for name in counts] == [4, 3, 1, 2, 2, 1]
    assert [all_said[name] for name in counts] == [4, 4, 1, 1, 2, 1]
    assert [one["bad_lines"] for one in done["read"]] == [1, 1]
    assert [one["snapshots_after"] for one in done["swept"]] == [3, 3]
    text = metrics.read_text()
    assert 'eddy_lake_compaction_duplicates{table="anomalies_rides"} 2.0' in text
    assert 'eddy_lake_compaction_files_before{table="anomaly_changes_rides"} 2.0' in text
    assert "eddy_lake_compaction_last_success_timestamp_seconds" in text
    again = summary(run(*asked))
    assert {day["outcome"] for day in again["days"]} == {"settled"}
    assert {table.snapshots() for table in tables.values()} == {3}


def test_a_row_for_people(tables: dict[str, LakeTable], run: Run) -> None:
    tables["anomalies"].append(said("a", 0, 0), said("a", 0, 0))
    result = run("--since", str(FIRST_DAY), *TABLES)
    assert result.exit_code == 0
    assert "compacted" in result.stdout


def test_a_day_that_is_not_over(tables: dict[str, LakeTable], run: Run) -> None:
    today = datetime.now(UTC)
    table = tables["anomalies"]
    table.append(said("a", 0, 0, occurred_at=today), said("a", 0, 0, occurred_at=today))
    assert isinstance(run("--date", str(today.date()), *TABLES).exception, ConfigError)
    result = run("--date", str(today.date()), "--include-today", *TABLES)
    assert result.exit_code == 0
    assert "has to be compacted again" in " ".join(result.stderr.split())
    assert len(table.rows()) == 1


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--date", "2026-11-01", "--table", "rides"), "there are anomalies_rides"),
        (("--date", "2026-11-01", "--expire-older-than", "10m"), "written like 7d or 36h"),
        (("--date", "2026-11-01", "--orphans-older-than", "2h"), "not safe"),
        ((), "give --date"),
    ],
)
def test_what_is_refused(run: Run, arguments: tuple[str, ...], error: str) -> None:
    found = run(*arguments).exception
    assert isinstance(found, ConfigError)
    assert error in str(found)


def test_tables_that_were_not_created(run: Run) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    assert isinstance(run("--date", str(yesterday), *TABLES).exception, MissingResource)


def test_every_table_unless_named() -> None:
    kinds = {spec.kind for spec in chosen_tables(())}
    assert {"anomalies", "changes", "history", "rejections"} <= kinds
    assert [spec.name for spec in chosen_tables(["rejections"])] == ["rejections"]
