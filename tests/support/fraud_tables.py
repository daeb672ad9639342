"""Training tables to test with: days of card transactions whose frauds can be told, mostly."""

from dataclasses import replace

import numpy as np

from eddy.models.features.names import FEATURES
from eddy.training.transactions.settings import (
    Evaluation,
    ForestSettings,
    GateSettings,
    Isolation,
    Parameters,
    Threshold,
    TrainSettings,
)
from eddy.training.transactions.table import DAY_US, FRAUD, GENUINE, TrainingTable, empty

START_US = 1_700_006_400_000_000  # a midnight

QUICK = Parameters(
    train=TrainSettings(
        train_days=14,
        random_forest=ForestSettings(trees=12, min_rows_leaf=3, rows_share=0.8),
        isolation_forest=Isolation(trees=20),
        threshold=Threshold(cards_per_day=6.0),
    ),
    evaluate=Evaluation(folds=2, resamples=50, cards_a_day=6),
    gate=GateSettings(cards_per_day=6.0, budget_slack=0.5, resamples=200),
)
"""Parameters for a table of some thousand rows."""


def table(days: int = 49, rows_a_day: int = 120, seed: int = 1, signal: float = 3.0):
    """Return a table of 5 % frauds, which have higher amounts and riskier terminals."""
    random = np.random.default_rng(seed)
    n = days * rows_a_day
    made = empty(FEATURES, n)
    made.events[:] = random.permutation(n).astype(np.uint64) + np.uint64(1)
    made.cards[:] = random.integers(1, 400, n).astype(np.uint64)
    made.occurred_at[:] = START_US + np.sort(random.integers(0, days * DAY_US, n))
    fraud = random.random(n) < 0.05
    made.is_fraud[:] = np.where(fraud, FRAUD, GENUINE)
    made.labelled_at[:] = made.occurred_at + 7 * DAY_US
    made.features[:] = random.normal(size=(n, len(FEATURES)))
    made.features[:, FEATURES.index("amount")] = random.exponential(50, n) * (1 + fraud * signal)
    made.features[:, FEATURES.index("terminal_risk_7d")] += fraud * signal
    return made


def without_labels_after(made: TrainingTable, days: float) -> TrainingTable:
    """Return the table as it was `days` after its start: later verdicts are not known."""
    unknown = made.labelled_at > START_US + round(days * DAY_US)
    return replace(
        made,
        is_fraud=np.where(unknown, -1, made.is_fraud).astype(np.int8),
        labelled_at=np.where(unknown, np.iinfo(np.int64).max, made.labelled_at),
    )
