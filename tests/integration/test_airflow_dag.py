"""The daily run in Airflow itself, where `make airflow-test` has installed it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lake_daily import DAY, NEXT_DAY, daily_lake

ROOT = Path(__file__).parents[2]
AIRFLOW = ROOT / ".venv-airflow" / "bin" / "airflow"
EDDY = Path(sys.executable).parent / "eddy"

pytestmark = [
    pytest.mark.skipif(
        not AIRFLOW.exists(), reason="no .venv-airflow: `make airflow-test` makes it and runs this"
    ),
    pytest.mark.timeout(900),  # each process of Airflow's imports for seconds
]


class Airflow:
    """An Airflow of one's own: a new metadata database, the DAG as it is in deploy/."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW", "EDDY_", "LAKE_DAILY_", "PYTHON", "VIRTUAL_ENV"))
        }
        self.environment = kept | {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "deploy" / "airflow"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.says("db", "migrate")

    def says(self, *words: str, **more: str) -> str:
        done = subprocess.run(
            [AIRFLOW, *words],
            cwd=self.home,
            env=self.environment | more,
            check=False,
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    return Airflow(tmp_path_factory.mktemp("airflow"))


@pytest.fixture
def lake(kafka, tmp_path):
    with daily_lake(kafka, tmp_path) as made:
        yield made


def test_a_run_does_the_day_before_it_with_the_real_commands(airflow, lake, tmp_path):
    """The program is the real one, behind one that writes down how it was called."""
    program, calls = tmp_path / "program", tmp_path / "calls"
    program.write_text(
        f'#!/bin/sh\necho "$* | $(pwd) | $EDDY_CONFIG" >> {calls}\nexec {EDDY} "$@"\n'
    )
    program.chmod(stat.S_IRWXU)
    (tmp_path / "eddy.toml").write_text('[log]\nformat = "json"\n')
    variables = {
        "AIRFLOW_VAR_EDDY_EXECUTABLE": str(program),
        "AIRFLOW_VAR_EDDY_CONFIG": f"{tmp_path}/eddy.toml",
        "AIRFLOW_VAR_EDDY_FOLDER": str(tmp_path),
    }
    own = {name: value for name, value in lake.environment.items() if name.startswith("EDDY_")}
    airflow.says("dags", "test", "eddy_lake_daily", NEXT_DAY, **variables, **own)
    assert calls.read_text().splitlines() == [
        f"{call} | {tmp_path} | {tmp_path}/eddy.toml"
        for call in (
            "lake check --since-hours 48",
            f"lake compact --date {DAY}",
            f"lake cluster-rides --date {DAY}",
            f"lake export --date {DAY}",
            "lake check",
        )
    ]
    rows = [row for row in lake.rows("anomalies_rides") if f"{row['occurred_at']:%F}" == DAY]
    assert len(rows) == len({row["anomaly_id"] for row in rows}) == lake.anomalies
    assert f"exports/json/rides/dt={DAY}/manifest.json" in lake.objects()


DESCRIBE = """
import json, os, runpy
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

dag = runpy.run_path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"] + "/eddy_lake_daily.py")["dag"]
scheduled = DagSerialization.from_dict(DagSerialization.to_dict(dag))
limits = TimeRestriction(scheduled.start_date, None, scheduled.catchup)
days, before = [], None
for _ in range(3):
    info = scheduled.timetable.next_dagrun_info(
        last_automated_data_interval=before, restriction=limits
    )
    days.append([info.data_interval.start.isoformat(), info.run_after.isoformat()])
    before = info.data_interval
tasks = [
    [t.task_id, t.retries, t.retry_exponential_backoff, t.execution_timeout is not None,
     sorted(t.upstream_task_ids)]
    for t in dag.tasks
]
print(json.dumps({"days": days, "tasks": tasks, "runs": scheduled.max_active_runs}))
"""


def test_days_that_were_missed_are_done_one_after_the_other(airflow):
    done = subprocess.run(
        [AIRFLOW.with_name("python"), "-c", DESCRIBE],
        env=airflow.environment | {"LAKE_DAILY_START": "2026-11-10"},
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    described = json.loads(done.stdout.splitlines()[-1])
    assert described["runs"] == 1
    assert described["days"] == [
        [f"2026-11-{day}T01:30:00+00:00", f"2026-11-{day + 1}T01:30:00+00:00"]
        for day in (10, 11, 12)
    ]
    assert [name for name, *_ in described["tasks"]] == [
        "check-before",
        "compact",
        "cluster-rides",
        "export",
        "check",
    ]
    for before, (_, retries, backs_off, has_limit, upstream) in zip(
        [None, *described["tasks"]], described["tasks"], strict=False
    ):
        assert retries >= 3
        assert backs_off
        assert has_limit
        assert upstream == ([before[0]] if before else [])
