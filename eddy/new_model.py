"""A new model of rides: rows read, parameters found, a version registered."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from eddy import wiring
from eddy.offsets import offsets
from eddy.settings import Settings
from eddy.training_rows import Told, TrainingRows
from models.domains import domain
from models.registry.artefact import encode_parameters
from models.registry.registry import Training
from models.training import rides
from streams.reading import TopicReader

COLUMNS = ("distance_km", "duration_s")


class NewModel(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a training.

    Attributes
    ----------
    rejected : int
        Records read that are no events, and so were left out.
    """

    name: str
    version: str
    sha256: str
    rows: int
    rejected: int
    metrics: dict[str, float]


def rows_of_files(settings: Settings, files: Sequence[Path], zone: str, told: Told) -> TrainingRows:
    """Return the rides of files."""
    rows = TrainingRows(domain("rides"), COLUMNS, settings.engine.max_skew_s)
    rows.read_files(files, zone, told)
    return rows


def rows_of_topic(
    settings: Settings, start: str | None, stop: str | None, told: Told
) -> TrainingRows:
    """Return the rides of the event topic, or of a range of it."""
    chosen = domain("rides")
    rows = TrainingRows(chosen, COLUMNS, settings.engine.max_skew_s)
    topic = wiring.topics(settings, chosen).events
    reader = TopicReader(settings.kafka)
    try:
        begin, end = offsets(reader, topic, start), offsets(reader, topic, stop)
        rows.read_topic(reader, topic, begin, end, told)
    finally:
        reader.close()
    return rows


def train_rides(settings: Settings, rows: TrainingRows, how: rides.RidesTraining) -> NewModel:
    """Learn from rows and register what was learned.

    Raises
    ------
    ConfigError
        Where the rows or the settings cannot give a detector.
    """
    values = rows.values()
    parameters, metrics = rides.train(values, how)
    registry = wiring.registry(settings)
    version = registry.register(
        "rides",
        encode_parameters(parameters),
        training=Training(
            trained_at=datetime.now(UTC),
            settings=msgspec.to_builtins(how),
            data_sha256=rides.data_sha256(values),
            rows=len(values),
        ),
        metrics=metrics,
    )
    return NewModel(
        name="rides",
        version=version,
        sha256=registry.resolve("rides", version).sha256,
        rows=len(values),
        rejected=rows.rejected,
        metrics=metrics,
    )
