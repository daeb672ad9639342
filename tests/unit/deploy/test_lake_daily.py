"""The daily run: one list of steps, whoever starts it; the steps are commands the product has."""

import ast
import os
import re
import shlex
import shutil
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from eddy.app import settings
from tests.support.commands import parse

DEPLOY = Path(__file__).parents[3] / "deploy"
SCRIPT = DEPLOY / "lake-daily.sh"
DAG = DEPLOY / "airflow" / "eddy_lake_daily.py"
CRON = DEPLOY / "cron" / "eddy-lake"
CRONJOB = DEPLOY / "kubernetes" / "lake-cronjob.yaml"
DAY = "2026-11-19"


class Recorder:
    """A program that writes down how it was called, and fails at one step if told to."""

    def __init__(self, folder: Path) -> None:
        self.program, self.log, self.failing = folder / "eddy", folder / "calls", folder / "failing"
        self.program.write_text(
            f'#!/bin/sh\necho "$*" >> {self.log}\n'
            f'[ ! -e {self.failing} ] || [ "$2" != "$(cat {self.failing})" ] || exit 6\n'
        )
        self.program.chmod(stat.S_IRWXU)

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def run(recorder: Recorder, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments],
        env={**os.environ, "EDDY": str(recorder.program)},
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )


def steps_of_the_dag(day: str) -> list[str]:
    """Read the steps without importing the file: Airflow is not in this environment."""
    for node in ast.parse(DAG.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STEPS":
            assert isinstance(node.value, ast.Dict)
            names = [ast.literal_eval(key) for key in node.value.keys]
            calls = [ast.literal_eval(value.elts[0]) for value in node.value.values]
            for name, call in zip(names, calls, strict=True):
                assert name.startswith(call.split()[1]), "a task is named after its command"
            return [call.replace('"$DAY"', day) for call in calls]
    raise AssertionError("no STEPS")


def test_the_script_and_the_dag_have_the_same_steps(recorder):
    done = run(recorder, DAY)
    assert done.returncode == 0, done.stderr
    assert recorder.calls == steps_of_the_dag(DAY)
    assert [call.split()[1] for call in recorder.calls] == [
        "check",
        "compact",
        "cluster-rides",
        "export",
        "check",
    ]


@pytest.mark.parametrize("call", steps_of_the_dag(DAY))
def test_every_step_is_a_command(call):
    """Its options are parsed as the command line parses them; nothing is run."""
    parse(*shlex.split(call))


def test_without_a_day_it_does_yesterday(recorder):
    before = datetime.now(UTC)
    assert run(recorder).returncode == 0
    days = {f"{moment - timedelta(days=1):%F}" for moment in (before, datetime.now(UTC))}
    assert recorder.calls[1].split()[-1] in days


def test_a_step_that_fails_ends_the_run_with_its_code(recorder):
    recorder.failing.write_text("cluster-rides")
    assert run(recorder, DAY).returncode == 6
    assert [call.split()[1] for call in recorder.calls] == ["check", "compact", "cluster-rides"]


def test_nothing_goes_out_where_the_sink_has_not_brought_all(recorder):
    recorder.failing.write_text("check")
    assert run(recorder, DAY).returncode == 6
    assert recorder.calls == ["lake check --since-hours 48"]


@pytest.mark.parametrize("day", ["yesterday", "2026-11-9", "2026-11-19; touch x"])
def test_what_is_no_day_is_refused(recorder, day):
    done = run(recorder, day)
    assert done.returncode == 2
    assert day in done.stderr
    assert recorder.calls == []


def test_nothing_heavy_is_imported_by_the_dag():
    """Airflow's processor imports the file again and again."""
    imported = {
        (node.module or "").partition(".")[0]
        if isinstance(node, ast.ImportFrom)
        else node.names[0].name
        for node in ast.walk(ast.parse(DAG.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    assert imported == {"os", "datetime", "airflow", "jinja2"}


# --- cron ---------------------------------------------------------------------------------------


def cron_line() -> tuple[str, str]:
    """Return when, and what the shell is given."""
    lines = [line for line in CRON.read_text().splitlines() if re.match(r"[\d*]", line)]
    assert len(lines) == 1
    *when, _user, command = lines[0].split(maxsplit=6)
    assert "%" not in command, "cron ends the command there"
    return " ".join(when), command


@pytest.mark.skipif(not shutil.which("flock"), reason="no flock on this machine")
def test_cron_runs_the_script_one_at_a_time(recorder, tmp_path):
    command = cron_line()[1].replace("/opt/eddy/deploy", str(DEPLOY))
    command = command.replace("/var/lib/eddy", str(tmp_path))
    environment = {**os.environ, "EDDY": str(recorder.program)}

    def cron() -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=30,
        )
        return done.stdout

    assert cron() == "", "cron mails what is printed"
    assert len(recorder.calls) == len(steps_of_the_dag(DAY))
    recorder.failing.write_text("export")
    assert "exit code 6" in cron()
    recorder.log.unlink()
    with subprocess.Popen(
        ["flock", ".lake-daily.lock", "cat"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write(b"I have it\n")
        holder.stdin.flush()
        holder.stdout.readline()
        assert "exit code 75" in cron()
        holder.stdin.close()
    assert recorder.calls == []


def test_all_start_at_the_same_time():
    cronjob = yaml.safe_load(CRONJOB.read_text())
    assert cronjob["spec"]["schedule"] == cron_line()[0]
    assert f'"{cron_line()[0]}"' in DAG.read_text()
    assert cronjob["spec"]["timeZone"] == "Etc/UTC"
    assert "CRON_TZ=UTC" in CRON.read_text()


# --- Kubernetes ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def job():
    return yaml.safe_load(CRONJOB.read_text())["spec"]


@pytest.fixture(scope="module")
def pod(job):
    return job["jobTemplate"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def container(pod):
    assert len(pod["containers"]) == 1
    return pod["containers"][0]


def test_two_days_never_run_at_once(job):
    assert job["concurrencyPolicy"] == "Forbid"
    assert 0 < job["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 24 * 3600
    assert job["jobTemplate"]["spec"]["backoffLimit"] > 0
    # begun after midnight, it would do another day than it was scheduled for
    minute, hour = map(int, job["schedule"].split()[:2])
    assert (hour * 60 + minute) * 60 + job["startingDeadlineSeconds"] < 24 * 3600


def test_the_container_may_do_no_more_than_it_must(pod, container):
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["restartPolicy"] == "Never"
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]


def test_what_is_mounted_is_there(pod, container):
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert set(volumes) == {mount["name"] for mount in container["volumeMounts"]}
    folder, name = container["command"][-1].rsplit("/", 1)
    assert name == SCRIPT.name, "a config map from a file names the key after the file"
    assert mounts[folder]["configMap"]["name"] == "eddy-lake-daily"
    assert "emptyDir" in mounts[container["workingDir"]]
    written = [
        one["value"] for one in container["env"] if one["name"] in ("HOME", "NUMBA_CACHE_DIR")
    ]
    assert len(written) == 2
    for path in written:
        assert any(path.startswith(place) and "emptyDir" in mounts[place] for place in mounts)


def test_the_settings_it_gives_are_settings(container, monkeypatch):
    named = re.findall(r"--from-literal=(EDDY_\w+)=", CRONJOB.read_text())
    assert named
    for name in named:
        monkeypatch.setenv(name, "x")
    for one in container["env"]:
        if one["name"] != "EDDY_CONFIG":
            monkeypatch.setenv(one["name"], one["value"])
    assert settings.load().log.format == "json"
    assert container["envFrom"] == [{"secretRef": {"name": "eddy-lake"}}]
