"""The lake's alerts: on metrics and labels that exist, and where promtool is, as meant."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from eddy.lake.sink.metrics import WatchMetrics

FOLDER = Path(__file__).parents[3] / "deploy" / "prometheus"
RULES = [
    rule
    for group in yaml.safe_load((FOLDER / "lake-alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
LABELS = {
    family.name + ("_total" if family.type == "counter" else ""): set(metric._labelnames)
    for metric in vars(WatchMetrics()).values()
    if hasattr(metric, "describe")
    for family in metric.describe()
}


def used(text: str) -> set[str]:
    return set(re.findall(r"\b(?:eddy|kube)_\w+", text))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_is_about_metrics_that_are_declared(rule):
    names = used(rule["expr"])
    assert names
    assert {name for name in names if name.startswith("eddy_")} <= set(LABELS)
    told = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    assert told <= set().union(*(LABELS.get(name, set()) for name in names))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_says_what_and_how_bad(rule):
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert rule["annotations"].keys() == {"summary", "description"}


def test_every_metric_of_the_watchdog_that_can_be_bad_has_an_alert():
    alerted = set().union(*(used(rule["expr"]) for rule in RULES))
    # duplicates are dropped by the daily compaction, whose alert is that it did not run
    assert set(LABELS) - alerted == {"eddy_lake_duplicate_rows"}


@pytest.mark.skipif(not shutil.which("promtool"), reason="no promtool on the PATH")
def test_alerts_come_and_go_as_meant():
    done = subprocess.run(
        ["promtool", "test", "rules", "lake-alerts-test.yml"],
        cwd=FOLDER,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
