"""What users of the library may rely on is what docs/reference/python.md says, and it runs."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import eddy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/python.md").read_text()
EXAMPLES = sorted((ROOT / "docs/examples").glob("*.py"))
NAMES = {
    *("Anomaly", "BatchScorer", "EddyError", "ScoredBatch", "Settings", "__version__"),
    *("connect_lake", "load_settings", "open_registry", "simulate"),
}
"""The interface: a name leaves it only with an alias and a line in CHANGELOG.md."""


def signature(function) -> str:
    """Return the parameters' names, kinds and defaults."""
    real = inspect.signature(function)
    bare = [p.replace(annotation=p.empty) for p in real.parameters.values()]
    return str(real.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def test_the_interface_has_these_names():
    assert set(eddy.__all__) == NAMES
    assert set(dir(eddy)) == NAMES
    for name in NAMES:
        assert getattr(eddy, name) is not None


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = eddy.nonsense


def test_the_page_lists_the_names():
    listed = set(re.findall(r"^\| `eddy\.(\w+)", PAGE, re.MULTILINE))
    assert listed == NAMES


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("BatchScorer", eddy.BatchScorer),
        ("BatchScorer.score", eddy.BatchScorer.score),
        ("ScoredBatch", eddy.ScoredBatch),
        ("simulate", eddy.simulate),
        ("open_registry", eddy.open_registry),
        ("connect_lake", eddy.connect_lake),
    ],
)
def test_the_page_gives_the_signatures(name, function):
    assert f"`eddy.{name}{signature(function)}`" in PAGE


def test_settings_are_loaded_from_a_file_and_flags():
    parameters = list(inspect.signature(eddy.load_settings).parameters)
    assert parameters[:2] == ["file", "flags"]
    assert "`eddy.load_settings(file=None, flags=None)`" in PAGE


def test_type_checkers_see_the_same_sources():
    tree = ast.parse((ROOT / "eddy/__init__.py").read_text())
    (guard,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {
        alias.asname or alias.name: (node.module, alias.name)
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == eddy._SOURCES


def test_the_pages_example_runs():
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    namespace: dict[str, object] = {}
    exec(block, namespace)
    assert namespace["batch"].anomalies


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(example, tmp_path):
    result = subprocess.run(
        [sys.executable, example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert "anomalies" in result.stdout


def test_how_records_are_cut_into_batches_changes_no_score():
    simulated = eddy.simulate("rides", seed=3, start="2024-03-01T00:00:00Z", rides=3_000)
    records = [record.payload for record in simulated]
    whole = eddy.BatchScorer("rides").score(records)
    scorer = eddy.BatchScorer("rides")
    parts = [scorer.score(records[first : first + 700]) for first in range(0, len(records), 700)]
    assert [a.anomaly_id for a in whole.anomalies] == [
        a.anomaly_id for part in parts for a in part.anomalies
    ]
    scores = [score for part in parts for score in part.scores.tolist()]
    assert str(scores) == str(whole.scores.tolist())


def test_settings_decide_policy_and_registry(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = {"storage.registry": str(tmp_path / "models"), "domains.rides.min_window": 100}
    settings = eddy.load_settings(flags=flags)
    simulated = eddy.simulate("rides", seed=3, start="2024-03-01T00:00:00Z", rides=1_000)
    batch = eddy.BatchScorer("rides", settings).score([record.payload for record in simulated])
    assert batch.anomalies
    assert eddy.open_registry(settings).names() == []


def test_options_of_a_simulation_are_checked():
    with pytest.raises(eddy.EddyError, match="rids: no option"):
        eddy.simulate("rides", seed=1, start="2024-03-01T00:00:00Z", rids=3)
    with pytest.raises(eddy.EddyError, match="simulation of rides"):
        eddy.simulate("rides", seed=1)
