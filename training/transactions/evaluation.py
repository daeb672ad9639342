"""Evaluate: how good a way of training is, or a model; always beside a random scorer."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from eddy.models.detectors.fraud.scorer import Scorer
from eddy.schemas.errors import ConfigError
from eddy.training.transactions import fraud_metrics as metrics
from eddy.training.transactions import intervals
from eddy.training.transactions.fraud_metrics import Figure, ScoredRows
from eddy.training.transactions.intervals import ConfidenceInterval
from eddy.training.transactions.prequential import Fold, folds, rows_seen
from eddy.training.transactions.settings import Evaluation, Parameters, TrainSettings
from eddy.training.transactions.table import TrainingTable
from eddy.training.transactions.train import moment, text, train_until


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """One test window, and what was found in it.

    Attributes
    ----------
    first, stop : str
        RFC 3339.
    rows, frauds : int
        Labelled, less the cards known to be defrauded.
    figures : dict of str to float
    """

    first: str
    stop: str
    rows: int
    frauds: int
    figures: dict[str, float]


class Evaluated(msgspec.Struct, frozen=True, kw_only=True):
    """What an evaluation found.

    Attributes
    ----------
    what : str
        Whose figures these are.
    figures, random : dict of str to Interval
        Means over the windows; those of the same scores in random order.
    windows : list of Window
    notes : list of str
        What keeps the figures from being what they seem.
    """

    what: str
    figures: dict[str, ConfidenceInterval]
    random: dict[str, ConfidenceInterval]
    windows: list[Window]
    notes: list[str] = []


def figures_of(settings: Evaluation, learning: TrainSettings) -> dict[str, Figure]:
    """Return the figures by name."""
    threshold = learning.threshold
    return {
        "auc": metrics.auc,
        "average_precision": metrics.average_precision,
        f"card_precision_{settings.cards_a_day}": metrics.card_precision(settings.cards_a_day),
        "cards_flagged_a_day": metrics.cards_flagged,
        "precision": metrics.precision,
        "recall": metrics.recall,
        "cost_a_day": metrics.daily_cost(threshold.alert_cost, threshold.missed_share),
        "calibration_error": metrics.calibration_error,
    }


def evaluate(table: TrainingTable, parameters: Parameters) -> Evaluated:
    """Return how good the way of training is, each test window being judged by what came before.

    Raises
    ------
    ConfigError
        There are too few labelled rows for the windows asked for.
    """
    settings, learning = parameters.evaluate, parameters.train
    windows = _folds(table, parameters)
    scored = []
    for fold in windows:
        trained = train_until(table, learning, fold.learn_until_us, fold.test_start_us)
        scored.append(_scored(table, fold, trained.scorer, settings))
    what = f"{learning.kind}, trained anew for each window on {learning.train_days} days"
    return _evaluated(what, windows, scored, parameters, [])


def evaluate_model(
    table: TrainingTable,
    scorer: Scorer,
    parameters: Parameters,
    what: str,
    learned_until: str | None = None,
) -> Evaluated:
    """Return how good a model is on the newest labelled windows after what it learned from.

    Parameters
    ----------
    table : TrainingTable
    scorer : Scorer
    parameters : Parameters
    what : str
        Names it.
    learned_until : str, optional
        The end of its training rows, as its manifest has it; without it nobody knows whether it
        has seen the test rows.

    Raises
    ------
    ConfigError
        It has learned from all labelled rows.
    """
    settings, notes = parameters.evaluate, []
    windows = _folds(table, parameters)
    if learned_until is None:
        notes.append("it is not known what the model learned from: it may have seen these rows")
    else:
        until = moment(learned_until)
        windows = [fold for fold in windows if fold.test_start_us >= until]
    if not windows:
        raise ConfigError(
            f"{what} learned from rows up to {learned_until}: no later window of "
            f"{settings.test_days} days has labels; evaluate the way of training, or wait for "
            "labels"
        )
    scored = [_scored(table, fold, scorer, settings) for fold in windows]
    return _evaluated(what, windows, scored, parameters, notes)


def _folds(table: TrainingTable, parameters: Parameters) -> list[Fold]:
    settings, delay_days = parameters.evaluate, parameters.train.delay_days
    return folds(table, settings.folds, settings.test_days, delay_days, settings.last_test_start)


def _scored(table: TrainingTable, fold: Fold, scorer: Scorer, settings: Evaluation) -> ScoredRows:
    return scored_rows(rows_seen(table, fold, settings.known_days), fold, scorer)


def scored_rows(rows: TrainingTable, fold: Fold, scorer: Scorer) -> ScoredRows:
    """Return the labelled rows of a fold's window with a model's scores.

    Parameters
    ----------
    rows : TrainingTable
        All of the window, labelled or not: alerts are counted on both.
    fold : Fold
    scorer : Scorer

    Raises
    ------
    ConfigError
        There are no frauds among them, or the table lacks a feature.
    """
    if not rows.frauds.any():
        raise ConfigError(f"no known fraud in the window from {text(fold.test_start_us)} on")
    seen = _scored_by(scorer, rows, fold)
    if rows.labelled.all():
        return seen
    return replace(_scored_by(scorer, rows.rows(rows.labelled), fold), seen=seen)


def _scored_by(scorer: Scorer, rows: TrainingTable, fold: Fold) -> ScoredRows:
    wanted = rows.columns(scorer.features)
    return ScoredRows.of(rows, fold.test_start_us, scorer.score(wanted), scorer.probability(wanted))


def shuffled(scored: Sequence[ScoredRows], seed: int) -> list[ScoredRows]:
    """Return the same scores in random order: as many alerts, at random."""
    random, out = np.random.default_rng(seed), []
    for rows in scored:
        mixed = _in_random_order(rows, random)
        if rows.seen is not None:
            mixed = replace(mixed, seen=_in_random_order(rows.seen, random))
        out.append(mixed)
    return out


def _in_random_order(rows: ScoredRows, random: np.random.Generator) -> ScoredRows:
    order = random.permutation(len(rows))
    return rows.with_scores(rows.scores[order], rows.probabilities[order])


def _evaluated(
    what: str,
    windows: Sequence[Fold],
    scored: Sequence[ScoredRows],
    parameters: Parameters,
    notes: list[str],
) -> Evaluated:
    settings = parameters.evaluate
    figures = figures_of(settings, parameters.train)
    return Evaluated(
        what=what,
        figures=_intervals(scored, figures, settings),
        random=_intervals(shuffled(scored, settings.seed), figures, settings),
        windows=[
            Window(
                first=text(fold.test_start_us),
                stop=text(fold.test_stop_us),
                rows=len(rows),
                frauds=int(rows.is_fraud.sum()),
                figures={name: intervals.value([rows], figure) for name, figure in figures.items()},
            )
            for fold, rows in zip(windows, scored, strict=True)
        ],
        notes=notes,
    )


def _intervals(
    scored: Sequence[ScoredRows], figures: dict[str, Figure], settings: Evaluation
) -> dict[str, ConfidenceInterval]:
    return {
        name: intervals.with_interval(
            scored, figure, settings.resamples, settings.confidence, settings.seed
        )
        for name, figure in figures.items()
    }
