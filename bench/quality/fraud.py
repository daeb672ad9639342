"""Fraud: the Handbook's simulated card transactions, prequentially.

Four test weeks, the last from 2018-08-29; each is judged by a model of what came a delay of seven
days before (Fraud Detection Handbook, chapter 5). Cards with a fraud known from the week before the
delay leave the test. Card precision@100: of the hundred cards with the highest scores of a day, the
share defrauded that day. Random: the same scores in random order.
"""

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from bench.quality.rows import Case, Row, Target
from eddy.datasets.history.transactions import labelled_records
from eddy.models.labels import Labels
from eddy.training.transactions.evaluation import Evaluated, evaluate
from eddy.training.transactions.preparation import prepare
from eddy.training.transactions.settings import Evaluation, Parameters, TrainSettings
from eddy.training.transactions.table import TrainingTable
from eddy.training.transactions.table_files import read_table

DATASET = "card transactions, prequential"
HANDBOOK = "handbook/handbook-raw.parquet"
CLASSIFIER, FOREST = "eddy, classifier", "eddy, isolation forest"
FIGURES = {"average_precision": "AP", "card_precision_100": "card precision@100", "auc": "AUROC"}
PROTOCOL = Evaluation(last_test_start="2018-08-29", resamples=10)


@cache
def table(folder: Path) -> TrainingTable:
    """Return the training table of all transactions, as `eddy prepare` makes it."""
    with tempfile.TemporaryDirectory() as aside:
        path = Path(aside) / "table.parquet"
        records = labelled_records(folder / HANDBOOK)
        prepare(records, Labels.of(()), Parameters().prepare, path)
        return read_table(path)


def evaluated(folder: Path, settings: TrainSettings) -> Evaluated:
    """Train and test by the protocol, with these settings of training."""
    return evaluate(table(folder), Parameters(train=settings, evaluate=PROTOCOL))


def measure(folder: Path) -> Iterator[Row]:
    """Yield the figures of the default classifier and of the default isolation forest."""
    ways = {CLASSIFIER: TrainSettings(), FOREST: TrainSettings(kind="isolation_forest")}
    for detector, settings in ways.items():
        evaluation = evaluated(folder, settings)
        for name, metric in FIGURES.items():
            value, chance = evaluation.figures[name].value, evaluation.random[name].value
            yield Row(DATASET, detector, metric, value, chance)


def sensitivity(folder: Path, console: Console) -> None:
    """Print how the algorithm and the days of training change the figures."""
    shown = Table("algorithm", "days", *FIGURES.values(), "cards flagged", title=DATASET)
    for algorithm in ("random_forest", "hist_gradient_boosting"):
        for days in (7, 28, 60, 100):
            changes = {"algorithm": algorithm, "train_days": days}
            figures = evaluated(folder, msgspec.structs.replace(TrainSettings(), **changes)).figures
            cells = [f"{figures[name].value:.3f}" for name in FIGURES]
            flagged = f"{figures['cards_flagged_a_day'].value:.0f}"
            shown.add_row(algorithm, str(days), *cells, flagged)
    console.print(shown)


CASES = (
    Case(
        name="fraud",
        files=(HANDBOOK,),
        measure=measure,
        targets=(
            Target(DATASET, CLASSIFIER, "AP", 0.70),
            Target(DATASET, CLASSIFIER, "card precision@100", 0.306),
            Target(DATASET, FOREST, "AUROC", 0.84),
            Target(DATASET, FOREST, "AP", 0.28),
        ),
        sensitivity=sensitivity,
    ),
)
