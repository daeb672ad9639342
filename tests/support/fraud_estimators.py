"""Small estimators of fraud for tests, fitted once each."""

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from eddy.models.detectors.fraud.calibration import Calibration
from eddy.models.detectors.fraud.packing import package
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.features.names import FEATURES

Files = dict[str, bytes]

BOUNDARY = 0.3


@cache
def rows(n: int = 1200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows like transactions: counts, amounts and risks; fraud where two of them are high."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(2.0, 10.0, (n, len(FEATURES)))
    X[:, 1:3] = rng.random((n, 2)) < 0.2
    X[:, 3:9:2] = rng.poisson(4.0, (n, 3))
    y = X[:, 0] / 40 + X[:, 12] / 50 + 0.2 * rng.normal(size=n) > 1.5
    X.flags.writeable = y.flags.writeable = False
    return X, y


@cache
def fitted(kind: str) -> Any:
    from sklearn.ensemble import (
        ExtraTreesClassifier,
        HistGradientBoostingClassifier,
        IsolationForest,
        RandomForestClassifier,
    )
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    made = {
        "forest": lambda: RandomForestClassifier(12, max_depth=12, random_state=1),
        "forest, balanced": lambda: RandomForestClassifier(
            8, class_weight="balanced_subsample", max_features=None, random_state=2
        ),
        "forest, best first": lambda: RandomForestClassifier(5, max_leaf_nodes=30, random_state=3),
        "extra trees": lambda: ExtraTreesClassifier(7, max_depth=14, random_state=4),
        "boosting": lambda: HistGradientBoostingClassifier(max_iter=20, random_state=5),
        "isolation forest": lambda: IsolationForest(n_estimators=15, random_state=6),
        "isolation forest, some features": lambda: IsolationForest(
            n_estimators=10, max_samples=100, max_features=0.4, random_state=7
        ),
        "linear": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        "linear, as it is": lambda: LogisticRegression(C=0.01, max_iter=5000),
    }
    # threads that wait for one another cost more than they bring, of so few rows
    with threadpool_limits(1):
        return made[kind]().fit(*rows())


TREES = (
    "forest",
    "forest, balanced",
    "forest, best first",
    "extra trees",
    "boosting",
    "isolation forest",
    "isolation forest, some features",
)
KINDS = (*TREES, "linear", "linear, as it is")


def outputs(estimator: Any, X: np.ndarray) -> np.ndarray:
    """What scikit-learn itself says."""
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(X)[:, 1])
    return np.asarray(-estimator.score_samples(X))


@cache
def packaged(kind: str, is_calibrated: bool = False) -> tuple[FraudParameters, Files]:
    X, _ = rows()
    return package(
        fitted(kind),
        features=FEATURES,
        typical=np.median(X, axis=0),
        boundary=BOUNDARY,
        smoke_rows=X[:6],
        calibration=Calibration(slope=1.7, intercept=-0.4) if is_calibrated else None,
    )


def altered(
    content: bytes,
    schema: Callable[[dict[str, Any]], None] = lambda _: None,
    members: Callable[[Files], None] = lambda _: None,
) -> bytes:
    """A file of an estimator after somebody worked on its schema and its members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    tree = json.loads(held["schema.json"])
    schema(tree)
    held["schema.json"] = json.dumps(tree).encode()
    members(held)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in held.items():
            archive.writestr(name, data)
    return out.getvalue()


def array_file(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    """An array in numpy's own format."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()
