"""A new model: rows read, parameters found, a version registered."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from eddy.app import wiring
from eddy.app.domains import domain
from eddy.app.replay.offsets import offsets
from eddy.app.settings import Settings
from eddy.app.training.payment_rows import PaymentRows
from eddy.app.training.training_rows import Told, TrainingRows
from eddy.datasets.history.interval_totals import IntervalTotals
from eddy.datasets.history.payments.totals import load_totals
from eddy.models.artefact import encode_parameters
from eddy.models.registry.manifest import Training
from eddy.schemas.errors import ConfigError
from eddy.streams.reading import TopicReader
from eddy.training.rides import train as rides
from eddy.training.tpv import train as tpv
from eddy.training.tpv.network import Told as EpochTold

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
    rows = TrainingRows(domain("rides"), COLUMNS, settings.engine.max_skew_s)
    _read_topic(settings, "rides", rows, start, stop, told)
    return rows


def payments_of_files(
    settings: Settings, files: Sequence[Path], zone: str | None, interval_s: int | None, told: Told
) -> PaymentRows:
    """Return the payments of files; zone and length of the intervals as configured, or given."""
    rows, policy_zone = _payment_rows(settings, zone, interval_s)
    rows.read_files(files, policy_zone, told)
    return rows


def payments_of_topic(
    settings: Settings,
    zone: str | None,
    interval_s: int | None,
    start: str | None,
    stop: str | None,
    told: Told,
) -> PaymentRows:
    """Return the payments of the event topic, or of a range of it."""
    rows, _ = _payment_rows(settings, zone, interval_s)
    _read_topic(settings, "tpv", rows, start, stop, told)
    return rows


def totals_of_history(folder: Path, zone: str | None, interval_s: int | None) -> IntervalTotals:
    """Return the interval totals that `eddy tpv history` left in a folder.

    Raises
    ------
    ConfigError, MissingResource
        They are of other intervals than those given, or cannot be read.
    """
    totals = load_totals(folder)
    own = totals.zone, totals.interval_s
    if own != (zone or totals.zone, interval_s or totals.interval_s):
        raise ConfigError(f"--zone, --interval: {folder} holds intervals of {own[1]} s in {own[0]}")
    return totals


def train_rides(settings: Settings, rows: TrainingRows, how: rides.RidesTraining) -> NewModel:
    """Learn from rows and register what was learned.

    Raises
    ------
    ConfigError
        Where the rows or the settings cannot give a detector.
    """
    values = rows.values()
    parameters, metrics = rides.train(values, how)
    training = Training(
        trained_at=datetime.now(UTC),
        settings=msgspec.to_builtins(how),
        data_sha256=rides.data_sha256(values),
        rows=len(values),
    )
    return _registered(settings, "rides", parameters, training, metrics, rows.rejected)


def train_tpv(
    settings: Settings,
    totals: IntervalTotals,
    how: tpv.TpvTraining,
    told: EpochTold,
    rejected: int = 0,
) -> NewModel:
    """Learn from interval totals and register what was learned.

    Raises
    ------
    ConfigError
        Where the totals are too few, or what training needs is not installed.
    """
    parameters, metrics = tpv.train(totals, how, told)
    training = Training(
        trained_at=datetime.now(UTC),
        settings=msgspec.to_builtins(how),
        data_sha256=tpv.data_sha256(totals),
        rows=totals.net.size,
    )
    return _registered(settings, "tpv", parameters, training, metrics, rejected)


def _registered(
    settings: Settings,
    name: str,
    parameters: object,
    training: Training,
    metrics: dict[str, float],
    rejected: int,
) -> NewModel:
    registry = wiring.registry(settings)
    artefact = encode_parameters(parameters)
    version = registry.register(name, artefact, training=training, metrics=metrics)
    return NewModel(
        name=name,
        version=version,
        sha256=registry.resolve(name, version).sha256,
        rows=training.rows,
        rejected=rejected,
        metrics=metrics,
    )


def _payment_rows(
    settings: Settings, zone: str | None, interval_s: int | None
) -> tuple[PaymentRows, str]:
    policy = wiring.policy(settings, domain("tpv"))
    chosen = zone or policy.timezone
    length = interval_s or policy.interval_s
    try:
        return PaymentRows(chosen, length, settings.engine.max_skew_s), chosen
    except ValueError as error:
        raise ConfigError(f"--zone, --interval: {error}") from error


def _read_topic(
    settings: Settings,
    name: str,
    rows: TrainingRows,
    start: str | None,
    stop: str | None,
    told: Told,
) -> None:
    topic = wiring.topics(settings, domain(name)).events
    reader = TopicReader(settings.kafka)
    try:
        begin, end = offsets(reader, topic, start), offsets(reader, topic, stop)
        rows.read_topic(reader, topic, begin, end, told)
    finally:
        reader.close()
