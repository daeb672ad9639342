"""What every registry does, whatever it keeps its models in."""

import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta
from obstore.store import MemoryStore

from eddy.models.artefact import File, digest, encode_parameters
from eddy.models.registry.bucket import BucketStore
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.mlflow.store import MlflowStore
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import ConfigError, DamagedModel, ModelRefused, UnknownModel

START = datetime(2024, 3, 1, tzinfo=UTC)
TRAINING = Training(trained_at=START, settings={"k": 20}, data_sha256="ab" * 32, rows=1000)

IMPOSSIBLE_FILES = (
    *("", ".", "..", "../model.skops", "a/b", "/etc/passwd", ".hidden", "a\\b", "a b", "x" * 65),
    *("model.json", "Model.JSON", "manifest.json", "modèle"),
)


class Radius(msgspec.Struct, frozen=True):
    eps: Annotated[float, Meta(gt=0)]
    center: tuple[float, float] = (0.0, 0.0)


class Forest(msgspec.Struct, frozen=True):
    trees: list[int]


class Ticking:
    """A clock that moves one second each time it is asked."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Bundle(msgspec.Struct, frozen=True):
    """Parameters that are of no use without a further file."""

    estimator: File

    def opened(self, files: Mapping[str, bytes]) -> "Opened":
        self.estimator.check(files["model.skops"], "model.skops")
        return Opened(self, dict(files))


@dataclass
class Opened:
    parameters: Bundle
    files: dict[str, bytes]


def register(registry: Registry, eps: float, name: str = "rides") -> str:
    artefact = encode_parameters(Radius(eps))
    return registry.register(name, artefact, training=TRAINING, metrics={"alert_rate": 0.01})


def register_bundle(registry: Registry, content: bytes = b"trees", **more: bytes) -> str:
    files = {"model.skops": content, **{name.replace("_", "."): more[name] for name in more}}
    artefact = encode_parameters(Bundle(File.of(content)))
    return registry.register("rides", artefact, training=TRAINING, metrics={}, files=files)


@pytest.fixture(params=["folder", "bucket", "mlflow-server", "mlflow-database"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Registry:
    if request.param == "folder":
        return Registry(FolderStore(tmp_path / "registry"), Ticking(), max_artefact_bytes=4096)
    if request.param == "bucket":
        return Registry(BucketStore(MemoryStore()), Ticking(), max_artefact_bytes=4096)
    if request.param == "mlflow-server":
        uri = request.getfixturevalue("empty_mlflow").url
    else:
        shutil.copy(request.getfixturevalue("mlflow_database"), tmp_path / "mlflow.db")
        uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    return Registry(MlflowStore(uri), Ticking(), max_artefact_bytes=4096)


class TestRegistry:
    def test_versions_count_up_and_stay_as_they_were(self, registry: Registry) -> None:
        assert [register(registry, eps) for eps in (0.1, 0.2, 0.3)] == ["1", "2", "3"]
        assert registry.versions("rides") == ["1", "2", "3"]
        loaded = [registry.load("rides", v, Radius).parameters.eps for v in ("1", "2", "3")]
        assert loaded == [0.1, 0.2, 0.3]

    def test_ten_versions_sort_as_numbers(self, registry: Registry) -> None:
        expected = [register(registry, 0.1 * (i + 1)) for i in range(11)]
        assert registry.versions("rides") == expected
        assert registry.resolve("rides", "latest").version == "11"

    def test_the_manifest_tells_how_the_model_came_about(self, registry: Registry) -> None:
        manifest = registry.resolve("rides", register(registry, 0.1))
        assert manifest.training == TRAINING
        assert manifest.metrics == {"alert_rate": 0.01}
        assert manifest.sha256 == digest(encode_parameters(Radius(0.1)))
        assert manifest.created_at.tzinfo is not None
        assert manifest.eddy_version

    def test_a_loaded_model_says_who_it_is(self, registry: Registry) -> None:
        version = register(registry, 0.1)
        ref = registry.load("rides", version, Radius).ref
        assert (ref.name, ref.version, ref.trained_at) == ("rides", "1", START)
        assert ref.sha256 == registry.resolve("rides", version).sha256

    def test_equal_content_has_an_equal_sha256(self, registry: Registry) -> None:
        first, second = register(registry, 0.1), register(registry, 0.1)
        assert first != second
        assert registry.resolve("rides", first).sha256 == registry.resolve("rides", second).sha256

    def test_promote_points_the_champion(self, registry: Registry) -> None:
        register(registry, 0.1), register(registry, 0.2)
        assert registry.promote("rides", "2").version == "2"
        assert registry.load("rides", "champion", Radius).parameters.eps == 0.2

    def test_registering_promotes_nothing(self, registry: Registry) -> None:
        register(registry, 0.1)
        assert registry.aliases("rides") == {}
        with pytest.raises(UnknownModel, match="champion"):
            registry.resolve("rides", "champion")

    def test_the_challenger_can_be_promoted(self, registry: Registry) -> None:
        register(registry, 0.1), register(registry, 0.2)
        registry.promote("rides", "1")
        registry.set_alias("rides", "challenger", "latest")
        registry.promote("rides", "challenger")
        assert registry.aliases("rides") == {"champion": "2", "challenger": "2"}

    def test_rollback_goes_back_one_by_one(self, registry: Registry) -> None:
        for eps in (0.1, 0.2, 0.3):
            registry.promote("rides", register(registry, eps))
        assert registry.rollback("rides").version == "2"
        assert registry.rollback("rides").version == "1"
        with pytest.raises(UnknownModel, match="replaced none"):
            registry.rollback("rides")
        assert registry.resolve("rides", "champion").version == "1"

    def test_rollback_after_another_promotion(self, registry: Registry) -> None:
        for eps in (0.1, 0.2, 0.3):
            registry.promote("rides", register(registry, eps))
        registry.rollback("rides")
        registry.promote("rides", register(registry, 0.4))
        assert [registry.rollback("rides").version for _ in range(2)] == ["2", "1"]

    def test_promoting_the_champion_changes_nothing(self, registry: Registry) -> None:
        registry.promote("rides", register(registry, 0.1))
        before = registry.history("rides")
        registry.promote("rides", "1")
        assert registry.history("rides") == before

    def test_history_is_an_audit_log(self, registry: Registry) -> None:
        register(registry, 0.1), register(registry, 0.2)
        registry.promote("rides", "1", by="ana")
        registry.promote("rides", "2", by="bo")
        registry.rollback("rides", by="cy")
        seen = [(c.action, c.alias, c.before, c.after, c.by) for c in registry.history("rides")]
        assert seen == [
            ("set", "champion", None, "1", "ana"),
            ("set", "champion", "1", "2", "bo"),
            ("rollback", "champion", "2", "1", "cy"),
        ]
        times = [change.at for change in registry.history("rides")]
        assert times == sorted(times)
        assert times[0] > START

    def test_names(self, registry: Registry) -> None:
        assert registry.names() == []
        register(registry, 0.1, "tpv"), register(registry, 0.1, "rides")
        assert registry.names() == ["rides", "tpv"]

    def test_what_is_not_there(self, registry: Registry) -> None:
        assert registry.versions("rides") == []
        for which in ("champion", "7", "latest", "", "../rides", "0"):
            with pytest.raises(UnknownModel):
                registry.resolve("rides", which)
        register(registry, 0.1)
        for which in ("champion", "7", "", "../rides", "0"):
            with pytest.raises(UnknownModel):
                registry.load("rides", which, Radius)

    def test_names_that_cannot_be(self, registry: Registry) -> None:
        for name in ("", "..", "a/b", "Rides", ".hidden", "x" * 65):
            with pytest.raises(ConfigError):
                register(registry, 0.1, name)
            with pytest.raises(UnknownModel):
                registry.resolve(name, "champion")
            assert registry.versions(name) == []

    def test_aliases_that_cannot_be(self, registry: Registry) -> None:
        register(registry, 0.1)
        for alias in ("latest", "", "3", "a b", "../x", "Champion", "v2"):
            with pytest.raises(ConfigError):
                registry.set_alias("rides", alias, "1")
        assert registry.aliases("rides") == {}

    def test_promoting_what_is_not_there_leaves_no_trace(self, registry: Registry) -> None:
        with pytest.raises(UnknownModel):
            registry.promote("rides", "1")
        assert registry.names() == []
        assert registry.history("rides") == []

    def test_another_type_is_refused(self, registry: Registry) -> None:
        register(registry, 0.1)
        with pytest.raises(ModelRefused, match="Forest"):
            registry.load("rides", "1", Forest)

    def test_junk_is_kept_and_never_loaded(self, registry: Registry) -> None:
        for junk in (b"", b"{", b"\x80\x04\x95", b"null", b'{"eps":-1}'):
            version = registry.register("rides", junk, training=TRAINING, metrics={})
            with pytest.raises(ModelRefused):
                registry.load("rides", version, Radius)

    def test_too_large(self, registry: Registry) -> None:
        with pytest.raises(ConfigError, match="larger than"):
            registry.register("rides", b" " * 5000, training=TRAINING, metrics={})
        assert registry.versions("rides") == []

    def test_further_files_open_the_model(self, registry: Registry) -> None:
        version = register_bundle(registry, b"trees", card_md=b"# a card")
        opened = registry.load("rides", version, Bundle).parameters
        assert isinstance(opened, Opened)
        assert opened.files == {"model.skops": b"trees", "card.md": b"# a card"}
        assert opened.parameters.estimator == File.of(b"trees")

    def test_the_manifest_names_every_file(self, registry: Registry) -> None:
        manifest = registry.resolve("rides", register_bundle(registry))
        assert manifest.files["model.skops"] == File.of(b"trees")
        assert manifest.sha256 == manifest.files["model.json"].sha256
        assert set(manifest.files) == {"model.json", "model.skops"}

    def test_a_file_other_than_the_parameters_name_is_refused(self, registry: Registry) -> None:
        artefact = encode_parameters(Bundle(File.of(b"trees")))
        files = {"model.skops": b"other"}
        version = registry.register("rides", artefact, training=TRAINING, metrics={}, files=files)
        with pytest.raises(DamagedModel, match="not the file"):
            registry.load("rides", version, Bundle)

    def test_what_fails_to_open_is_refused_whatever_it_raises(self, registry: Registry) -> None:
        artefact = encode_parameters(Bundle(File.of(b"trees")))
        version = registry.register("rides", artefact, training=TRAINING, metrics={})
        with pytest.raises(ModelRefused, match=r"KeyError.*model\.skops"):
            registry.load("rides", version, Bundle)

    def test_file_names_that_cannot_be(self, registry: Registry) -> None:
        artefact = encode_parameters(Radius(0.1))
        for file in IMPOSSIBLE_FILES:
            with pytest.raises(ConfigError, match="file name"):
                registry.register(
                    "rides", artefact, training=TRAINING, metrics={}, files={file: b""}
                )
        assert registry.versions("rides") == []

    def test_files_that_are_too_many_or_too_large_together(self, registry: Registry) -> None:
        artefact = encode_parameters(Radius(0.1))
        for files in (
            {f"{i}.bin": b"" for i in range(16)},
            {"a.bin": b"", "A.bin": b""},
            {"a.bin": b" " * 2500, "b.bin": b" " * 2500},
        ):
            with pytest.raises(ConfigError, match="files|larger"):
                registry.register("rides", artefact, training=TRAINING, metrics={}, files=files)
        assert registry.versions("rides") == []

    def test_who_why_and_on_what_figures(self, registry: Registry) -> None:
        registry.promote("rides", register(registry, 0.1), by="ana", reason="the first")
        figures = {"gain": 0.25, "interval": [0.1, 0.4], "candidate": "2"}
        registry.promote(
            "rides", register(registry, 0.2), by="bo", reason="better", evidence=figures
        )
        registry.rollback("rides", by="cy", reason="too many alerts – stop")
        seen = [(c.by, c.reason, c.evidence) for c in registry.history("rides")]
        assert seen == [
            ("ana", "the first", {}),
            ("bo", "better", figures),
            ("cy", "too many alerts – stop", {}),
        ]

    def test_a_refusal_is_logged_and_changes_nothing(self, registry: Registry) -> None:
        for eps in (0.1, 0.2, 0.3):
            register(registry, eps)
        registry.promote("rides", "1")
        registry.promote("rides", "2")
        registry.refuse("rides", "latest", by="gate", reason="not better", evidence={"gain": -0.1})
        assert registry.aliases("rides") == {"champion": "2"}
        last = registry.history("rides")[-1]
        assert (last.action, last.before, last.after) == ("refused", "2", "3")
        assert (last.by, last.reason, last.evidence) == ("gate", "not better", {"gain": -0.1})
        assert registry.rollback("rides").version == "1"
        assert [c.sequence for c in registry.history("rides")] == [1, 2, 3, 4]

    def test_refusing_what_is_not_there(self, registry: Registry) -> None:
        with pytest.raises(UnknownModel):
            registry.refuse("rides", "1", reason="why not")
        assert registry.history("rides") == []

    def test_a_line_of_the_log_has_its_limit(self, registry: Registry) -> None:
        register(registry, 0.1)
        with pytest.raises(ConfigError, match="audit log"):
            registry.promote("rides", "1", reason="x" * 5000)
        with pytest.raises(ConfigError, match="audit log"):
            registry.refuse("rides", "1", evidence={"rows": list(range(2000))})
        assert registry.history("rides") == []
        assert registry.aliases("rides") == {}

    def test_concurrent_registers_get_different_versions(self, registry: Registry) -> None:
        got: list[str] = []
        threads = [
            threading.Thread(target=lambda: got.extend(register(registry, 0.1) for _ in range(3)))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(got, key=int) == [str(i) for i in range(1, 10)]
        assert registry.versions("rides") == sorted(got, key=int)

    def test_concurrent_promotions_lose_no_change(self, registry: Registry) -> None:
        for eps in (0.1, 0.2, 0.3):
            register(registry, eps)

        def promote_often(version: str) -> None:
            for _ in range(4):
                registry.promote("rides", version)

        threads = [threading.Thread(target=promote_often, args=(v,)) for v in ("1", "2", "3")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        history = registry.history("rides")
        assert [change.sequence for change in history] == list(range(1, len(history) + 1))
        assert [change.before for change in history[1:]] == [c.after for c in history[:-1]]
        assert registry.resolve("rides", "champion").version == history[-1].after
