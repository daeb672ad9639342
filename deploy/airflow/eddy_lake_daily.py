"""Every day: check the sink, compact, judge the day's rides again, export, compare with Kafka.

The steps are those of ``deploy/lake-daily.sh``, one task each; all of them only call the command
line. The first check keeps a day from going out that the sink has not brought yet. A run does the
UTC day before it: that of 20 November 01:30 does the 19th. Every step may be repeated for the same
day, so retries, backfills and a run by hand of a day that was done are safe.

Airflow Variables (or ``AIRFLOW_VAR_<NAME>`` in the environment), read when a task runs:

``eddy_executable``   the command, by default ``eddy`` as found on the worker's PATH
``eddy_config``       the file of settings, by default what ``eddy`` finds itself
``eddy_folder``       where it runs: relative paths in the settings begin there

Environment of the processor of DAG files:

``LAKE_DAILY_SCHEDULE``   a cron expression in UTC, by default ``30 1 * * *``
``LAKE_DAILY_START``      ``YYYY-MM-DD``: every day from this one on is done, also those that were
                          missed; without it only the newest one is
"""
# Airflow has an environment of its own (requirements/airflow.txt), where the product is not.
# mypy: disable-error-code="import-not-found"

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, CronTriggerTimetable, Param, chain
from jinja2 import StrictUndefined

STEPS = {
    "check-before": ("lake check --since-hours 48", timedelta(hours=1)),
    "compact": ('lake compact --date "$DAY"', timedelta(hours=3)),
    "cluster-rides": ('lake cluster-rides --date "$DAY"', timedelta(hours=2)),
    "export": ('lake export --date "$DAY"', timedelta(hours=1)),
    "check": ("lake check", timedelta(hours=1)),
}

# What is chosen by people reaches the shell as the environment, never as a part of the program.
CALL = """
set -eu
[ -z "$FOLDER" ] || cd "$FOLDER"
[ -z "$CONFIG" ] || export EDDY_CONFIG="$CONFIG"
exec "$EDDY" {arguments}
"""
ENVIRONMENT = {
    "EDDY": "{{ var.value.get('eddy_executable', 'eddy') }}",
    "CONFIG": "{{ var.value.get('eddy_config', '') }}",
    "FOLDER": "{{ var.value.get('eddy_folder', '') }}",
    "DAY": "{{ params.day or (data_interval_start | ds) }}",
}

START = os.environ.get("LAKE_DAILY_START", "")

with DAG(
    "eddy_lake_daily",
    description="Check the sink, compact, judge yesterday's rides, export, check",
    doc_md=__doc__,
    tags=["eddy", "lake"],
    schedule=CronTriggerTimetable(
        os.environ.get("LAKE_DAILY_SCHEDULE", "30 1 * * *"),
        timezone="UTC",
        interval=timedelta(days=1),
    ),
    # the run at 01:30 of a day does the day before
    start_date=datetime.fromisoformat(START or "2026-01-01").replace(tzinfo=UTC)
    + timedelta(days=1),
    catchup=bool(START),
    max_active_runs=1,  # two days at once would only commit against one another
    dagrun_timeout=timedelta(hours=20),
    template_undefined=StrictUndefined,  # a run without a day must not become one of an empty day
    params={
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            description="The UTC day to do; empty: the day before the run",
        )
    },
    default_args={
        "retries": 4,
        "retry_delay": timedelta(minutes=5),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(hours=1),
    },
) as dag:
    chain(
        *(
            BashOperator(
                task_id=name,
                bash_command=CALL.format(arguments=arguments),
                env=ENVIRONMENT,
                append_env=True,  # PATH, EDDY_* and the keys of AWS
                execution_timeout=limit,
                skip_on_exit_code=None,
                do_xcom_push=False,
            )
            for name, (arguments, limit) in STEPS.items()
        )
    )
