"""The stages of dvc.yaml in DVC itself, where `make dvc-test` has installed it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import yaml

from eddy.datasets.simulation.transactions.stream import TransactionSimulation, labels, simulate

ROOT = Path(__file__).parents[2]
DVC = Path(os.environ.get("EDDY_TEST_DVC", ROOT / ".venv-dvc" / "bin" / "dvc"))
OUT = Path("build") / "transactions"

pytestmark = [
    pytest.mark.skipif(
        not DVC.exists(), reason="no .venv-dvc: `make dvc-test` makes it and runs this"
    ),
    pytest.mark.timeout(600),
]


@pytest.fixture
def project(tmp_path):
    """The repository's stages and parameters, with simulated transactions to run on."""
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    parameters = yaml.safe_load((ROOT / "params.yaml").read_text())
    parameters["train"] |= {"train_days": 14, "random_forest": {"trees": 5}}
    parameters["evaluate"] |= {"folds": 1, "resamples": 10}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(parameters))
    options = TransactionSimulation(
        days=49, customers=100, compromised_terminal_rate=0.004, compromised_card_rate=0.004
    )
    data = tmp_path / "data"
    data.mkdir()
    with (data / "transactions.jsonl").open("wb") as file:
        for one in simulate(1, options):
            file.write((one.payload or b"").replace(b"\n", b" ") + b"\n")
    with (data / "labels.jsonl").open("wb") as file:
        for _, label in labels(1, options):
            file.write(msgspec.json.encode(label) + b"\n")
    dvc(tmp_path, "init", "--no-scm", "--quiet")
    return tmp_path


def dvc(folder, *words):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # where `eddy` is
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    done = subprocess.run(
        [DVC, *words],
        cwd=folder,
        env=kept | {"PATH": path, "HOME": str(folder), "DVC_NO_ANALYTICS": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def figures(folder):
    return json.loads((folder / OUT / "metrics.json").read_text())["figures"]


def test_stages_run_and_run_again_only_where_something_changed(project):
    assert dvc(project, "dag", "--dot").count("->") == 2
    dvc(project, "repro")
    first = figures(project)
    assert first["auc"]["value"] > 0.5
    assert json.loads((project / OUT / "trained.json").read_text())["version"] == "1"
    assert "# Evaluation" in (project / OUT / "evaluation.md").read_text()
    assert (project / ".eddy/models/transactions/versions/1/model.skops").exists()

    said = dvc(project, "repro")
    assert said.count("didn't change, skipping") == 3

    parameters = yaml.safe_load((project / "params.yaml").read_text())
    parameters["evaluate"]["resamples"] = 11
    (project / "params.yaml").write_text(yaml.safe_dump(parameters))
    said = dvc(project, "repro", "evaluate")
    assert "Stage 'prepare' didn't change" in said
    assert "Running stage 'evaluate'" in said
    assert {name: one["value"] for name, one in figures(project).items()} == {
        name: one["value"] for name, one in first.items()
    }
    assert "metrics.json" in dvc(project, "metrics", "show")
