"""Who scores in the shadow: the challenger, until it is the champion, and nobody after."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from eddy.app import wiring
from eddy.app.detection.challenger import ChallengerFollower
from eddy.app.domains import domain
from eddy.app.settings import Settings
from eddy.models.artefact import encode_parameters
from eddy.models.domains.rides.default import DEFAULT_PARAMETERS
from eddy.models.domains.rides.parameters import DbscanParameters
from eddy.models.domains.transactions.default import DEFAULT_PARAMETERS as FRAUD
from eddy.models.domains.transactions.domain import DOMAIN
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.names import CHALLENGER
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import Unavailable
from eddy.streams.metrics import Metrics

NOW = datetime.now(UTC)


@pytest.fixture
def registry(tmp_path) -> Registry:
    return Registry(FolderStore(tmp_path), lambda: NOW)


def registered(registry: Registry, eps: float) -> str:
    parameters = msgspec.structs.replace(DEFAULT_PARAMETERS, eps=eps)
    artefact = encode_parameters(parameters)
    return registry.register("rides", artefact, training=Training(trained_at=NOW), metrics={})


def test_it_comes_changes_steps_up_and_goes(registry) -> None:
    registry.promote("rides", registered(registry, 1.0))
    champion = registry.load("rides", "champion", DbscanParameters)
    watcher = ChallengerFollower(registry, "rides", DbscanParameters, lambda: champion)
    assert watcher.poll() is None

    for eps in (2.0, 3.0):
        registry.set_alias("rides", CHALLENGER, registered(registry, eps))
        (model,) = watcher.poll()
        assert model.parameters.eps == eps
        assert watcher.poll() is None

    registry.promote("rides", "3")
    champion = registry.load("rides", "champion", DbscanParameters)
    assert watcher.poll() == (None,)
    assert watcher.poll() is None
    registry.rollback("rides")
    champion = registry.load("rides", "champion", DbscanParameters)
    (model,) = watcher.poll()
    assert model.parameters.eps == 3.0


def test_one_that_cannot_be_loaded_is_passed_over(registry, tmp_path) -> None:
    champion = registry.load("rides", registered(registry, 1.0), DbscanParameters)
    watcher = ChallengerFollower(registry, "rides", DbscanParameters, lambda: champion)
    registry.set_alias("rides", CHALLENGER, registered(registry, 2.0))
    (good,) = watcher.poll()
    registry.set_alias("rides", CHALLENGER, registered(registry, 3.0))
    file = tmp_path / "rides/versions/3/model.json"
    file.chmod(0o644)
    file.write_bytes(b"{}")
    assert watcher.poll() is None
    registry.set_alias("rides", CHALLENGER, "2")
    assert watcher.poll() is None, "the same one as before"
    assert good.parameters.eps == 2.0


@pytest.mark.parametrize(("days", "is_taken"), [(3.0, True), (40.0, False)])
def test_a_champion_that_is_too_old_is_not_taken_up(tmp_path, days, is_taken) -> None:
    settings = Settings(
        storage={"registry": str(tmp_path)}, domains={"transactions": {}}, max_model_age_days=30.0
    )
    metrics = Metrics()
    (lane,) = wiring.wire(settings, metrics).lanes
    registry = wiring.registry(settings)
    parameters = msgspec.structs.replace(FRAUD, boundary=0.5)
    training = Training(trained_at=NOW - timedelta(days=days))
    registry.register(DOMAIN.name, encode_parameters(parameters), training=training, metrics={})
    registry.promote(DOMAIN.name, "1")
    change = lane.poll_model()
    assert (change is not None) == is_taken
    outcome = "reloaded" if is_taken else "refused"
    assert metrics.model_reloads.labels(DOMAIN.name, outcome)._value.get() == 1


def test_who_starts_with_a_damaged_champion_begins_with_the_one_before(tmp_path) -> None:
    settings = Settings(storage={"registry": str(tmp_path)}, domains={"rides": {}})
    registry = wiring.registry(settings)
    for eps in (1.0, 2.0, 3.0):
        registry.promote("rides", registered(registry, eps))
    for version in ("3", "2"):
        file = tmp_path / f"rides/versions/{version}/model.json"
        file.chmod(0o644)
        file.write_bytes(b"{}")
    assert wiring.champion(settings, domain("rides")).parameters.eps == 1.0
    (tmp_path / "rides/versions/1/model.json").unlink()
    assert wiring.champion(settings, domain("rides")).ref.version == "default"


def test_who_starts_without_its_registry_does_not_start(tmp_path, monkeypatch) -> None:
    settings = Settings(storage={"registry": str(tmp_path)}, domains={"rides": {}})

    def away(*_: object) -> None:
        raise Unavailable("nobody answers")

    monkeypatch.setattr(Registry, "load", away)
    with pytest.raises(Unavailable):
        wiring.champion(settings, domain("rides"))
