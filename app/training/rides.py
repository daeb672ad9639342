"""Training a model of rides, without labels."""

from collections.abc import Mapping
from typing import Any

from eddy.app import wiring
from eddy.app.domains import domain_row
from eddy.app.settings import Settings
from eddy.app.training.trained_model import (
    TrainedModel,
    TrainingProgress,
    TrainingSource,
    options_of,
    training_of,
)
from eddy.app.training.training_rows import TrainingRows
from eddy.schemas.errors import ConfigError
from eddy.training.rides import train as training
from eddy.training.rides.train import RidesTraining

COLUMNS = ("distance_km", "duration_s")


def train(
    settings: Settings,
    source: TrainingSource,
    options: Mapping[str, Any],
    progress: TrainingProgress,
) -> TrainedModel:
    """Learn from the rides of files or of the event topic; see `eddy.app.domains.row.Trainer`.

    The window is as long as the configured one where `options` say nothing.
    """
    if source.is_empty:
        raise ConfigError("give files, or --topic to learn from the event topic")
    row = domain_row("rides")
    window = wiring.policy(settings, row.domain).window_rides
    training_options = options_of({"window": window, **options}, RidesTraining)
    rows = TrainingRows(row, COLUMNS, settings.engine.max_skew_s)
    progress.step("reading rides")
    rows.read(settings, source, progress.read)
    progress.step("learning from")
    return trained_model(rows, training_options)


def trained_model(rows: TrainingRows, options: RidesTraining) -> TrainedModel:
    """Learn from rows that were read."""
    values = rows.values()
    parameters, metrics = training.train(values, options)
    return TrainedModel(
        parameters=parameters,
        training=training_of(options, training.data_sha256(values), len(values)),
        metrics=metrics,
        learned_from=f"{len(values):,} rides",
        rejected=rows.rejected,
    )
