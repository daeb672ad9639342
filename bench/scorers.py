"""What a scorer of transactions costs a row, beside scikit-learn on the same rows.

``python -m bench.scorers``: learns from four weeks of the Fraud Detection Handbook's transactions
(simulated ones where its file is not at hand), scores 8,000 later ones on one core, and explains
as many as a busy day flags. CPU time, the least of several runs.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from bench.transactions import DAY_US, payments
from eddy.models.arrays import Floats
from eddy.models.detectors.fraud.isolation_forest import fit_isolation_forest
from eddy.models.detectors.fraud.packing import package
from eddy.models.detectors.fraud.scorer import Scorer
from eddy.models.domains.transactions.default import default_model
from eddy.models.features.names import FEATURES
from eddy.models.features.transaction_history import features_of

_FIRST_DAY, _LAST_DAY = 60, 88
_SCORED, _EXPLAINED = 8_000, 100
_RUNS = 15


def nanoseconds(run: Callable[[], object], rows: int) -> float:
    """Return what a row costs, in CPU time."""
    least = float("inf")
    for _ in range(_RUNS):
        begin = time.thread_time_ns()
        run()
        least = min(least, time.thread_time_ns() - begin)
    return least / rows


def rows() -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Return the rows to learn from, their labels, and the rows to score."""
    table = payments()
    X = features_of(table.rows(), table.labels())
    day = (table.occurred_at - table.occurred_at[0]) // DAY_US
    learned = (day >= _FIRST_DAY) & (day < _LAST_DAY)
    later = np.flatnonzero(day >= _LAST_DAY + 7)[:_SCORED]
    return X[learned], table.is_fraud[learned], X[later]


def models(X: Floats, y: NDArray[np.bool_]) -> Iterator[tuple[str, Scorer, Any]]:
    """Yield a name, the scorer, and scikit-learn's own estimator."""
    options: dict[str, Any] = {
        "features": FEATURES,
        "typical": np.median(X, axis=0),
        "boundary": 0.3,
    }
    for name, estimator in (
        ("forest, 100 x depth 20", RandomForestClassifier(100, max_depth=20, random_state=0)),
        ("boosting, 100 x 31 leaves", HistGradientBoostingClassifier(random_state=0)),
    ):
        parameters, files = package(estimator.fit(X, y), smoke_rows=X[:16], **options)
        yield name, parameters.opened(files), estimator
    forest, parameters, files = fit_isolation_forest(
        X, features=FEATURES, expected_alert_share=0.01
    )
    yield "isolation forest, 100 x 256", parameters.opened(files), forest
    yield "linear (the default model)", default_model().parameters, None


def main() -> None:
    """Measure and print."""
    X, y, scored = rows()
    print(f"learned from {len(X):,} rows, {int(y.sum()):,} frauds; ns a row")
    print(f"{'':28}{'score':>8}{'reasons':>9}{'scikit-learn':>14}{'one row':>9}")
    for name, scorer, estimator in models(X, y):
        peer = getattr(estimator, "predict_proba", getattr(estimator, "score_samples", None))
        costs = (
            nanoseconds(partial(scorer.score, scored), _SCORED),
            nanoseconds(partial(scorer.contributions, scored[:_EXPLAINED]), _EXPLAINED),
            nanoseconds(partial(peer, scored), _SCORED) if peer else float("nan"),
            nanoseconds(partial(scorer.score, scored[:1]), 1),
        )
        print(f"{name:28}{costs[0]:8,.0f}{costs[1]:9,.0f}{costs[2]:14,.0f}{costs[3]:9,.0f}")


if __name__ == "__main__":
    main()
