"""A stream follows the champion and keeps its last good model."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from eddy.models.artefact import encode_parameters
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry
from eddy.models.registry.reload import ModelWatcher, Outcome
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
def watcher(registry: Counting) -> ModelWatcher:
    return ModelWatcher(registry, "rides", Radius)


def promote(registry: Registry, content: bytes | float) -> str:
    artefact = content if isinstance(content, bytes) else encode_parameters(Radius(content))
    version = registry.register("rides", artefact, training=Training(trained_at=NOW), metrics={})
    registry.promote("rides", version)
    return version


def test_no_champion_is_nothing_new(watcher) -> None:
    assert watcher.poll() is None
    assert watcher.outcome.kind == "unchanged"
    assert watcher.refused is None


def test_each_champion_comes_once(registry, watcher) -> None:
    for eps in (0.1, 0.2):
        promote(registry, eps)
        model = watcher.poll()
        assert model is not None
        assert model.parameters.eps == eps
        assert watcher.outcome.kind == "reloaded"
        assert watcher.poll() is None
        assert watcher.outcome.kind == "unchanged"
    assert registry.loads == 2


def test_a_rollback_is_a_reload(registry, watcher) -> None:
    promote(registry, 0.1), promote(registry, 0.2)
    watcher.poll()
    registry.rollback("rides")
    assert watcher.poll().parameters.eps == 0.1


def test_the_model_in_use_is_not_loaded_again(registry) -> None:
    promote(registry, 0.1)
    current = registry.load("rides", "champion", Radius).ref
    watcher = ModelWatcher(registry, "rides", Radius, current)
    assert watcher.poll() is None
    assert registry.loads == 1


def test_a_refused_champion_is_said_once_and_rarely_tried_again(registry, watcher) -> None:
    promote(registry, 0.1)
    watcher.poll()
    promote(registry, b'{"eps":"wide"}')
    kinds = []
    for _ in range(100):
        assert watcher.poll() is None
        kinds.append(watcher.outcome.kind)
    assert kinds == ["refused"] + ["unchanged"] * 99
    assert "eps" in watcher.refused
    assert registry.loads <= 1 + 8


def test_after_a_refused_champion_the_next_good_one_comes(registry, watcher) -> None:
    promote(registry, 0.1)
    watcher.poll()
    promote(registry, b"{}")
    watcher.poll()
    promote(registry, 0.3)
    assert watcher.poll().parameters.eps == 0.3
    assert watcher.refused is None


def test_rolling_back_a_refused_champion_settles(registry, watcher) -> None:
    promote(registry, 0.1)
    watcher.poll()
    promote(registry, b"{}")
    watcher.poll()
    registry.rollback("rides")
    assert watcher.poll() is None
    assert watcher.outcome.kind == "unchanged"
    assert watcher.refused is None


def test_a_mended_file_is_taken_within_64_polls(registry, watcher, tmp_path) -> None:
    version = promote(registry, 0.1)
    file = tmp_path / "rides/versions" / version / "model.json"
    good = file.read_bytes()
    file.write_bytes(b"damaged")
    for _ in range(200):
        assert watcher.poll() is None
    file.write_bytes(good)
    assert any(watcher.poll() for _ in range(65))


def test_damaged_aliases_are_refused_and_then_mended(registry, watcher, tmp_path) -> None:
    promote(registry, 0.1)
    watcher.poll()
    file = tmp_path / "rides/aliases.json"
    good = file.read_bytes()
    file.write_bytes(good[:-3])
    assert watcher.poll() is None
    assert watcher.outcome.kind == "refused"
    assert watcher.poll() is None
    assert watcher.outcome.kind == "unchanged"
    file.write_bytes(good)
    assert watcher.poll() is None
    assert watcher.refused is None


def test_a_vanished_registry_keeps_the_model(registry, watcher, tmp_path) -> None:
    promote(registry, 0.1)
    watcher.poll()
    (tmp_path / "rides").rename(tmp_path / "gone")
    assert watcher.poll() is None
    assert watcher.outcome.kind == "refused"


def test_what_cannot_be_read_now_is_tried_at_the_next_poll(registry, watcher, monkeypatch) -> None:
    promote(registry, 0.1)

    def down(*_: object) -> None:
        raise Unavailable("the volume does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(Counting, "load", down)
        assert watcher.poll() is None
        assert watcher.outcome == Outcome("refused", "the volume does not answer", "1")
    assert watcher.poll().parameters.eps == 0.1


def test_a_defect_is_not_hidden(registry, watcher, monkeypatch) -> None:
    promote(registry, 0.1)
    monkeypatch.setattr(Counting, "load", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        watcher.poll()


def test_a_version_that_is_not_wanted_is_refused_before_it_is_loaded(registry) -> None:
    def no_odd_versions(ref) -> None:
        if int(ref.version) % 2:
            raise ModelRefused(f"{ref.version} is too old")

    watcher = ModelWatcher(registry, "rides", Radius, check=no_odd_versions)
    promote(registry, 0.1)
    assert watcher.poll() is None
    assert (watcher.outcome.kind, watcher.outcome.why) == ("refused", "1 is too old")
    assert registry.loads == 0
    promote(registry, 0.2)
    assert watcher.poll().parameters.eps == 0.2
    promote(registry, 0.3)
    assert watcher.poll() is None
    assert "too old" in watcher.refused


def test_the_challenger_is_followed_by_its_own_alias(registry) -> None:
    promote(registry, 0.1)
    watcher = ModelWatcher(registry, "rides", Radius, alias="challenger")
    assert watcher.poll() is None
    promote(registry, 0.2)
    registry.set_alias("rides", "challenger", "1")
    assert watcher.poll().parameters.eps == 0.1
