"""The house holds: who imports whom, what docstrings promise, where metrics are declared."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import docstring_parser
import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    *("schemas", "models", "datasets", "training", "streams", "lake", "serving"),
    *("sandbox", "app", "deploy"),
)
ELSEWHERE = {
    "eddy.deploy.airflow.eddy_lake_daily",
    "eddy.deploy.spark.prepare_transactions",
    "eddy.deploy.spark.records",
}
"""Modules that import Airflow or Spark, which have environments of their own."""
FORBIDDEN_NAMES = {"utils", "helpers", "common", "manager", "base", "misc"}


def modules() -> list[str]:
    return sorted(
        name
        for room in ROOMS
        for _, name, _ in pkgutil.walk_packages([str(ROOT / room)], f"eddy.{room}.")
    )


def public_functions():
    for name in sorted(set(modules()) - ELSEWHERE):
        module = importlib.import_module(name)
        for holder_name, holder in [("", module), *inspect.getmembers(module, inspect.isclass)]:
            if holder is not module and holder.__module__ != name:
                continue
            for function_name, function in inspect.getmembers(holder, inspect.isfunction):
                if function.__module__ == name and not function_name.startswith("_"):
                    yield f"{name}.{holder_name}.{function_name}", function


def test_imports_follow_the_rooms():
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_file_is_named_after_nothing():
    names = {part for name in modules() for part in name.split(".")}
    assert not names & FORBIDDEN_NAMES


@pytest.mark.parametrize(("name", "function"), list(public_functions()))
def test_documented_parameters_exist(name, function):
    documented = docstring_parser.parse(
        inspect.getdoc(function) or "", docstring_parser.Style.NUMPYDOC
    )
    real = set(inspect.signature(function).parameters)
    for parameter in documented.params:
        if parameter.args[0] not in ("param",):
            continue
        for one in parameter.arg_name.split(","):
            assert one.strip().lstrip("*") in real, f"{name} documents {one.strip()}"


METRICS = (
    "streams/metrics.py",
    "lake/sink/metrics.py",
    "lake/compaction/metrics.py",
    "serving/metrics.py",
    "streams/learning_metrics.py",
)
"""Where metrics are declared: one file for each kind of process that has some."""


def test_every_metric_is_declared_once_and_used():
    sources = {name: (ROOT / name).read_text() for name in METRICS}
    declared = [name for family in families().values() for name in family]
    assert len(declared) == len(set(declared))
    assert all(name.startswith("eddy_") for name in declared)
    code = "\n".join(
        path.read_text()
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if str(path.relative_to(ROOT)) not in METRICS
    )
    for own in sources.values():
        attributes = re.findall(r"self\.([a-z]\w*) = (?:Counter|Gauge|Histogram)\(", own)
        assert attributes
        unused = [
            name
            for name in attributes
            if not re.search(rf"metrics\.{name}\b", code) and f"self.{name}." not in own
        ]
        assert not unused
    elsewhere = re.findall(r"\b(?:Counter|Gauge|Histogram)\(\s*\"eddy_", code)
    assert not elsewhere


def families() -> dict[str, list[str]]:
    """Return the metrics of each kind of process, without ``_total``."""
    from eddy.lake.compaction.metrics import CompactionMetrics
    from eddy.lake.sink.metrics import WatchMetrics
    from eddy.serving.metrics import ServingMetrics
    from eddy.streams.learning_metrics import LearningMetrics
    from eddy.streams.metrics import Metrics

    made = (Metrics(), WatchMetrics(), CompactionMetrics(), ServingMetrics(), LearningMetrics())
    return {
        name: [family.name for family in one.registry.collect()]
        for name, one in zip(METRICS, made, strict=True)
    }


def test_metrics_of_the_reference_exist():
    page = (ROOT / "docs/reference/metrics.md").read_text()
    real = {name for family in families().values() for name in family}
    written = {name.removesuffix("_total") for name in re.findall(r"`(eddy_\w+)", page)}
    assert written == real


def test_nothing_names_a_registry_or_a_machine():
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    hosts = (
        "pypi" + ".org",
        "pythonhosted" + ".org",
        "repo1." + "maven",
        "repo.maven" + ".apache",
        "npmjs" + ".",
    )
    for name in tracked:
        path = ROOT / name
        if path.is_file():
            text = path.read_text(errors="ignore")
            assert not [host for host in hosts if host in text], name
