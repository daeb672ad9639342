"""The parameters: the file in the repository has the defaults, and mistakes are named."""

from pathlib import Path

import pytest

from eddy.app.training.transaction_models import parameters
from eddy.schemas.errors import ConfigError, MissingResource
from eddy.training.transactions.settings import Parameters, read_parameters

ROOT = Path(__file__).parents[3]


def test_the_file_in_the_repository_holds_all_defaults():
    import msgspec
    import yaml

    assert read_parameters(ROOT / "params.yaml") == Parameters()
    assert yaml.safe_load((ROOT / "params.yaml").read_text()) == msgspec.to_builtins(Parameters())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("train: {sed: 3}", r"params\.yaml: train: .*sed"),
        ("train: {seed: x}", r"params\.yaml: train\.seed: .*int"),
        ("train: {random_forest: {trees: 0}}", r"train\.random_forest\.trees: .*>= 1"),
        ("gate: {margin: -1}", r"gate\.margin"),
        ("prepare: {history: {delay_days: 99}}", r"prepare\.history\.delay_days"),
        ("evil: 1", r"params\.yaml: .*evil"),
        ("train: [", r"params\.yaml: not YAML"),
        ("!!python/object/apply:os.system [true]", r"params\.yaml: not YAML"),
        ("7", r"params\.yaml: .*object"),
    ],
)
def test_a_mistake_names_file_and_key(tmp_path, content, message):
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_parameters(tmp_path / "params.yaml")


def test_an_empty_file_means_defaults_and_none_is_an_error(tmp_path):
    (tmp_path / "params.yaml").write_text("")
    assert read_parameters(tmp_path / "params.yaml") == Parameters()
    with pytest.raises(MissingResource, match=r"none\.yaml"):
        read_parameters(tmp_path / "none.yaml")


def test_flags_override_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parameters(None) == Parameters()
    (tmp_path / "params.yaml").write_text("train: {seed: 3, train_days: 9}")
    changed = parameters(None, ["train.seed=5", "train.features=[amount, v1]"])
    assert (changed.train.seed, changed.train.train_days) == (5, 9)
    assert changed.train.features == ["amount", "v1"]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("train.sed=3", "train.sed=3"),
        ("train.seed", "KEY=VALUE"),
        ("train.seed=x", "train.seed"),
        ("train.seed.x=1", "seed has no keys"),
        ("train.seed=[", "not YAML"),
    ],
)
def test_a_flag_that_means_nothing_is_an_error(tmp_path, monkeypatch, pair, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        parameters(None, [pair])
