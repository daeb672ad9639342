"""Training a model of merchants' payment volume."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eddy.app import wiring
from eddy.app.domains import domain
from eddy.app.settings import Settings
from eddy.app.training.payment_rows import PaymentRows
from eddy.app.training.trained_model import (
    TrainedModel,
    TrainingProgress,
    TrainingSource,
    options_of,
    training_of,
)
from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.datasets.history.payments.totals import load_totals
from eddy.schemas.errors import ConfigError
from eddy.training.tpv import train as training
from eddy.training.tpv.train import TpvTraining


def train(
    settings: Settings,
    source: TrainingSource,
    options: Mapping[str, Any],
    progress: TrainingProgress,
) -> TrainedModel:
    """Learn from the payments of a source; see `eddy.app.domains.row.Trainer`.

    Options beside those of `TpvTraining`: ``history``, the folder that ``eddy tpv history`` filled,
    to learn from instead; ``interval``, seconds an interval. Zone and length of the intervals are
    those configured where nothing says otherwise.
    """
    others = dict(options)
    history, interval = others.pop("history", None), others.pop("interval", None)
    training_options = options_of(others, TpvTraining)
    if source.is_empty == (history is None):
        raise ConfigError("give files, or --topic to learn from the event topic, or --history")
    length = None if interval is None else int(interval)
    progress.step("reading payments")
    if history is not None:
        totals, rejected = totals_of_history(Path(history), source.zone, length), 0
        payments = int(totals.payments.sum())
    else:
        rows = _payments(settings, source, length, progress)
        totals, rejected, payments = rows.totals(), rows.rejected, rows.added
    progress.step("learning from")
    parameters, metrics = training.train(
        totals, training_options, lambda done, most: progress.step("epochs", done, most)
    )
    return TrainedModel(
        parameters=parameters,
        training=training_of(training_options, training.data_sha256(totals), totals.net.size),
        metrics=metrics,
        learned_from=f"{payments:,} payments",
        rejected=rejected,
    )


def totals_of_history(folder: Path, zone: str | None, interval_s: int | None) -> IntervalTotals:
    """Return the interval totals that `eddy tpv history` left in a folder.

    Raises
    ------
    ConfigError, MissingResource
        They are of other intervals than those given, or cannot be read.
    """
    totals = load_totals(folder)
    present = totals.zone, totals.interval_s
    if present != (zone or totals.zone, interval_s or totals.interval_s):
        raise ConfigError(
            f"--zone, --interval: {folder} holds intervals of {present[1]} s in {present[0]}"
        )
    return totals


def _payments(
    settings: Settings, source: TrainingSource, interval_s: int | None, progress: TrainingProgress
) -> PaymentRows:
    policy = wiring.policy(settings, domain("tpv"))
    zone = source.zone or policy.timezone
    try:
        rows = PaymentRows(zone, interval_s or policy.interval_s, settings.engine.max_skew_s)
    except ValueError as error:
        raise ConfigError(f"--zone, --interval: {error}") from error
    rows.read(settings, source, progress.read, zone)
    return rows
