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
class Read:
    """What came of the files.

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


def read(arrived: Sequence[ArrivedFile], how: Parameters) -> Read:
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
    left = [one for one in arrived if not one.file.is_bad]
    bad: set[str] = set()
    while True:
        try:
            parts = _parts(left, how)
        except _Bad as found:
            checks.append(found.check)
            bad.add(found.name)
            left = [one for one in left if one.file.name != found.name]
        else:
            break
    checks += parts.checks
    files = [
        msgspec.structs.replace(parts.files.get(one.file.name, one.file), is_bad=True)
        if one.file.name in bad
        else parts.files.get(one.file.name, one.file)
        for one in arrived
    ]
    if not parts.tables:
        raise ConfigError("no transactions among the files")
    return _read(parts, files, checks, how)


@dataclass(slots=True)
class _Parts:
    tables: list[TrainingTable]
    are_new: list[bool]
    labels: Labels
    files: dict[str, RunFile]
    checks: list[QualityCheck]


def _read(parts: _Parts, files: list[RunFile], checks: list[QualityCheck], how: Parameters) -> Read:
    table = joined(parts.tables)
    is_new = np.repeat(parts.are_new, [len(one) for one in parts.tables])
    # of an event that came twice the later row holds
    _, last = np.unique(table.events[::-1], return_index=True)
    kept = np.sort(len(table) - 1 - last)
    table, is_new = table.rows(kept), is_new[kept]
    _label(table, parts.labels)
    order = np.argsort(table.occurred_at, kind="stable")
    table, is_new = table.rows(order), is_new[order]
    table = with_silence_as_genuine(table, how.labels.genuine_after_days)
    return Read(table=table, new=table.rows(is_new), files=files, checks=checks)


def _label(table: TrainingTable, labels: Labels) -> None:
    """Write labels from files of their own over what the rows say."""
    is_fraud, labelled_at = labels_of_events(labels.last(), table.events)
    said = is_fraud != UNKNOWN
    table.is_fraud[said] = np.where(is_fraud[said] == FRAUD, FRAUD, GENUINE)
    table.labelled_at[said] = labelled_at[said]


def _parts(arrived: Sequence[ArrivedFile], how: Parameters) -> _Parts:
    """Read files; raise `_Bad` for the first that is no data."""
    labels = _labels([one for one in arrived if _holds_labels(one)])
    raw = [one for one in arrived if not _holds_labels(one)]
    parts = _Parts([], [], labels, {}, [])
    making = _preparing(raw, labels, how)
    for one in raw:
        if _is_table(one):
            _add(parts, one, _table(one), 0, how.retrain)
            continue
        before = making.rejected
        rows = _prepared(one, making, how)
        _add(parts, one, rows, making.rejected - before, how.retrain)
    return parts


def _add(
    parts: _Parts, one: ArrivedFile, table: TrainingTable, rejected: int, bounds: QualityBounds
) -> None:
    check = check_schema(one.file.name, len(table), rejected, bounds)
    if not check.ok:
        raise _Bad(one, check)
    if not _is_finite(table):
        raise _bad(one, "infinite features, scores or weights, or weights below 0")
    parts.tables.append(table)
    parts.are_new.append(one.file.is_new)
    parts.files[one.file.name] = msgspec.structs.replace(
        one.file, rows=len(table), rejected=rejected
    )
    parts.checks.append(check)


def _is_finite(table: TrainingTable) -> bool:
    """Whether a model can learn from the numbers; NaN is a feature that is missing."""
    infinite = np.isinf(table.features).any() or np.isinf(table.scores).any()
    return bool(not infinite and (table.weights >= 0).all() and np.isfinite(table.weights).all())


def _holds_labels(one: ArrivedFile) -> bool:
    return is_lines(one.path) and one.path.name.startswith(LABELS_PREFIX)


def _labels(files: Sequence[ArrivedFile]) -> Labels:
    found = []
    for one in files:
        with _reading(one):
            found.append(list(label_lines(one.path)))
    return Labels.of(chain.from_iterable(found))


def _is_table(one: ArrivedFile) -> bool:
    """Whether a file is a training table rather than transactions."""
    if is_lines(one.path):
        return False
    with _reading(one):
        return set(column_names(one.path)) >= _TABLE_COLUMNS


def _table(one: ArrivedFile) -> TrainingTable:
    with _reading(one):
        return read_table(one.path)


def _preparing(files: Sequence[ArrivedFile], labels: Labels, how: Parameters) -> TableBuilder:
    """Return what makes rows of transactions; vectors are as long as in the first that come."""
    for one in files:
        if _is_table(one):
            continue
        with _reading(one):
            first = next(labelled_records(one.path, zone=how.prepare.zone), None)
        if first is not None:
            return TableBuilder(how.prepare, labels, components_of(first.payloads))
    return TableBuilder(how.prepare, labels)


def _prepared(one: ArrivedFile, making: TableBuilder, how: Parameters) -> TrainingTable:
    with _reading(one):
        chunks = labelled_records(one.path, zone=how.prepare.zone)
        tables = [making.rows(chunk)[0] for chunk in chunks]
    if not tables:
        raise _bad(one, "no records")
    return joined(tables)


@contextmanager
def _reading(one: ArrivedFile) -> Iterator[None]:
    """Tell what is wrong with a file from what is wrong with the disk, which passes."""
    try:
        yield
    except (MissingResource, Unavailable):
        raise
    except OSError as error:
        if error.errno is None:  # pyarrow's own, of content
            raise _bad(one, "not a readable file of its kind") from error
        raise MissingResource(f"cannot read {one.file.name}: {error.strerror}") from error
    except ConfigError as error:
        raise _bad(one, str(error).replace(str(one.path), one.file.name)) from error
    except _NO_DATA as error:
        # such messages may quote a record
        raise _bad(one, f"cannot be read: {type(error).__name__}") from error


def _bad(one: ArrivedFile, detail: str) -> _Bad:
    return _Bad(one, QualityCheck(what="schema", ok=False, detail=f"{one.file.name}: {detail}"))
