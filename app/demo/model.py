"""The demo's model: learned without labels, from simulated history."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice

from eddy.app import wiring
from eddy.app.domains import domain_row
from eddy.app.settings import Settings
from eddy.app.simulate.feeder import FeedOptions, Shares, rides
from eddy.app.training.new_model import NewModel, register
from eddy.app.training.rides import COLUMNS, trained_model
from eddy.app.training.training_rows import TrainingRows
from eddy.training.rides.train import RidesTraining

_ROWS = 20_000
_BATCH = 5_000
_OPTIONS = RidesTraining(window=5_000, min_samples=60, sensitivity=0.25, windows=4)


def make(settings: Settings, seed: int, shares: Shares) -> NewModel:
    """Train on rides of another seed, oddities included, and make it the champion."""
    feed = FeedOptions(
        # far from the seeds of people and from those of the feed's later hours
        seed=seed + (1 << 31),
        rate=_ROWS / 600,
        start=datetime.now(UTC),
        rides=_ROWS,
        shares=shares,
    )
    rows = TrainingRows(domain_row("rides"), COLUMNS, settings.engine.max_skew_s)
    for payloads in _batches(feed):
        rows.add(payloads)
    new_model = register(settings, "rides", trained_model(rows, _OPTIONS))
    wiring.registry(settings).promote(new_model.name, new_model.version, by="eddy demo")
    return new_model


def _batches(feed: FeedOptions) -> Iterator[list[bytes]]:
    records = rides(feed)
    while batch := [record.payload for record in islice(records, _BATCH)]:
        yield batch
