"""Files that arrived, read into one training table; which rows are new, and which files are bad."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
from pyarrow import ArrowException

from eddy.app.retraining.run_log import RunFile
from eddy.datasets.history.files import column_names, is_lines
from eddy.datasets.history.transactions import labelled_records
from eddy.models.labels import Labels
from eddy.schemas.errors import ConfigError, MissingResource, Unavailable
from eddy.training.transactions.data_quality import QualityBounds, QualityCheck, check_schema
from eddy.training.transactions.labels import label_lines, labels_of_events
from eddy.training.transactions.preparation import TableBuilder, components_of
from eddy.training.transactions.settings import Parameters
from eddy.training.transactions.table import (
    FRAUD,
    GENUINE,
    UNKNOWN,
    TrainingTable,
    joined,
    with_silence_as_genuine,
)
from eddy.training.transactions.table_files import read_table

_TABLE_COLUMNS = {"card", "is_fraud", "labelled_at"}
_NO_DATA = (
    ArrowException,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    NotImplementedError,
)
"""What readers raise where a file's columns are not of the kind they should be."""

LABELS_PREFIX = "labels"
"""Files of JSON lines so named hold labels, not transactions."""


@dataclass(frozen=True, slots=True)
class ArrivedFile:
    """A file, and where it can be read."""

    file: RunFile
    path: Path


@dataclass(frozen=True, slots=True)
class FileRows:
    """The rows of the files.

    Attributes
    ----------
    table : TrainingTable
        Of all files that are data, each event once; labels as the parameters say.
    new : TrainingTable
        Those rows of it that came with files no model was trained on.
    files : list of RunFile
        With their counts; those that are no data say so.
    checks : list of QualityCheck
        Of the files' form.
    """

    table: TrainingTable
    new: TrainingTable
    files: list[RunFile]
    checks: list[QualityCheck]


class _Bad(Exception):
    """A file that is no data."""

    def __init__(self, arrived: ArrivedFile, check: QualityCheck) -> None:
        super().__init__(check.detail)
        self.name, self.check = arrived.file.name, check


def read(arrived: Sequence[ArrivedFile], parameters: Parameters) -> FileRows:
    """Read files in the order of their names, as one history: later rows know the earlier ones.

    A file that is no data is left out as a whole, so that what follows does not know it either.

    Raises
    ------
    ConfigError
        Nothing is left, or training tables that do not fit one another.
    MissingResource
        A file cannot be read now, or is gone.
    """
    checks: list[QualityCheck] = []
    left = [file for file in arrived if not file.file.is_bad]
    bad: set[str] = set()
    while True:
        try:
            parts = _parts(left, parameters)
        except _Bad as error:
            checks.append(error.check)
            bad.add(error.name)
            left = [arrival for arrival in left if arrival.file.name != error.name]
        else:
            break
    checks += parts.checks
    files = [
        msgspec.structs.replace(parts.files.get(arrival.file.name, arrival.file), is_bad=True)
        if arrival.file.name in bad
        else parts.files.get(arrival.file.name, arrival.file)
        for arrival in arrived
    ]
    if not parts.tables:
        raise ConfigError("no transactions among the files")
    return _read(parts, files, checks, parameters)


@dataclass(slots=True)
class _Parts:
    tables: list[TrainingTable]
    are_new: list[bool]
    labels: Labels
    files: dict[str, RunFile]
    checks: list[QualityCheck]


def _read(
    parts: _Parts, files: list[RunFile], checks: list[QualityCheck], parameters: Parameters
) -> FileRows:
    table = joined(parts.tables)
    is_new = np.repeat(parts.are_new, [len(table) for table in parts.tables])
    # of an event that came twice the later row holds
    _, last = np.unique(table.events[::-1], return_index=True)
    kept = np.sort(len(table) - 1 - last)
    table, is_new = table.rows(kept), is_new[kept]
    _label(table, parts.labels)
    order = np.argsort(table.occurred_at, kind="stable")
    table, is_new = table.rows(order), is_new[order]
    table = with_silence_as_genuine(table, parameters.labels.genuine_after_days)
    return FileRows(table=table, new=table.rows(is_new), files=files, checks=checks)


def _label(table: TrainingTable, labels: Labels) -> None:
    """Write labels from files of their own over what the rows say."""
    is_fraud, labelled_at = labels_of_events(labels.last(), table.events)
    is_labelled = is_fraud != UNKNOWN
    table.is_fraud[is_labelled] = np.where(is_fraud[is_labelled] == FRAUD, FRAUD, GENUINE)
    table.labelled_at[is_labelled] = labelled_at[is_labelled]


