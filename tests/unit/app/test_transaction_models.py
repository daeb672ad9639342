"""A model's life through the command line: prepare, train, evaluate, promote; without a broker."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from eddy.app import wiring
from eddy.app.settings import load
from eddy.app.training import transaction_models
from eddy.datasets.simulation.transactions.stream import TransactionSimulation, labels, simulate
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.schemas.errors import ConfigError, GateRefused, MissingResource, UnknownModel
from eddy.training.transactions.prequential import newest_window
from eddy.training.transactions.table import UNKNOWN
from eddy.training.transactions.table_files import read_table, write_table
from tests.unit.app.test_models_commands import here, run

__all__ = ["here"]  # a fixture

SIMULATION = TransactionSimulation(
    days=56,
    customers=150,
    terminals=200,
    transactions_per_day=1.5,
    compromised_terminal_rate=0.004,
    compromised_card_rate=0.006,
)
QUICK = {
    "train": {
        "train_days": 14,
        "random_forest": {"trees": 15, "min_rows_leaf": 3, "rows_share": 0.8},
        "isolation_forest": {"trees": 20},
        "threshold": {"cards_per_day": 8.0},
    },
    "evaluate": {"folds": 2, "resamples": 20, "cards_a_day": 8},
    "gate": {"cards_per_day": 8.0, "budget_slack": 1.0, "resamples": 100},
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """The simulated records and labels as files."""
    folder = tmp_path_factory.mktemp("simulated")
    with (folder / "transactions.jsonl").open("wb") as file:
        for record in simulate(2, SIMULATION):
            if record.payload and b"\n" not in record.payload:
                file.write(record.payload + b"\n")
    with (folder / "labels.jsonl").open("wb") as file:
        import msgspec

        for _, label in labels(2, SIMULATION):
            file.write(msgspec.json.encode(label) + b"\n")
    return folder


@pytest.fixture(scope="module")
def prepared(simulated):
    """The table `eddy prepare` makes of them, and what it said."""
    out = simulated / "table.parquet"
    done = run(
        "prepare",
        "transactions",
        simulated / "transactions.jsonl",
        "--labels",
        simulated / "labels.jsonl",
        "--out",
        out,
        "--json",
    )
    return out, json.loads(done.stdout)


@pytest.fixture
def quick(here):
    (here / "params.yaml").write_text(yaml.safe_dump(QUICK))
    return here


def train(table, *options):
    done = run("train", "transactions", table, "--json", *options)
    return json.loads(done.stdout), done.stderr


def registry():
    return wiring.registry(load())


def test_prepare_says_what_it_read(prepared):
    path, said = prepared
    table = read_table(path)
    assert (said["rows"], said["frauds"]) == (len(table), int(table.frauds.sum()))
    assert said["rejected"] > 0
    assert 0 < said["labelled"] < said["rows"]
    assert said["frauds"] > 100


def test_the_same_table_and_parameters_give_the_same_content_and_figures(quick, prepared):
    path, _ = prepared
    made, said = train(path)
    assert "transactions 1 is the champion" in said
    again, said = train(path)
    assert again["version"] == "2"
    assert again["sha256"] == made["sha256"]
    assert again["metrics"] == made["metrics"]
    assert f"eddy promote transactions 2 --on {path}" in said
    assert made["metrics"]["auc"] > 0.6
    assert registry().aliases("transactions") == {"champion": "1", "challenger": "2"}
    other, _ = train(path, "--set", "train.seed=7")
    assert other["sha256"] != made["sha256"]


def test_a_version_can_be_judged_with_and_carries_its_card(quick, prepared):
    path, _ = prepared
    train(path)
    manifest = registry().resolve("transactions", "challenger")
    assert {"model.json", "model.skops", "model_card.md", "profile.json"} == set(manifest.files)
    training = manifest.training
    assert training.settings["train_days"] == 14
    assert training.settings["learned_until"] < "2024-02-26"
    assert training.rows > 1_000
    scorer = registry().load("transactions", "1", FraudParameters).parameters
    table = read_table(path)
    scores = scorer.score(table.columns(scorer.features))
    assert scores[table.frauds].mean() > scores[~table.frauds].mean()


def test_evaluate_writes_figures_for_machines_and_for_people(quick, prepared):
    path, _ = prepared
    done = run(
        "evaluate",
        "transactions",
        path,
        "--metrics",
        quick / "out" / "metrics.json",
        "--card",
        quick / "out" / "card.md",
        "--json",
    )
    found = json.loads(done.stdout)
    assert found == json.loads((quick / "out" / "metrics.json").read_text())
    assert set(found["figures"]) == set(found["random"])
    assert {"auc", "average_precision", "card_precision_8", "cost_a_day"} < set(found["figures"])
    assert found["figures"]["auc"]["value"] > found["random"]["auc"]["value"]
    assert "`card_precision_8`" in (quick / "out" / "card.md").read_text()


def test_a_model_is_evaluated_by_alias_version_and_file(quick, prepared):
    path, _ = prepared
    train(path)
    outputs = {}
    folder = quick / ".eddy" / "models" / "transactions" / "versions" / "1"
    for which in ("champion", "1", folder):
        done = run("evaluate", "transactions", path, "--model", which, "--json")
        outputs[str(which)] = json.loads(done.stdout)
    assert outputs["champion"]["figures"] == outputs["1"]["figures"]
    assert not outputs["1"]["notes"]
    assert "may have seen" in outputs[str(folder)]["notes"][0]
    with pytest.raises(UnknownModel):
        run("evaluate", "transactions", path, "--model", "9")
    with pytest.raises(MissingResource, match="--model"):
        run("evaluate", "transactions", path, "--model", "./none.json")


def test_a_deliberately_worse_candidate_is_refused_and_that_is_logged(quick, prepared):
    path, _ = prepared
    train(path)
    blind = "train.features=[is_weekend, is_night, card_count_30d, amount]"
    few = "train.random_forest={trees: 1, min_rows_leaf: 400}"
    made, _ = train(path, "--set", blind, "--set", few)
    with pytest.raises(GateRefused, match="average_precision") as refused:
        run("promote", "transactions", made["version"], "--on", path)
    assert refused.value.exit_code == 7
    assert registry().aliases("transactions")["champion"] == "1"
    last = registry().history("transactions")[-1]
    assert (last.action, last.before, last.after) == ("refused", "1", "2")
    assert last.reason in str(refused.value)
    assert last.evidence["difference"] < 0
    with pytest.raises(GateRefused):
        train(path, "--set", blind, "--set", few, "--promote")
    assert registry().aliases("transactions") == {"champion": "1", "challenger": "3"}


def test_a_better_candidate_is_promoted_by_the_gate(quick, prepared):
    path, _ = prepared
    few = "train.random_forest={trees: 1, min_rows_leaf: 400}"
    blind = "train.features=[is_weekend, is_night, card_count_30d, amount]"
    train(path, "--set", blind, "--set", few)
    run("promote", "transactions", "1", "--force", "to have one")
    made, _ = train(path)
    done = run("promote", "transactions", "challenger", "--on", path)
    assert f"transactions {made['version']} is the champion" in done.stdout
    last = registry().history("transactions")[-1]
    assert (last.alias, last.after) == ("champion", "2")
    assert "better by at least" in last.reason
    assert last.evidence["difference_low"] > 0


LOUD = (
    "--set",
    "train.threshold.cards_per_day=300",
    "--set",
    "train.algorithm=hist_gradient_boosting",  # a small forest gives most rows the same score
)


def test_a_candidate_over_the_budget_is_refused_whatever_is_labelled(quick, prepared):
    path, _ = prepared
    weak = "train.random_forest={trees: 1, min_rows_leaf: 400}"
    train(path, "--set", weak)
    run("promote", "transactions", "1", "--force", "to have one")
    made, _ = train(path, *LOUD)
    with pytest.raises(GateRefused, match=r"flags \d+\.\d cards a day, the budget has room for 16"):
        run("promote", "transactions", made["version"], "--on", path)


def test_the_first_model_must_pass_the_gate_too(quick, prepared):
    path, _ = prepared
    _, said = train(path, *LOUD)  # the exit code is 0
    assert "transactions 1 is the challenger, and there is no champion" in said
    assert "cards a day" in said
    assert registry().aliases("transactions") == {"challenger": "1"}
    assert registry().history("transactions")[-1].action == "refused"
    with pytest.raises(GateRefused, match="cards a day"):
        train(path, *LOUD, "--promote")
    assert registry().aliases("transactions") == {"challenger": "2"}
    _, said = train(path)
    assert "3 is the champion" in said
    assert "a random scorer" in said


def test_a_week_without_fraud_leaves_a_model_without_held_out_figures(quick, prepared):
    path, _ = prepared
    rows = read_table(path)
    until = newest_window(rows, 7, 7.0).learn_until_us
    quiet = replace(rows, is_fraud=np.where(rows.occurred_at >= until, 0, rows.is_fraud))
    write_table(quiet, quick / "quiet.parquet")
    made, said = train(quick / "quiet.parquet")
    assert made["metrics"] == {}
    assert "0 frauds in the newest labelled 7 days" in said
    nothing = replace(rows, is_fraud=np.full(len(rows), UNKNOWN, np.int8))
    write_table(nothing, quick / "nothing.parquet")
    made, said = train(quick / "nothing.parquet", "--kind", "isolation_forest")
    assert (made["metrics"], made["version"]) == ({}, "2")
    assert "2 is the challenger, and there is no champion" in said


def test_promotion_wants_a_table_or_a_reason(quick, prepared):
    path, _ = prepared
    train(path)
    train(path, "--kind", "isolation_forest")
    with pytest.raises(ConfigError, match="--on TABLE"):
        run("promote", "transactions", "2")
    run("promote", "transactions", "2", "--force", "we look at it with our own eyes")
    last = registry().history("transactions")[-1]
    assert (last.after, last.reason) == ("2", "forced: we look at it with our own eyes")
    loaded = registry().load("transactions", "champion", FraudParameters).parameters
    assert loaded.parameters.detector == "isolation_forest"
    with pytest.raises(ConfigError, match="rides has no gate"):
        run("promote", "rides", "1", "--force", "why not")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "transactions", "--out", "t"], "give files, or --topic"),
        (["prepare", "transactions", "a.csv", "--topic", "--out", "t"], "give files, or --topic"),
        (["prepare", "transactions", "--topic", "--labels", "l", "--out", "t"], "--labels"),
        (["prepare", "transactions", "a.csv", "--to", "9", "--out", "t"], "--topic"),
        (["train", "transactions", "none.parquet", "--params", "x.yaml"], r"x\.yaml"),
        (["train", "transactions", "none.parquet"], r"none\.parquet"),
        (["evaluate", "transactions", "none.parquet"], r"none\.parquet"),
    ],
)
def test_what_cannot_be_done_is_said(here, arguments, message):
    with pytest.raises((ConfigError, MissingResource), match=message):
        run(*arguments)


def test_decisions_stand_under_the_configured_prefix(here, monkeypatch):
    assert transaction_models.decisions_topic(load()) == "decisions.transactions"
    monkeypatch.setenv("EDDY_TOPIC_PREFIX", "side")
    assert transaction_models.decisions_topic(load()) == "side.decisions.transactions"
