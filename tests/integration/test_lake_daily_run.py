"""The daily run by its script, with the real commands, over a small lake."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lake_daily import DAY, daily_lake

SCRIPT = Path(__file__).parents[2] / "deploy" / "lake-daily.sh"


@pytest.fixture(scope="module")
def lake(kafka, tmp_path_factory):
    with daily_lake(kafka, tmp_path_factory.mktemp("daily-lake")) as made:
        yield made


def run(lake, folder):
    done = subprocess.run(
        [SCRIPT, DAY],
        cwd=folder,
        env=lake.environment | {"EDDY": str(Path(sys.executable).parent / "eddy")},
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_day_is_compacted_judged_exported_and_checked(lake, tmp_path):
    assert lake.anomalies > 0
    on_the_day = lambda row: f"{row['occurred_at']:%F}" == DAY  # noqa: E731
    before = list(filter(on_the_day, lake.rows("anomalies_rides")))
    assert len(before) == 2 * lake.anomalies
    run(lake, tmp_path)
    after = list(filter(on_the_day, lake.rows("anomalies_rides")))
    assert len(after) == len({row["anomaly_id"] for row in after}) == lake.anomalies
    assert {row["op"] for row in after} == {"close"}
    assert len(list(filter(on_the_day, lake.rows("anomaly_changes_rides")))) == 2 * lake.anomalies
    assert lake.rows("clustered_rides")
    assert {
        f"exports/json/rides/dt={DAY}/anomalies.jsonl.gz",
        f"exports/json/rides/dt={DAY}/summary.json",
        f"exports/json/rides/dt={DAY}/manifest.json",
    } < lake.objects()
    assert [one for one in lake.objects() if f"/anomalies_rides/dt={DAY}/" in one]