def _parts(arrived: Sequence[ArrivedFile], parameters: Parameters) -> _Parts:
    """Read files; raise `_Bad` for the first that is no data."""
    labels = _labels([arrival for arrival in arrived if _holds_labels(arrival)])
    raw = [arrival for arrival in arrived if not _holds_labels(arrival)]
    parts = _Parts([], [], labels, {}, [])
    making = _preparing(raw, labels, parameters)
    for arrival in raw:
        if _is_table(arrival):
            _add(parts, arrival, _table(arrival), 0, parameters.retrain)
            continue
        before = making.rejected
        rows = _prepared(arrival, making, parameters)
        _add(parts, arrival, rows, making.rejected - before, parameters.retrain)
    return parts


def _add(
    parts: _Parts, arrival: ArrivedFile, table: TrainingTable, rejected: int, bounds: QualityBounds
) -> None:
    check = check_schema(arrival.file.name, len(table), rejected, bounds)
    if not check.ok:
        raise _Bad(arrival, check)
    if not _is_finite(table):
        raise _bad(arrival, "infinite features, scores or weights, or weights below 0")
    parts.tables.append(table)
    parts.are_new.append(arrival.file.is_new)
    parts.files[arrival.file.name] = msgspec.structs.replace(
        arrival.file, rows=len(table), rejected=rejected
    )
    parts.checks.append(check)


def _is_finite(table: TrainingTable) -> bool:
    """Whether a model can learn from the numbers; NaN is a feature that is missing."""
    infinite = np.isinf(table.features).any() or np.isinf(table.scores).any()
    return bool(not infinite and (table.weights >= 0).all() and np.isfinite(table.weights).all())


def _holds_labels(arrival: ArrivedFile) -> bool:
    return is_lines(arrival.path) and arrival.path.name.startswith(LABELS_PREFIX)


def _labels(files: Sequence[ArrivedFile]) -> Labels:
    lines = []
    for arrival in files:
        with _reading(arrival):
            lines.append(list(label_lines(arrival.path)))
    return Labels.of(chain.from_iterable(lines))


def _is_table(arrival: ArrivedFile) -> bool:
    """Whether a file is a training table rather than transactions."""
    if is_lines(arrival.path):
        return False
    with _reading(arrival):
        return set(column_names(arrival.path)) >= _TABLE_COLUMNS


def _table(arrival: ArrivedFile) -> TrainingTable:
    with _reading(arrival):
        return read_table(arrival.path)


def _preparing(
    files: Sequence[ArrivedFile], labels: Labels, parameters: Parameters
) -> TableBuilder:
    """Return what makes rows of transactions; vectors are as long as in the first that come."""
    for arrival in files:
        if _is_table(arrival):
            continue
        with _reading(arrival):
            first = next(labelled_records(arrival.path, zone=parameters.prepare.zone), None)
        if first is not None:
            return TableBuilder(parameters.prepare, labels, components_of(first.payloads))
    return TableBuilder(parameters.prepare, labels)


def _prepared(arrival: ArrivedFile, making: TableBuilder, parameters: Parameters) -> TrainingTable:
    with _reading(arrival):
        chunks = labelled_records(arrival.path, zone=parameters.prepare.zone)
        tables = [making.rows(chunk)[0] for chunk in chunks]
    if not tables:
        raise _bad(arrival, "no records")
    return joined(tables)


@contextmanager
def _reading(arrival: ArrivedFile) -> Iterator[None]:
    """Tell what is wrong with a file from what is wrong with the disk, which passes."""
    try:
        yield
    except (MissingResource, Unavailable):
        raise
    except OSError as error:
        if error.errno is None:  # pyarrow's own, of content
            raise _bad(arrival, "not a readable file of its kind") from error
        raise MissingResource(f"cannot read {arrival.file.name}: {error.strerror}") from error
    except ConfigError as error:
        raise _bad(arrival, str(error).replace(str(arrival.path), arrival.file.name)) from error
    except _NO_DATA as error:
        # such messages may quote a record
        raise _bad(arrival, f"cannot be read: {type(error).__name__}") from error


def _bad(arrival: ArrivedFile, detail: str) -> _Bad:
    return _Bad(
        arrival, QualityCheck(what="schema", ok=False, detail=f"{arrival.file.name}: {detail}")
    )
