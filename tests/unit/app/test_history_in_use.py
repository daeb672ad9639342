"""Models meet the features they learned from: table, model and stream say what theirs are."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
import yaml

from eddy.app import wiring
from eddy.app.promotion import promotion
from eddy.app.settings import load
from eddy.app.training import transaction_models
from eddy.models.artefact import encode_parameters
from eddy.models.features.transaction_history import HistorySettings
from eddy.models.registry.manifest import Training
from eddy.schemas.errors import ConfigError, GateRefused
from eddy.training.transactions.feature_history import FeatureHistory
from eddy.training.transactions.table import joined
from eddy.training.transactions.table_files import HISTORY_KEY, TableWriter, read_table, write_table
from eddy.training.transactions.train import train
from tests.support.fraud_tables import QUICK, table
from tests.unit.app.test_models_commands import here, run

__all__ = ["here"]  # a fixture

SEVEN = FeatureHistory.of(HistorySettings())
TWO = FeatureHistory.of(HistorySettings(delay_days=2.0))
EVENT = {
    "schema_version": 1,
    "occurred_at": "2024-01-01T12:00:00Z",
    "card_token": "c1",
    "terminal_id": "t1",
    "amount": 12.5,
    "currency": "USD",
}


@pytest.fixture
def files(here):
    lines = [json.dumps({**EVENT, "event_id": f"e{k}"}) for k in range(3)]
    (here / "t.jsonl").write_text("\n".join(lines) + "\n")
    return here


def streams_delay(folder, days):
    (folder / "eddy.toml").write_text(f"[domains.transactions.history]\ndelay_days = {days}\n")


def prepared(*options):
    run("prepare", "transactions", "t.jsonl", "--out", "table.parquet", *options)
    return read_table(Path("table.parquet")).history


def test_files_are_prepared_as_the_stream_is_configured(files):
    assert prepared() == SEVEN
    streams_delay(files, 2.0)
    assert prepared() == TWO
    kept = pq.read_schema("table.parquet").metadata[HISTORY_KEY]
    assert json.loads(kept) == {"delay_days": 2.0, "label_grace_s": 3600.0, "lateness_s": 86400.0}


def test_parameters_that_say_otherwise_are_refused(files):
    streams_delay(files, 2.0)
    (files / "params.yaml").write_text(yaml.safe_dump({"prepare": {"history": {"delay_days": 3}}}))
    with pytest.raises(ConfigError, match=r"delay_days 3, .*domains\.transactions.*delay_days 2,"):
        prepared()
    same = {"prepare": {"history": {"delay_days": 2, "most_cards": 99}}}  # sizes change no feature
    (files / "params.yaml").write_text(yaml.safe_dump(same))
    assert prepared() == TWO


def test_a_table_of_several_files_has_one_history(tmp_path):
    made = replace(table(days=2), history=SEVEN)
    write_table(made, tmp_path / "a.parquet")
    assert read_table(tmp_path).history == SEVEN
    assert joined([made, made]).history == SEVEN
    assert joined([made, replace(made, history=None)]).history is None
    write_table(replace(made, history=TWO), tmp_path / "b.parquet")
    with pytest.raises(ConfigError, match=r"different histories: delay_days 2, .* delay_days 7,"):
        read_table(tmp_path)


def test_a_history_that_is_none_is_named(tmp_path):
    made = table(days=2)
    with TableWriter(tmp_path / "a.parquet", made.names, history=SEVEN) as writer:
        writer._schema = writer._schema.with_metadata({HISTORY_KEY: b"{"})
        writer._file = pq.ParquetWriter(tmp_path / "a.partial", writer._schema)
        writer.write(made)
    with pytest.raises(ConfigError, match=r"a\.parquet: eddy\.history in its metadata"):
        read_table(tmp_path / "a.parquet")


def promoted_by_the_gate():
    write_table(table(), Path("judged.parquet"))
    Path("quick.yaml").write_text(yaml.safe_dump(msgspec.to_builtins(QUICK)))
    options = {"params": Path("quick.yaml")}
    return promotion.promote(
        load(), "transactions", "1", table=Path("judged.parquet"), options=options
    )


@pytest.fixture(scope="module")
def trained():
    return train(replace(table(), history=TWO), QUICK.train)


def test_a_model_of_other_features_than_the_streams_is_not_promoted(here, trained):
    made = transaction_models.register(load(), trained, QUICK, None, {})
    manifest = wiring.registry(load()).resolve("transactions", made.version)
    assert manifest.training.settings["history"] == msgspec.to_builtins(TWO)
    said = r"transactions 1 learned from features with delay_days 2, .*delay_days 7,"
    with pytest.raises(ConfigError, match=said):
        promoted_by_the_gate()
    with pytest.raises(ConfigError, match=said):
        run("promote", "transactions", "1", "--force", "a reason")
    assert "champion" not in wiring.registry(load()).aliases("transactions")
    streams_delay(here, 2.0)
    assert promoted_by_the_gate().change.version == "1"


def test_a_version_of_which_nobody_knows_what_it_learned_from_is_not_judged(here, trained):
    registry = wiring.registry(load())
    artefact = encode_parameters(trained.parameters)
    training = Training(trained_at=datetime.now(UTC), settings={}, rows=5)
    registry.register("transactions", artefact, training=training, metrics={}, files=trained.files)
    with pytest.raises(GateRefused, match="not known what it has learned from"):
        promoted_by_the_gate()
    assert registry.history("transactions")[-1].action == "refused"
    run("promote", "transactions", "1", "--force", "we know")
    assert registry.aliases("transactions")["champion"] == "1"
