"""A registry in a bucket, spoken to as every client of S3 does."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import uuid4

import boto3
import msgspec
import pytest
from moto.server import ThreadedMotoServer

from eddy.app import settings, wiring
from eddy.models.artefact import encode_parameters
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import DamagedModel, Unavailable

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Radius(msgspec.Struct, frozen=True):
    eps: float


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    yield environment["AWS_ENDPOINT_URL"]
    server.stop()


def open_registry(bucket: str) -> Registry:
    return wiring.registry(settings.load(None, {"storage.registry": f"s3://{bucket}/models"}))


def register(registry: Registry, eps: float) -> str:
    files = {"model.skops": b"trees"}
    artefact = encode_parameters(Radius(eps))
    training = Training(trained_at=NOW)
    return registry.register("rides", artefact, training=training, metrics={}, files=files)


def test_models_in_a_bucket(endpoint: str) -> None:
    bucket = f"models-{uuid4().hex[:8]}"  # this process' servers share theirs
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket=bucket)
    registry = open_registry(bucket)
    assert registry.names() == []
    register(registry, 0.1), register(registry, 0.2)
    registry.promote("rides", "1", by="ana")
    registry.promote("rides", "2", by="bo")
    registry.rollback("rides", by="cy")
    other = open_registry(bucket)
    assert other.names() == ["rides"]
    assert other.load("rides", "champion", Radius).parameters == Radius(0.1)
    assert [change.by for change in other.history("rides")] == ["ana", "bo", "cy"]

    with ThreadPoolExecutor(4) as threads:
        versions = list(threads.map(lambda eps: register(open_registry(bucket), eps), [0.3] * 8))
        list(threads.map(lambda v: open_registry(bucket).promote("rides", v), versions))
    assert sorted(versions, key=int) == [str(n) for n in range(3, 11)]
    history = registry.history("rides")
    assert [change.sequence for change in history] == list(range(1, 12))
    assert registry.resolve("rides", "champion").version == history[-1].after

    client.put_object(Bucket=bucket, Key="models/rides/versions/2/model.skops", Body=b"TREES")
    with pytest.raises(DamagedModel, match=r"model\.skops"):
        registry.load("rides", "2", Radius)


def test_a_bucket_that_is_not_there_is_unavailable(endpoint: str) -> None:
    with pytest.raises(Unavailable, match=r"storage\.registry"):
        register(open_registry("nobody-made-this-one"), 0.1)
