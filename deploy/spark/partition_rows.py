"""What Spark's Python workers do with the rows of a partition, one Arrow batch after the other.

Features come from `eddy.models.features.transaction_history` itself, the code of the stream: all
rows of a card, or of a terminal, are in one partition, in the order they came. A worker holds one
batch and what the history remembers of its partition, however many rows the partition has.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from eddy.models.features.names import CARD, FEATURES, OWN, TERMINAL, component
from eddy.models.features.transaction_history import (
    HistorySettings,
    TransactionHistory,
    TransactionRows,
)
from eddy.models.labels import Labels
from eddy.schemas.columns import Columns
from eddy.schemas.decoding import Decoder
from eddy.schemas.errors import ConfigError
from eddy.schemas.labels import Label
from eddy.schemas.transactions import Transaction
from eddy.schemas.vectors import widened

Mapped = Callable[[Iterable[Any]], Iterator[Any]]
"""What `DataFrame.mapInArrow` takes: record batches in, record batches out."""
OnIncomplete = Callable[[int], None]
"""Takes the number of a partition's rows that came too late for exact features."""

PLACE = ("file", "block", "line")
"""Columns that order rows as they came: by file, part of a file, line."""
VERDICTS = "verdicts"
"""A column of lists: the labels of a row, in the order in which they came."""


def name_of(file: str) -> str:
    """Return a file's address in one spelling: Spark has several of the same."""
    return re.sub(r"^(\w+):/+", r"\1:/", unquote(file))


def decode(files: dict[str, int], components: int) -> Mapped:
    """Make records into columns, as the stream does.

    A record that is no event becomes a row with a `reason` that means nothing else.

    Parameters
    ----------
    files : dict of str to int
        Their order.
    components : int
        How many of the events' own vectors, as ``v1`` and so on; NaN where one is shorter.
    """

    def run(batches: Iterable[Any]) -> Iterator[Any]:
        decoder = Decoder(Transaction, 0.0)
        for batch in batches:
            yield _decoded(decoder, batch, files, components)

    return run


def decode_labels(files: dict[str, int]) -> Mapped:
    """Make labels into columns; those of no event are left out.

    ConfigError, which names the file, where a line is no label.
    """

    def run(batches: Iterable[Any]) -> Iterator[Any]:
        for batch in batches:
            given = [_label(line, file) for line, file in _lines(batch)]
            says = pa.array([len(Labels.of([label])) == 1 for label in given], pa.bool_())
            labels = Labels.of(given)
            columns = {
                "event": _signed(labels.events),
                "is_fraud": pa.array(labels.is_fraud),
                "known_at": pa.array(labels.labelled_at),
            }
            yield _batch(columns | _places(batch.filter(says), files))

    return run


def describe_cards(settings: HistorySettings, on_incomplete: OnIncomplete) -> Mapped:
    """Add the features of cards, and those that need no history, to rows of whole cards."""
    return _describing("card", (*OWN, *CARD), settings, on_incomplete)


def describe_terminals(settings: HistorySettings, on_incomplete: OnIncomplete) -> Mapped:
    """Add the features of terminals to rows of whole terminals, and take away `VERDICTS`."""
    return _describing("terminal", TERMINAL, settings, on_incomplete)


