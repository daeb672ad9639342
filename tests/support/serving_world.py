"""The prediction service in the tests' own process: a registry, its models, and a client."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from eddy.models.artefact import encode_parameters
from eddy.models.detectors.fraud.linear import Linear
from eddy.models.detectors.fraud.packing import package
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.features.names import FEATURES
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry
from eddy.serving.app import build
from eddy.serving.config import ServingConfig
from eddy.serving.following import Following
from eddy.serving.metrics import ServingMetrics

JSON = {"content-type": "application/json"}
NAME = "transactions"


def linear_model(
    seed: int = 0, features: Sequence[str] = FEATURES, boundary: float = 0.2
) -> FraudParameters:
    """Return a linear classifier; another seed is another model."""
    random = np.random.default_rng(seed)
    d = len(features)
    center = random.normal(0.0, 2.0, d)
    return FraudParameters(
        detector="fraud_classifier",
        features=list(features),
        typical=(center + random.normal(0.0, 0.1, d)).tolist(),
        boundary=boundary,
        calibration=None,
        linear=Linear(
            center=center.tolist(),
            scale=random.uniform(0.5, 3.0, d).tolist(),
            coefficients=random.normal(0.0, 1.0, d).tolist(),
            intercept=-2.0,
        ),
        estimator=None,
        smoke=None,
    )


def forest_model(seed: int = 0) -> tuple[FraudParameters, dict[str, bytes]]:
    """Return an isolation forest, and the file with its trees."""
    from sklearn.ensemble import IsolationForest

    rows = some_rows(400, seed=seed)
    forest = IsolationForest(n_estimators=20, random_state=seed).fit(rows)
    return package(
        forest,
        features=FEATURES,
        typical=np.median(rows, axis=0),
        boundary=float(np.quantile(-forest.score_samples(rows), 0.9)),
        smoke_rows=rows[:5],
    )


def some_rows(n: int, d: int = len(FEATURES), seed: int = 7) -> NDArray[np.float64]:
    """Return rows of all sizes, whose floats need all their digits."""
    return np.random.default_rng(seed).normal(0.0, 3.0, (n, d))


def a_registry(root: Path) -> Registry:
    return Registry(FolderStore(root), lambda: datetime.now(UTC))


def put(
    registry: Registry,
    parameters: Any,
    name: str = NAME,
    *,
    files: Mapping[str, bytes] | None = None,
    promote: bool = True,
) -> str:
    """Register a model, and make it the champion; return its version."""
    version = registry.register(
        name,
        encode_parameters(parameters),
        training=Training(trained_at=datetime(2026, 11, 1, tzinfo=UTC), rows=1_000),
        metrics={"average_precision": 0.7},
        files=files or {},
    )
    if promote:
        registry.promote(name, version)
    return version


def corrupt(root: Path, version: str, name: str = NAME) -> None:
    """Flip a bit in the middle of a model's artefact."""
    path = root / name / "versions" / version / "model.json"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class World:
    """A service over a registry in a folder; it looks at the registry when told to."""

    def __init__(
        self,
        root: Path,
        *models: Any,
        parameters_type: type[Any] = FraudParameters,
        **settings: Any,
    ) -> None:
        self.root = root
        self.registry = a_registry(root)
        self.config = replace(ServingConfig(), **settings)
        self.metrics = ServingMetrics()
        for parameters in models:
            put(self.registry, parameters)
        self.following = Following(
            self.registry, self.config.names, parameters_type, self.metrics, interval_s=60.0
        )
        self.following.refresh()
        self.app = build(self.config, self.following, self.metrics)

    def client(self, **options: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app=self.app)
        return httpx.AsyncClient(transport=transport, base_url="http://eddy", **options)

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask once."""

        async def once() -> httpx.Response:
            async with self.client() as client:
                return await client.request(method, path, **options)

        return asyncio.run(once())

    def post(self, path: str, body: Any, **options: Any) -> httpx.Response:
        """Ask with a JSON body, given as bytes or as what is to become JSON."""
        if isinstance(body, bytes):
            return self.ask("POST", path, content=body, headers=JSON, **options)
        return self.ask("POST", path, json=body, **options)

    def metric(self, name: str, /, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)
