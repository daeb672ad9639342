"""Plain vectors: the ULB card transactions in time order, and the twelve sets of ADBench.

ULB: trained below 120,954 s (two thirds of the time), tested after; normals stand for 25.73 rows
each, because the file holds every fraud and a share of the others. ADBench (Han et al. 2022): an
isolation forest sees each whole set, without labels, and ranks it. Means over three seeds.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.metrics import roc_auc_score

from bench.quality.rows import Case, Labels, Row, Target
from eddy.datasets.history.transactions import labelled_records
from eddy.models.arrays import Floats
from eddy.models.features.names import component
from eddy.models.labels import Labels as EventLabels
from eddy.training.transactions import fraud_metrics as metrics
from eddy.training.transactions import intervals
from eddy.training.transactions.estimators import fit, raw
from eddy.training.transactions.evaluation import scored_rows, shuffled
from eddy.training.transactions.preparation import prepare
from eddy.training.transactions.prequential import Fold
from eddy.training.transactions.settings import Parameters, Threshold, TrainSettings
from eddy.training.transactions.table import NO_TIME, TrainingTable
from eddy.training.transactions.table_files import read_table
from eddy.training.transactions.train import train_until

ULB = "creditcard/ulb_fullprecision_sample.parquet"
ULB_DATASET = "ULB card transactions, time-ordered"
BOOSTING, FOREST = "eddy, boosted trees", "eddy, isolation forest"
NORMAL_WEIGHT = 25.73
SPLIT_S = 120_954
ADBENCH_DATASET = "ADBench, twelve sets"
SETS = (
    "23_mammography",
    "25_musk",
    "29_Pima",
    "2_annthyroid",
    "30_satellite",
    "31_satimage-2",
    "32_shuttle",
    "34_smtp",
    "38_thyroid",
    "42_WBC",
    "43_WDBC",
    "6_cardio",
)
_SEEDS = 3
_RANDOM_SEEDS = 20


def ulb_table(folder: Path) -> TrainingTable:
    """Return the training table of the transactions that cover both days."""
    source = pq.read_table(folder / ULB)
    is_fraud = np.asarray(source["Class"]) == 1
    weight = np.where(is_fraud, 1.0, NORMAL_WEIGHT)
    kept = is_fraud | np.asarray(source["full_span"])
    source = source.append_column("weight", pa.array(weight)).filter(pa.array(kept))
    with tempfile.TemporaryDirectory() as aside:
        rows, path = Path(aside) / "ulb.parquet", Path(aside) / "table.parquet"
        pq.write_table(source.sort_by("Time"), rows)
        prepare(labelled_records(rows), EventLabels.of(()), Parameters().prepare, path)
        return read_table(path)


def measure_ulb(folder: Path) -> Iterator[Row]:
    """Yield the figures of a classifier and of an isolation forest on rows after the split."""
    table = ulb_table(folder)
    start = int(table.occurred_at[0])
    fold = Fold(*(start + at * 1_000_000 for at in (SPLIT_S, SPLIT_S, 200_000)))
    rows = table.rows(table.between(fold.test_start_us, fold.test_stop_us))
    features = ["amount", *(component(k) for k in range(1, 29))]
    common: dict[str, Any] = {
        "features": features,
        "train_days": 2,
        "calibration_days": 1,
        "delay_days": 0.0,
        "threshold": Threshold(by="cost"),  # cards a day cannot be counted on a sample
    }
    ways = {
        BOOSTING: TrainSettings(algorithm="hist_gradient_boosting", **common),
        FOREST: TrainSettings(kind="isolation_forest", **common),
    }
    for detector, settings in ways.items():
        variants = [msgspec.structs.replace(settings, seed=seed) for seed in range(_SEEDS)]
        models = [
            train_until(table, variant, fold.learn_until_us, NO_TIME - 1) for variant in variants
        ]
        scored = [scored_rows(rows, fold, model.scorer) for model in models]
        for name, figure in (("AUROC", metrics.auc), ("AP", metrics.average_precision)):
            chance = [intervals.value(shuffled(scored, s), figure) for s in range(_RANDOM_SEEDS)]
            value = intervals.value(scored, figure)
            yield Row(ULB_DATASET, detector, name, value, float(np.mean(chance)))


def measure_adbench(folder: Path) -> Iterator[Row]:
    """Yield the forest's AUROC on each set, and their mean."""
    pairs = []
    for name in SETS:
        with np.load(folder / f"adbench/{name}.npz") as file:
            X, y = np.asarray(file["X"], np.float64), file["y"] == 1
        value = float(np.mean([roc_auc_score(y, _isolated(X, seed)) for seed in range(_SEEDS)]))
        chance = float(np.mean([_chance(y, seed) for seed in range(_RANDOM_SEEDS)]))
        pairs.append((value, chance))
        yield Row(f"ADBench {name}", FOREST, "AUROC", value, chance)
    mean, chance = np.mean(pairs, axis=0).tolist()
    yield Row(ADBENCH_DATASET, FOREST, "mean AUROC", mean, chance)


def _isolated(X: Floats, seed: int) -> Floats:
    settings = TrainSettings(kind="isolation_forest", seed=seed)
    return raw(fit(settings, X, np.zeros(len(X), bool), np.ones(len(X))), X)


def _chance(y: Labels, seed: int) -> float:
    return float(roc_auc_score(y, np.random.default_rng(seed).random(len(y))))


CASES = (
    Case(
        name="ulb",
        files=(ULB,),
        measure=measure_ulb,
        targets=(
            Target(ULB_DATASET, BOOSTING, "AUROC", 0.98),
            Target(ULB_DATASET, BOOSTING, "AP", 0.80),
        ),
    ),
    Case(
        name="adbench",
        files=tuple(f"adbench/{name}.npz" for name in SETS),
        measure=measure_adbench,
        targets=(Target(ADBENCH_DATASET, FOREST, "mean AUROC", 0.90),),
    ),
)
