"""Prepare: write transactions and their labels to a training table, row by row as a stream.

The features are those of `eddy.models.features.transaction_history`, so that a model learns from
what the stream would have known, and from nothing later.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np

from eddy.datasets.history.transactions import UNSAID, LabelledRecords
from eddy.models.arrays import Floats
from eddy.models.features.names import FEATURES, component
from eddy.models.features.transaction_history import (
    HistorySettings,
    TransactionHistory,
    TransactionRows,
)
from eddy.models.labels import Labels
from eddy.schemas.decoding import Decoder, buffers
from eddy.schemas.errors import ConfigError
from eddy.schemas.transactions import Transaction
from eddy.training.transactions.feature_history import FeatureHistory
from eddy.training.transactions.labels import labels_of_events
from eddy.training.transactions.settings import Preparation
from eddy.training.transactions.table import DAY_US, GENUINE, UNKNOWN, TrainingTable, empty
from eddy.training.transactions.table_files import TableWriter


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What a preparation did.

    Attributes
    ----------
    rows, frauds, labelled : int
        In the table.
    rejected : int
        Records that are no events.
    repeated : int
        Decisions that had been read before.
    left_out : int
        Labels that are not about an event, or give no verdict on it.
    tallies : dict
        What the history had to forget early, where it is too small for the cards there are.
    """

    rows: int
    frauds: int
    labelled: int
    rejected: int = 0
    repeated: int = 0
    left_out: int = 0
    tallies: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class _Rows:
    """The valid rows of a chunk: as the history takes them, and their vectors, if any."""

    positions: np.ndarray
    columns: TransactionRows
    vectors: Floats


class TableBuilder:
    """Makes a table's rows of a file's, in the order given.

    Parameters
    ----------
    settings : Preparation
    labels : Labels
        From a file of their own; they outrank the labels in the rows.
    components : int
        Length of the events' own vectors; rows with shorter ones get NaN.
    """

    def __init__(self, settings: Preparation, labels: Labels, components: int = 0) -> None:
        self.names = FEATURES + tuple(component(k + 1) for k in range(components))
        self.rejected = 0
        self._settings = settings.history or HistorySettings()
        self.made_with = FeatureHistory.of(self._settings)
        history = msgspec.structs.replace(
            self._settings,
            most_labels=max(self._settings.most_labels, len(labels) + 1),
        )
        self._history = TransactionHistory(history)
        self._history.learn(labels)
        self._labels = labels.last()
        self._decoder = Decoder(Transaction, 0.0)

    def rows(self, chunk: LabelledRecords) -> tuple[TrainingTable, list[str]]:
        """Return the rows of a chunk, with their event ids."""
        decoded = self._decoded(chunk.payloads)
        self.rejected += len(chunk) - len(decoded.positions)
        table = replace(empty(self.names, len(decoded.positions)), history=self.made_with)
        table.events[:] = decoded.columns.events
        table.cards[:] = decoded.columns.cards
        table.occurred_at[:] = decoded.columns.occurred_at
        table.weights[:] = chunk.weights[decoded.positions]
        self._label(table, chunk, decoded.positions)
        table.features[:, : len(FEATURES)] = self._history.features(decoded.columns)
        table.features[:, len(FEATURES) :] = decoded.vectors
        return table, [chunk.event_ids[row] for row in decoded.positions.tolist()]

    def tallies(self) -> dict[str, int]:
        """Return what the history had to forget early."""
        return {" ".join(what): count for what, count in self._history.tallies().items()}

    def _label(self, table: TrainingTable, chunk: LabelledRecords, positions: np.ndarray) -> None:
        """Fill in the labels, and teach them to the history from when they became known."""
        is_fraud, labelled_at = labels_of_events(self._labels, table.events)
        is_inline = (is_fraud == UNKNOWN) & (chunk.is_fraud[positions] != UNSAID)
        is_fraud[is_inline] = chunk.is_fraud[positions][is_inline]
        stated_at = chunk.labelled_at[positions]
        delay_us = round(self._settings.delay_days * DAY_US)
        by_delay = is_inline & (stated_at == UNSAID)
        labelled_at = np.where(is_inline, stated_at, labelled_at)
        labelled_at[by_delay] = table.occurred_at[by_delay] + delay_us
        table.is_fraud[:], table.labelled_at[:] = is_fraud, labelled_at
        # a label without a time came in time to count once the delay is over
        grace_us = round(self._settings.label_grace_s * 1e6)
        known_at = labelled_at - np.where(by_delay, grace_us, 0)
        self._history.learn(
            Labels(table.events[is_inline], is_fraud[is_inline] != GENUINE, known_at[is_inline])
        )

    def _decoded(self, payloads: list[bytes]) -> _Rows:
        kept, addresses, lengths = buffers(payloads)
        columns = self._decoder.decode(addresses, lengths, np.full(len(payloads), -1)).columns
        del kept  # the addresses point into it
        positions = np.flatnonzero(columns.valid)
        keys = dict(zip(self._decoder.program.keys, columns.keys[positions].T, strict=True))
        numbers = self._decoder.program.numbers
        rows = TransactionRows(
            occurred_at=columns.occurred_at[positions],
            cards=keys["card_token"],
            terminals=keys["terminal_id"],
            amounts=columns.values[positions, numbers.index("amount")],
            events=keys["event_id"],
        )
        return _Rows(positions, rows, self._vectors(columns.vectors[positions]))

    def _vectors(self, given: Floats) -> Floats:
        width = len(self.names) - len(FEATURES)
        out = np.full((len(given), width), np.nan)
        common = min(width, given.shape[1])
        out[:, :common] = given[:, :common]
        return out


def components_of(payloads: Sequence[bytes]) -> int:
    """Return the length of the longest vector among records."""
    kept, addresses, lengths = buffers(payloads)
    columns = Decoder(Transaction, 0.0).decode(addresses, lengths, np.full(len(payloads), -1))
    del kept  # the addresses point into it
    return int(columns.columns.vectors.shape[1])


def prepare(
    chunks: Iterable[LabelledRecords],
    labels: Labels,
    settings: Preparation,
    path: Path,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Prepared:
    """Write the table of files' rows; memory is that of the history, whatever the rows.

    Vectors are as long as the longest of the first chunk.

    Parameters
    ----------
    chunks : iterable of LabelledRecords
        In the order in which the events came.
    labels : Labels
        From a file of their own; they outrank the labels in the rows.
    settings : Preparation
    path : Path
        Of the table.
    on_progress : callable
        Called with the number of records read since the last call.

    Raises
    ------
    ConfigError
        None of the records is an event.
    """
    parts = iter(chunks)
    first = next(parts, None)
    if first is None:
        raise ConfigError("no transactions to prepare: the files are empty")
    maker = TableBuilder(settings, labels, components_of(first.payloads))
    rows = frauds = labelled = 0
    with TableWriter(path, maker.names, event_ids=True, history=maker.made_with) as writer:
        for chunk in chain([first], parts):
            table, event_ids = maker.rows(chunk)
            writer.write(table, event_ids)
            rows += len(table)
            frauds += int(table.frauds.sum())
            labelled += int(table.labelled.sum())
            on_progress(len(chunk))
        if not rows:
            raise ConfigError(f"no transactions to prepare: {maker.rejected} records, no events")
    return Prepared(
        rows=rows,
        frauds=frauds,
        labelled=labelled,
        rejected=maker.rejected,
        left_out=labels.left_out,
        tallies=maker.tallies(),
    )
