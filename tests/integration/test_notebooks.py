"""Notebooks run from top to bottom over a lake, and are kept without what they printed."""

import ast
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pyarrow as pa
import pytest

from eddy.app import wiring
from eddy.lake import catalog
from eddy.lake.tables import anomalies
from eddy.models.domains.rides.domain import DOMAIN as RIDES
from tests.support.lake_jobs import DETECTED_AT, job_world, keep, of_day, row_of, streamed

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_of(notebook: Path) -> list[str]:
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def run(notebook: Path) -> dict[str, Any]:
    """Execute the code cells in one namespace, as a kernel does; `_` is what the last one shows."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, code in enumerate(code_of(notebook)):
        *body, last = ast.parse(code).body
        name = f"{notebook.name}[{number}]"
        exec(compile(ast.Module(body, []), name, "exec"), namespace)
        kind, tree = (
            ("eval", ast.Expression(last.value))
            if isinstance(last, ast.Expr)
            else ("exec", ast.Module([last], []))
        )
        namespace["_"] = eval(compile(tree, name, kind), namespace)
    return namespace


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebooks_are_kept_without_outputs(notebook: Path) -> None:
    for cell in json.loads(notebook.read_text())["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


def test_a_day_of_anomalies(lake_config, tmp_path, monkeypatch, capsys) -> None:
    world = job_world(lake_config, tmp_path)
    config_hash = wiring.config_hash(world.settings, RIDES)
    said = streamed(1, 1_400, config_hash=config_hash, anomaly_rate=0.01)
    keep(lake_config, said.rows, files=1)
    table = catalog.load(catalog.open_catalog(lake_config), lake_config, anomalies("rides"))
    rows = [row_of(one) | {"kafka_timestamp": DETECTED_AT} for one in said.anomalies]
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))
    world.run("2024-03-02")
    monkeypatch.setenv("EDDY_CONFIG", str(tmp_path / "eddy.toml"))
    (tmp_path / "eddy.toml").write_text(
        "[lake]\n"
        + "".join(
            f'{name} = "{getattr(lake_config, name)}"\n'
            for name in ("catalog", "warehouse", "endpoint", "access_key_id", "secret_access_key")
        )
    )
    mpl.use("Agg")
    end = run(ROOT / "notebooks" / "anomalies_of_a_day.ipynb")

    of_the_day = [one for one in said.anomalies if str(one.occurred_at.date()) == "2024-03-02"]
    assert str(end["day"]) == "2024-03-02"
    assert len(end["anomalies"]["score"]) == len(of_the_day) > 3
    assert len(end["rides"]["minutes"]) == len(of_day(said.rows, "2024-03-02"))
    for name in ("by_hour", "by_shape", "by_score"):
        end[name].savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    assert end["_"] == [("the daily job", len(of_the_day)), ("the stream", len(of_the_day))]
    assert f"{len(of_the_day)} anomalies among" in capsys.readouterr().out
    end["plt"].close("all")
    end["lake"].close()


def test_training_on_vectors(tmp_path, capsys) -> None:
    end = run(ROOT / "notebooks" / "train.ipynb")
    forest, chance = end["figures"]["forest"], end["figures"]["random"]
    assert forest[0] > 0.9 > 0.6 > chance[0]
    assert forest[1] > 5 * chance[1]
    above = (end["scores"] > 1).mean()
    assert above == pytest.approx(end["ALERT_SHARE"], rel=0.05)
    assert abs(end["_"]) < 1e-9, "reasons do not sum to the score"
    # the line that is drawn parts what the scorer flags from what it does not
    assert (end["grid"] > 1).any()
    assert (end["grid"] < 1).any()
    drawn = [trace.name for trace in end["boundary"].data]
    assert drawn == ["score", "boundary", "genuine", "fraud"]
    for name in ("explored", "boundary"):
        end[name].write_html(tmp_path / f"{name}.html", include_plotlyjs=False)
        assert (tmp_path / f"{name}.html").stat().st_size > 10_000
    assert "AUROC" in capsys.readouterr().out
