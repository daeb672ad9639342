import pytest

from eddy.schemas.errors import ConfigError
from eddy.streams.config import EngineConfig


def test_the_defaults_hold():
    assert EngineConfig().batch_size == 16_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("commit_interval_ms", 0),
        ("checkpoint_interval_s", -1.0),
        ("max_skew_s", float("nan")),
        ("queue_batches", 0),
        ("fuse_ratio", 1.5),
        ("max_recoveries", -1),
    ],
)
def test_a_value_out_of_range_is_named(name, value):
    with pytest.raises(ConfigError, match=rf"engine\.{name}: "):
        EngineConfig(**{name: value})