def _describing(
    entity: str, names: Sequence[str], settings: HistorySettings, on_incomplete: OnIncomplete
) -> Mapped:
    places = [FEATURES.index(name) for name in names]

    def run(batches: Iterable[Any]) -> Iterator[Any]:
        history = TransactionHistory(_unbounded(settings))
        learned = np.empty(0, np.uint64)
        for batch in batches:
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            rows = _rows(columns, entity)
            if VERDICTS in columns:
                labels = _labels(columns.pop(VERDICTS), rows.events, learned)
                history.learn(labels)
                learned = np.union1d(learned, labels.events)
            features = np.ascontiguousarray(history.features(rows)[:, places].T)
            kept = {name: column for name, column in columns.items() if name not in names}
            yield _batch(kept | dict(zip(names, map(pa.array, features), strict=True)))
        # each is counted twice, because the entity stands for card and terminal
        on_incomplete(history.tallies().get(("late", "incomplete"), 0) // 2)

    return run


def _unbounded(settings: HistorySettings) -> HistorySettings:
    """Nothing has to make room: the windows are what bounds a worker's memory."""
    return msgspec.structs.replace(
        settings,
        most_cards=1 << 28,
        most_terminals=1 << 28,
        most_events=1 << 30,
        most_labels=1 << 62,
    )


def _rows(columns: dict[str, Any], entity: str) -> TransactionRows:
    """Return the rows with one kind of entity as both: features of the other are not kept."""
    keys = _unsigned(columns[entity])
    return TransactionRows(
        occurred_at=columns["occurred_at"].to_numpy(),
        cards=keys,
        terminals=keys,
        amounts=columns["amount"].to_numpy(),
        events=_unsigned(columns["event"]),
    )


def _labels(verdicts: Any, events: NDArray[np.uint64], learned: NDArray[np.uint64]) -> Labels:
    """Return the labels of a batch's events; once, where an event came more than once.

    Events whose labels all say "genuine" are left out: they change nothing.
    """
    rows = pc.list_parent_indices(verdicts).to_numpy()
    flattened = pc.list_flatten(verdicts)
    is_fraud = flattened.field("is_fraud").to_numpy(zero_copy_only=False).astype(np.bool_)
    first = np.zeros(len(events), np.bool_)
    first[np.unique(events, return_index=True)[1]] = True
    of = events[rows]
    kept = first[rows] & np.isin(of, of[is_fraud]) & ~np.isin(of, learned)
    return Labels(of[kept], is_fraud[kept], flattened.field("known_at").to_numpy()[kept])


# -- records ---------------------------------------------------------------------------------------


def _decoded(decoder: Decoder, batch: Any, files: dict[str, int], components: int) -> Any:
    records = batch.column("record").cast(pa.large_binary())
    _, offsets, data = records.buffers()
    starts = np.frombuffer(offsets, np.int64)[records.offset :][: len(records) + 1]
    address = data.address if data is not None else 0
    unknown = np.full(len(records), -1)
    decoded = decoder.decode(address + starts[:-1], np.diff(starts), unknown)
    reasons: list[str | None] = [None] * len(records)
    for row, why in decoded.rejected:
        reasons[row] = why.reason
    columns = _columns(decoder, decoded.columns) | {"reason": pa.array(reasons, pa.string())}
    columns |= _vectors(decoded.columns.vectors, components)
    return _batch(columns | _places(batch, files))


def _columns(decoder: Decoder, columns: Columns) -> dict[str, Any]:
    program = decoder.program
    keys = dict(zip(program.keys, columns.keys.T, strict=True))
    amounts = columns.values[:, program.numbers.index("amount")]
    return {
        "event": _signed(keys["event_id"]),
        "occurred_at": pa.array(columns.occurred_at),
        "card": _signed(keys["card_token"]),
        "terminal": _signed(keys["terminal_id"]),
        "amount": pa.array(np.ascontiguousarray(amounts)),
    }


def _vectors(vectors: NDArray[np.float64], components: int) -> dict[str, Any]:
    there = vectors[:, :components]
    wide = widened(there, components) if there.shape[1] < components else there
    return {component(k + 1): pa.array(wide[:, k].copy()) for k in range(components)}


_read_label = msgspec.json.Decoder(Label).decode


def _label(line: bytes, file: str) -> Label:
    try:
        return _read_label(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # the message of a decoder may quote the record
        what = type(error).__name__
        raise ConfigError(f"{file}: a line is no label: {what}") from None


def _lines(batch: Any) -> Iterator[tuple[bytes, str]]:
    yield from zip(
        batch.column("record").to_pylist(), batch.column("file").to_pylist(), strict=True
    )


# -- columns ---------------------------------------------------------------------------------------


def _places(batch: Any, files: dict[str, int]) -> dict[str, Any]:
    named = batch.column("file").dictionary_encode()
    ranks = [files[name_of(file)] for file in named.dictionary.to_pylist()]
    file = pa.array(ranks, pa.int32()).take(named.indices)
    return {"file": file, "block": batch.column("block"), "line": batch.column("line")}


def _batch(columns: dict[str, Any]) -> Any:
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def _signed(hashes: NDArray[np.uint64]) -> Any:
    """Spark has no unsigned integers: the same 64 bits."""
    return pa.array(np.ascontiguousarray(hashes).view(np.int64))


def _unsigned(column: Any) -> NDArray[np.uint64]:
    values: NDArray[np.int64] = column.to_numpy()
    return values.view(np.uint64).copy()  # Arrow's may not be written to: another type for numba
