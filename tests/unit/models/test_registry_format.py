"""A registry that was written before reads the same, and what is written now has the same bytes."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import msgspec
from obstore.store import MemoryStore

from eddy.models.artefact import encode_parameters
from eddy.models.registry import registry as registry_module
from eddy.models.registry.bucket import BucketStore
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry
from eddy.models.registry.store import Store

NOW = datetime(2024, 3, 1, tzinfo=UTC)
TRAINING = Training(trained_at=NOW, settings={"k": 20}, data_sha256="ab" * 32, rows=1000)

# written by the FolderRegistry of September 2026
ALIASES = b'{"sequence":5,"aliases":{"challenger":"3","champion":"1"},"replaced":[]}\n'
LOG = (
    b'{"sequence":1,"at":"2024-03-01T00:00:04Z","action":"set","alias":"champion",'
    b'"before":null,"after":"1","by":"ana","reason":"the first","evidence":{}}\n'
    b'{"sequence":2,"at":"2024-03-01T00:00:05Z","action":"set","alias":"champion",'
    b'"before":"1","after":"2","by":"bo","reason":"",'
    b'"evidence":{"gain":0.25,"interval":[0.1,0.4]}}\n'
    b'{"sequence":3,"at":"2024-03-01T00:00:06Z","action":"set","alias":"challenger",'
    b'"before":null,"after":"3","by":"","reason":"","evidence":{}}\n'
    b'{"sequence":4,"at":"2024-03-01T00:00:07Z","action":"refused","alias":"champion",'
    b'"before":"2","after":"3","by":"gate","reason":"not better","evidence":{}}\n'
    b'{"sequence":5,"at":"2024-03-01T00:00:08Z","action":"rollback","alias":"champion",'
    b'"before":"2","after":"1","by":"cy","reason":"too many alerts","evidence":{}}\n'
)
MANIFEST = (
    b'{"name":"rides","version":"2","files":{"model.json":{"sha256":'
    b'"275e42e73cc6af7c685aec9c9ff9b79d55895daa3794be130f4f01cb59404b4c","size_bytes":11},'
    b'"model.skops":{"sha256":'
    b'"29d807300a961b0cbdb4f22cc5db866a43d20d87b1e17b7f50c91bab25089940","size_bytes":5}},'
    b'"created_at":"2024-03-01T00:00:02Z","training":{"trained_at":"2024-03-01T00:00:00Z",'
    b'"settings":{"k":20},"data_sha256":'
    b'"abababababababababababababababababababababababababababababababab","rows":1000},'
    b'"metrics":{"alert_rate":0.01},"eddy_version":"unknown"}'
)
FILES = {
    "aliases.json": ALIASES,
    "aliases.jsonl": LOG,
    "versions/2/manifest.json": MANIFEST,
    "versions/2/model.json": b'{"eps":0.2}',
    "versions/2/model.skops": b"trees",
}


class Radius(msgspec.Struct, frozen=True):
    eps: float


def ticking() -> Callable[[], datetime]:
    seconds = count(1)
    return lambda: NOW + timedelta(seconds=next(seconds))


def write(store: Store) -> Registry:
    registry = Registry(store, ticking())
    for i, eps in enumerate((0.1, 0.2, 0.3)):
        registry.register(
            "rides",
            encode_parameters(Radius(eps)),
            training=TRAINING,
            metrics={"alert_rate": 0.01},
            files={"model.skops": b"trees" * i},
        )
    registry.promote("rides", "1", by="ana", reason="the first")
    registry.promote("rides", "2", by="bo", evidence={"gain": 0.25, "interval": [0.1, 0.4]})
    registry.set_alias("rides", "challenger", "latest")
    registry.refuse("rides", "challenger", by="gate", reason="not better")
    registry.rollback("rides", by="cy", reason="too many alerts")
    return registry


def test_what_is_written_has_the_same_bytes_as_before(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(registry_module, "eddy_version", lambda: "unknown")
    write(FolderStore(tmp_path))
    assert {file: (tmp_path / "rides" / file).read_bytes() for file in FILES} == FILES


def test_what_was_written_before_reads_the_same(tmp_path: Path) -> None:
    for file, content in FILES.items():
        path = tmp_path / "before/rides" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    before = Registry(FolderStore(tmp_path / "before"), ticking())
    assert before.load("rides", "2", Radius).parameters == Radius(0.2)
    assert before.aliases("rides") == {"challenger": "3", "champion": "1"}
    assert before.promote("rides", "2").version == "2"
    now = write(FolderStore(tmp_path / "now"))
    assert before.history("rides")[:5] == now.history("rides")


def test_a_bucket_keeps_the_same_log_as_a_folder() -> None:
    history = write(BucketStore(MemoryStore())).history("rides")
    assert b"".join(msgspec.json.encode(change) + b"\n" for change in history) == LOG
