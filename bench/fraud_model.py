"""The classifier that transactions are judged with: trained as ``eddy train`` does by default."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from bench.transactions import DAY_US, DELAY_US, Payments
from eddy.models.artefact import decode_parameters, encode_parameters
from eddy.models.detectors.fraud.estimator_file import ESTIMATOR_FILE, load
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.features.names import FEATURES
from eddy.models.features.transaction_history import features_of
from eddy.models.registry.folder import FolderStore
from eddy.models.registry.manifest import Training
from eddy.models.registry.registry import Registry
from eddy.training.transactions.settings import TrainSettings
from eddy.training.transactions.table import TrainingTable, empty
from eddy.training.transactions.train import Trained, train

_HISTORY_DAYS = 37  # until a window of 30 days, 7 days back, is full


def trained(source: Payments) -> Trained:
    """Return the default classifier of the first months of the transactions there are."""
    settings = TrainSettings(hold_out_days=0)
    days = (
        _HISTORY_DAYS + settings.train_days + settings.calibration_days + round(settings.delay_days)
    )
    start = int(source.occurred_at[0])
    enough = int(np.searchsorted(source.occurred_at, start + days * DAY_US))
    return train(_table(source.first(enough)), settings)


def _table(source: Payments) -> TrainingTable:
    rows = source.rows()
    table = empty(FEATURES, len(source))
    table.events[:], table.cards[:] = rows.events, rows.cards
    table.occurred_at[:] = rows.occurred_at
    table.features[:] = features_of(rows, source.labels())
    table.is_fraud[:] = source.is_fraud
    table.labelled_at[:] = rows.occurred_at + DELAY_US
    full = int(np.searchsorted(rows.occurred_at, rows.occurred_at[0] + _HISTORY_DAYS * DAY_US))
    return table.rows(slice(full, None))


def register(folder: Path, model: Trained) -> None:
    """Make the model the champion of a registry in `folder`."""
    registry = Registry(FolderStore(folder), lambda: datetime.now(UTC))
    version = registry.register(
        "transactions",
        encode_parameters(model.parameters),
        training=Training(trained_at=datetime.now(UTC), rows=model.rows),
        metrics={},
        files=model.files,
    )
    registry.promote("transactions", version, by="bench")


def save(folder: Path, model: Trained) -> None:
    """Write the model into a folder, for those who judge without a registry."""
    folder.mkdir(parents=True)
    (folder / "model.json").write_bytes(encode_parameters(model.parameters))
    for name, content in model.files.items():
        (folder / name).write_bytes(content)


def opened(folder: Path) -> tuple[FraudParameters, Any]:
    """Return what `save` wrote: the parameters, and the estimator as scikit-learn has it."""
    parameters = decode_parameters((folder / "model.json").read_bytes(), FraudParameters)
    return parameters, load((folder / ESTIMATOR_FILE).read_bytes())
