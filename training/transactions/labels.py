"""Labels from files, and as a training table's columns."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.datasets.history.files import read_lines
from eddy.models.arrays import Ints
from eddy.models.labels import Labels
from eddy.schemas.errors import ConfigError
from eddy.schemas.labels import Label
from eddy.training.transactions.table import FRAUD, GENUINE, NO_TIME, UNKNOWN


def labels_of_events(labels: Labels, events: NDArray[np.uint64]) -> tuple[NDArray[np.int8], Ints]:
    """Return `is_fraud` and `labelled_at` of a table's rows.

    Parameters
    ----------
    labels : Labels
        The last one on each event, see `eddy.models.labels.Labels.last`.
    events : ndarray of uint64, shape (n,)
    """
    if not len(labels):
        return np.full(len(events), UNKNOWN, np.int8), np.full(len(events), NO_TIME)
    at = np.minimum(np.searchsorted(labels.events, events), len(labels) - 1)
    is_labelled = labels.events[at] == events
    codes = np.where(labels.is_fraud[at], FRAUD, GENUINE)
    return (
        np.where(is_labelled, codes, UNKNOWN).astype(np.int8),
        np.where(is_labelled, labels.labelled_at[at], NO_TIME),
    )


def label_lines(path: Path) -> Iterator[Label]:
    """Yield the labels of a file of JSON lines.

    Raises
    ------
    ConfigError
        A line is no label; the message names file and line.
    MissingResource
        The file cannot be read.
    """
    decode = msgspec.json.Decoder(Label).decode
    number = 0
    for lines in read_lines(path):
        for line in lines:
            number += 1
            try:
                yield decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                # the message of a decoder may quote the record
                kind = type(error).__name__
                raise ConfigError(f"{path}, line {number}: no label: {kind}") from None
