"""Days of card transactions, small and quick: frauds pay more, so that there is much to learn."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from eddy.models.features.names import FEATURES
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.decisions import Decisions
from eddy.schemas.keys import hash_text
from eddy.schemas.labels import Label
from eddy.training.transactions.table import TrainingTable

START = datetime(2026, 3, 2, tzinfo=UTC)
MODEL = ModelRef(name="transactions", version="1", sha256="0" * 64, trained_at=START)


def event_id(day: int, row: int) -> str:
    return f"d{day:03d}-{row:05d}"


def write_day(
    folder: Path,
    day: int,
    rows: int = 400,
    *,
    fraud_share: float = 0.08,
    amount_factor: float = 1.0,
    labelled: bool = True,
    name: str = "",
) -> Path:
    """Write a day as JSON lines; the same arguments give the same bytes."""
    rng = np.random.default_rng(day)
    at = np.sort(rng.integers(0, 86_400, rows))
    is_fraud = rng.random(rows) < fraud_share
    amounts = np.where(is_fraud, rng.uniform(150, 400, rows), rng.gamma(2, 20, rows))
    lines = []
    for row in range(rows):
        moment = START + timedelta(days=day, seconds=int(at[row]))
        line = {
            "event_id": event_id(day, row),
            "occurred_at": moment.isoformat(),
            "card_token": f"card-{rng.integers(0, 4_000)}",
            "terminal_id": f"terminal-{rng.integers(0, 20)}",
            "amount": round(float(amounts[row]) * amount_factor, 2),
        }
        if labelled:
            line["is_fraud"] = bool(is_fraud[row])
            line["labelled_at"] = (moment + timedelta(hours=6)).isoformat()
        lines.append(json.dumps(line))
    path = folder / (name or f"day-{day:03d}.jsonl")
    path.write_text("\n".join(lines) + "\n")
    return path


def decisions(
    n: int,
    seed: int = 0,
    *,
    first: int = 0,
    start: datetime = START,
    names: Sequence[str] = FEATURES,
    amount_factor: float = 1.0,
    prefix: str = "e",
) -> tuple[Decisions, np.ndarray]:
    """Return n decisions, a minute apart, and which are frauds; their ids: prefix and number."""
    rng = np.random.default_rng(seed)
    is_fraud = rng.random(n) < 0.1
    features = rng.normal(size=(n, len(names)))
    place = list(names).index("amount")
    features[:, place] = np.where(is_fraud, rng.uniform(150, 400, n), rng.gamma(2, 20, n))
    features[:, place] *= amount_factor
    begin = int(start.timestamp()) * 1_000_000
    made = Decisions(
        topic="events.transactions",
        partition=0,
        model=MODEL,
        challenger=None,
        names=list(names),
        offsets=np.arange(first, first + n),
        occurred_at=begin + 60_000_000 * np.arange(first, first + n),
        events=np.array([hash_text(f"{prefix}{k}") for k in range(first, first + n)], np.uint64),
        cards=rng.integers(1, 4_000, n).astype(np.uint64),
        features=features,
        scores=rng.random(n),
        challenger_scores=np.empty(0),
    )
    return made, is_fraud


def labels(
    is_fraud: np.ndarray,
    first: int = 0,
    *,
    late: timedelta = timedelta(days=1),
    prefix: str = "e",
) -> list[Label]:
    """Return the labels of decisions, in the order in which they became known."""
    return [
        Label(
            event_id=f"{prefix}{first + row}",
            verdict="fraud" if flag else "genuine",
            labelled_at=START + timedelta(minutes=first + row) + late,
        )
        for row, flag in enumerate(is_fraud.tolist())
    ]


def table_of(made: Decisions, is_fraud: np.ndarray) -> TrainingTable:
    """Return the same rows as a training table, all labelled at once."""
    n = len(made)
    return TrainingTable(
        names=tuple(made.names),
        events=made.events,
        cards=made.cards,
        occurred_at=made.occurred_at,
        features=made.features,
        is_fraud=is_fraud.astype(np.int8),
        labelled_at=made.occurred_at,
        scores=made.scores,
        weights=np.ones(n),
    )
