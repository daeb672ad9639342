"""The training table: one row a transaction, with what was known when it was judged, and its label.

As a Parquet file: ``event`` (uint64, `eddy.schemas.keys.hash_text` of the event_id) and, where it
is known, ``event_id``; ``occurred_at`` and ``labelled_at`` (UTC, microseconds); ``card`` (uint64, a
hash too); the features as float64, NaN where the event did not say; ``is_fraud``, null where
nobody has said yet; ``score``, the champion's at decision time, and ``weight``, both optional.

In memory a million rows of fifteen features take 170 MB; nothing else grows with the rows.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Flags, Floats, Ints
from eddy.models.features.names import FEATURES, component
from eddy.schemas.errors import ConfigError
from eddy.schemas.transactions import MOST_COMPONENTS
from eddy.training.transactions.feature_history import FeatureHistory, common

UNKNOWN, GENUINE, FRAUD = -1, 0, 1
"""What `TrainingTable.is_fraud` holds."""

NO_TIME = np.iinfo(np.int64).max
"""When a row without a label gets one: not in anybody's lifetime."""

DAY_US = 86_400_000_000

COLUMNS = FEATURES + tuple(component(number) for number in range(1, MOST_COMPONENTS + 1))
"""Every feature there can be, in the order tables have them."""


@dataclass(frozen=True, slots=True)
class TrainingTable:
    """n rows, by time; rows of one time in the order they came.

    Attributes
    ----------
    names : tuple of str
        Of the columns of `features`.
    events, cards : ndarray of uint64, shape (n,)
    occurred_at : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    features : ndarray of float64, shape (n, d)
    is_fraud : ndarray of int8, shape (n,)
        `UNKNOWN`, `GENUINE` or `FRAUD`.
    labelled_at : ndarray of int64, shape (n,)
        When that became known; `NO_TIME` where it is not.
    scores : ndarray of float64, shape (n,)
        The champion's when it was judged; NaN where there was none.
    weights : ndarray of float64, shape (n,)
        How many rows of the world a row stands for: 1 unless the rows were thinned out.
    history : FeatureHistory, optional
        What the features were made with; None where it is not known.
    """

    names: tuple[str, ...]
    events: NDArray[np.uint64]
    cards: NDArray[np.uint64]
    occurred_at: Ints
    features: Floats
    is_fraud: NDArray[np.int8]
    labelled_at: Ints
    scores: Floats
    weights: Floats
    history: FeatureHistory | None = None

    def __len__(self) -> int:
        return len(self.events)

    @property
    def labelled(self) -> Flags:
        """Whether each row has a label; shape (n,)."""
        known: Flags = self.is_fraud != UNKNOWN
        return known

    @property
    def frauds(self) -> Flags:
        """Whether each row is labelled a fraud; shape (n,)."""
        known: Flags = self.is_fraud == FRAUD
        return known

    @property
    def amounts(self) -> Floats:
        """Amounts paid; shape (n,). Zero where the table has none."""
        if "amount" not in self.names:
            return np.zeros(len(self))
        return np.nan_to_num(self.features[:, self.names.index("amount")])

    def columns(self, names: Sequence[str]) -> Floats:
        """Return features by name, in the order asked for; shape (n, len(names)).

        Raises
        ------
        ConfigError
            The table lacks one.
        """
        if missing := [name for name in names if name not in self.names]:
            raise ConfigError(f"the training table has no columns {', '.join(missing)}")
        return np.ascontiguousarray(self.features[:, [self.names.index(name) for name in names]])

    def rows(self, selection: NDArray[Any] | slice) -> "TrainingTable":
        """Return some of the rows, by position or flag, in this order."""
        return replace(self, **{name: getattr(self, name)[selection] for name in _BY_ROW})

    def between(self, start_us: int, stop_us: int) -> slice:
        """Return where the rows from one time to before another stand."""
        first, last = np.searchsorted(self.occurred_at, [start_us, max(start_us, stop_us)])
        return slice(int(first), int(last))

    def sha256(self) -> str:
        """Identify the rows: the same wherever the same rows were read from."""
        digest = hashlib.sha256("\0".join(self.names).encode())
        for name in _BY_ROW:
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return digest.hexdigest()


_BY_ROW = tuple(
    field.name for field in fields(TrainingTable) if field.name not in ("names", "history")
)


def empty(names: Sequence[str], rows: int) -> TrainingTable:
    """Return a table to be filled: nothing known of any row."""
    return TrainingTable(
        names=tuple(names),
        events=np.zeros(rows, np.uint64),
        cards=np.zeros(rows, np.uint64),
        occurred_at=np.zeros(rows, np.int64),
        features=np.full((rows, len(names)), np.nan),
        is_fraud=np.full(rows, UNKNOWN, np.int8),
        labelled_at=np.full(rows, NO_TIME),
        scores=np.full(rows, np.nan),
        weights=np.ones(rows),
    )


def joined(tables: Sequence[TrainingTable]) -> TrainingTable:
    """Return the rows of tables, one table after the other.

    Raises
    ------
    ConfigError
        They have different features, or features of different histories.
    """
    first = tables[0]
    if any(table.names != first.names for table in tables):
        raise ConfigError("training tables of different features cannot be joined")
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(table, name) for table in tables]) for name in _BY_ROW
    }
    return replace(first, history=common([table.history for table in tables]), **columns)


def whole_days(table: TrainingTable, what: str) -> None:
    """Refuse a table of which cards a day cannot be counted, naming what wants to count them.

    Raises
    ------
    ConfigError
        Rows stand for others that were left out, and nobody knows of how many cards these are.
    """
    if np.any(table.weights != 1.0):
        raise ConfigError(
            f"{what} counts all cards of a day, and rows of this table were left out (they have "
            "weights other than 1): take a table with all rows, such as Spark's --genuine-share 1.0"
        )


def in_time_order(table: TrainingTable) -> TrainingTable:
    """Return the rows by time; those of one time as they were."""
    if np.all(np.diff(table.occurred_at) >= 0):
        return table
    return table.rows(np.argsort(table.occurred_at, kind="stable"))


def with_silence_as_genuine(table: TrainingTable, after_days: float | None) -> TrainingTable:
    """Return the table with rows taken for genuine that had no label for so many days.

    Where only frauds are ever reported, silence is the only word there is for "genuine". The rows
    of the last `after_days` stay unknown; None leaves all as they are.
    """
    if after_days is None or not len(table):
        return table
    after_us = round(after_days * DAY_US)
    silent = ~table.labelled & (table.occurred_at <= table.occurred_at[-1] - after_us)
    return replace(
        table,
        is_fraud=np.where(silent, GENUINE, table.is_fraud).astype(np.int8),
        labelled_at=np.where(silent, table.occurred_at + after_us, table.labelled_at),
    )
