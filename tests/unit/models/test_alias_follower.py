"""A stream follows the champion and keeps its last good model."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from eddy.models.artefact import encode_parameters
from eddy.models.registry.alias_follower import AliasFollower, Gone, Loaded, Refused, Unchanged
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import ModelRefused, Unavailable

NOW = datetime(2024, 3, 1, tzinfo=UTC)


class Radius(msgspec.Struct, frozen=True):
    eps: float


class Counting(Registry):
    """Counts how often an artefact is read."""

    loads = 0

    def load(self, name, which, parameters_type):
        self.loads += 1
        return super().load(name, which, parameters_type)


@pytest.fixture
def registry(tmp_path: Path) -> Counting:
    return Counting(FolderStore(tmp_path), lambda: NOW)


@pytest.fixture
def follower(registry: Counting) -> AliasFollower:
    return AliasFollower(registry, "rides", Radius)


def promote(registry: Registry, content: bytes | float) -> str:
    artefact = content if isinstance(content, bytes) else encode_parameters(Radius(content))
    version = registry.register("rides", artefact, training=Training(trained_at=NOW), metrics={})
    registry.promote("rides", version)
    return version


def test_no_champion_is_nothing_new(follower) -> None:
    assert follower.poll() == Unchanged()


def test_each_champion_comes_once(registry, follower) -> None:
    for eps in (0.1, 0.2):
        promote(registry, eps)
        result = follower.poll()
        assert isinstance(result, Loaded)
        assert result.model.parameters.eps == eps
        assert follower.poll() == Unchanged()
    assert registry.loads == 2


def test_a_rollback_is_a_reload(registry, follower) -> None:
    promote(registry, 0.1), promote(registry, 0.2)
    follower.poll()
    registry.rollback("rides")
    assert follower.poll().model.parameters.eps == 0.1


def test_the_model_in_use_is_not_loaded_again(registry) -> None:
    promote(registry, 0.1)
    current = registry.load("rides", "champion", Radius).ref
    follower = AliasFollower(registry, "rides", Radius, current)
    assert follower.poll() == Unchanged()
    assert registry.loads == 1


def test_a_refused_champion_is_said_once_and_rarely_tried_again(registry, follower) -> None:
    promote(registry, 0.1)
    follower.poll()
    promote(registry, b'{"eps":"wide"}')
    results = [follower.poll() for _ in range(100)]
    assert [type(result) for result in results] == [Refused] + [Unchanged] * 99
    assert all("eps" in result.why for result in results)
    assert registry.loads <= 1 + 8


def test_after_a_refused_champion_the_next_good_one_comes(registry, follower) -> None:
    promote(registry, 0.1)
    follower.poll()
    promote(registry, b"{}")
    follower.poll()
    promote(registry, 0.3)
    assert follower.poll().model.parameters.eps == 0.3
    assert follower.poll() == Unchanged()


def test_rolling_back_a_refused_champion_settles(registry, follower) -> None:
    promote(registry, 0.1)
    follower.poll()
    promote(registry, b"{}")
    follower.poll()
    registry.rollback("rides")
    assert follower.poll() == Unchanged()


def test_a_mended_file_is_taken_within_64_polls(registry, follower, tmp_path) -> None:
    version = promote(registry, 0.1)
    file = tmp_path / "rides/versions" / version / "model.json"
    good = file.read_bytes()
    file.write_bytes(b"damaged")
    assert not any(isinstance(follower.poll(), Loaded) for _ in range(200))
    file.write_bytes(good)
    assert any(isinstance(follower.poll(), Loaded) for _ in range(65))


def test_damaged_aliases_are_refused_and_then_mended(registry, follower, tmp_path) -> None:
    promote(registry, 0.1)
    follower.poll()
    file = tmp_path / "rides/aliases.json"
    good = file.read_bytes()
    file.write_bytes(good[:-3])
    refused = follower.poll()
    assert isinstance(refused, Refused)
    assert follower.poll() == Unchanged(refused.why)
    file.write_bytes(good)
    assert follower.poll() == Unchanged()


def test_a_vanished_registry_keeps_the_model(registry, follower, tmp_path) -> None:
    promote(registry, 0.1)
    follower.poll()
    (tmp_path / "rides").rename(tmp_path / "gone")
    gone = follower.poll()
    assert isinstance(gone, Gone)
    assert not follower.is_set
    assert follower.poll() == Unchanged(gone.why)
    (tmp_path / "gone").rename(tmp_path / "rides")
    assert follower.poll() == Unchanged()
    assert follower.is_set


def test_what_cannot_be_read_now_is_tried_at_the_next_poll(registry, follower, monkeypatch) -> None:
    promote(registry, 0.1)

    def down(*_: object) -> None:
        raise Unavailable("the volume does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(Counting, "load", down)
        assert follower.poll() == Refused("the volume does not answer", "1")
    assert follower.poll().model.parameters.eps == 0.1


def test_a_defect_is_not_hidden(registry, follower, monkeypatch) -> None:
    promote(registry, 0.1)
    monkeypatch.setattr(Counting, "load", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        follower.poll()


def test_a_version_that_is_not_wanted_is_refused_before_it_is_loaded(registry) -> None:
    def no_odd_versions(ref) -> None:
        if int(ref.version) % 2:
            raise ModelRefused(f"{ref.version} is too old")

    follower = AliasFollower(registry, "rides", Radius, check=no_odd_versions)
    promote(registry, 0.1)
    assert follower.poll() == Refused("1 is too old", "1")
    assert registry.loads == 0
    promote(registry, 0.2)
    assert follower.poll().model.parameters.eps == 0.2
    promote(registry, 0.3)
    assert follower.poll() == Refused("3 is too old", "3")


def test_the_challenger_is_followed_by_its_own_alias(registry) -> None:
    promote(registry, 0.1)
    follower = AliasFollower(registry, "rides", Radius, alias="challenger")
    assert follower.poll() == Unchanged()
    promote(registry, 0.2)
    registry.set_alias("rides", "challenger", "1")
    assert follower.poll().model.parameters.eps == 0.1
