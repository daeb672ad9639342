"""A day's rides out of the history, with the rides before them that their windows held.

A window goes by offsets, a day by event time: among a day's rides stand rides of other days, and
a late one stands far behind. So the offsets of the day's rides are covered by ranges that begin
far enough before, and all that stands there is read, whatever its day.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyiceberg.table import Table

from eddy.lake.days import Day
from eddy.models.arrays import Ints

TopicPartition = tuple[str, int]
"""A source topic and a partition."""

_TIME = "occurred_at"
_PLACE = ("source.topic", "source.partition", "source.offset")
_FEATURES = ("event.distance_km", "event.duration_s")
_NEEDED = (_TIME, *_PLACE, *_FEATURES)
_STREAMED = ("event.event_id", "event.ride_id", "score", "verdict", "model.sha256")
_MOST_RANGES = 16  # in a filter; what they hold too much is left out afterwards
_WIDER = 4
_FEW = ("source.topic", "verdict", "model.sha256")  # columns of few different texts


@dataclass(frozen=True, slots=True)
class PartitionRides:
    """Rides of one partition in the order of their offsets, no offset twice.

    Attributes
    ----------
    offsets, occurred_at : ndarray of int64, shape (n,)
        Times in microseconds since 1970, UTC.
    values : ndarray of float64, shape (n, 2)
        Kilometres and seconds.
    rows : ndarray of int64, shape (n,)
        Where they are in what was read, see `DayOfRides.told`.
    """

    offsets: Ints
    occurred_at: Ints
    values: NDArray[np.float64]
    rows: Ints

    def __len__(self) -> int:
        return len(self.offsets)


@dataclass(frozen=True, slots=True)
class RideRun:
    """Neighbouring rides of one partition, to be judged one after the other by a fresh judge.

    Attributes
    ----------
    partition : (str, int)
    offsets, occurred_at, values
        See `PartitionRides`.
    day_rows : ndarray of int64, shape (n,)
        Position among the day's rides of this partition; -1 for rides of other days.
    from_the_start : bool
        Whether nothing can stand before what was looked at.
    """

    partition: TopicPartition
    offsets: Ints
    occurred_at: Ints
    values: NDArray[np.float64]
    day_rows: Ints
    from_the_start: bool

    @property
    def before(self) -> int:
        """How many rides stand before the first one of the day."""
        return int(np.argmax(self.day_rows >= 0))


@dataclass(frozen=True, slots=True)
class DayOfRides:
    """The rides of a day.

    Attributes
    ----------
    rides : dict of (str, int) to Rides
        The day's own.
    streamed : pyarrow.Table
        Ids of the rides and the stream's verdicts on them, in no order, see `PartitionRides.rows`:
        ``event.event_id``, ``event.ride_id``, ``score``, ``verdict``, ``model.sha256``.
    runs : list of RideRun
        Cover every ride of the day once; by topic, partition and offset.
    duplicates, unusable : int
        Rows left out: delivered twice, or without what makes a ride.
    """

    rides: dict[TopicPartition, PartitionRides]
    streamed: pa.Table
    runs: list[RideRun]
    duplicates: int
    unusable: int


def read(table: Table, day: Day, reach: int, on_progress: Callable[[int], None]) -> DayOfRides:
    """Read a day's rides, each with at least `reach` rides before it where the lake has them.

    Parameters
    ----------
    table : Table
        The history; one state of it is read, whatever is written meanwhile.
    reach : int
        Rides.
    on_progress : callable
        Called with how many more rows were read.
    """
    rows = _scan(table, day.rows(_TIME), (*_NEEDED, *_STREAMED))
    on_progress(rows.num_rows)
    rows_read, unusable = _usable(rows)
    rides = dict(_by_partition(rows_read))
    duplicates = rows_read.num_rows - sum(map(len, rides.values()))
    widths = dict.fromkeys(rides, 2 * reach)
    done: dict[TopicPartition, list[RideRun]] = {}
    while widths:
        ranges = {
            partition: _ranges(rides[partition].offsets, widths[partition]) for partition in widths
        }
        around = _scan(table, f"{day.others(_TIME)} and {_covering(ranges)}", _NEEDED)
        on_progress(around.num_rows)
        others = dict(_by_partition(_usable(around)[0]))
        for partition, wanted in ranges.items():
            runs = list(_runs(partition, rides[partition], others.get(partition), wanted))
            if all(run.from_the_start or run.before >= reach for run in runs):
                done[partition] = runs
        widths = {
            partition: width * _WIDER
            for partition, width in widths.items()
            if partition not in done
        }
    runs = [run for partition in sorted(done) for run in done[partition]]
    return DayOfRides(rides, rows_read.select(_STREAMED), runs, duplicates, unusable)


def _scan(table: Table, rows: str, columns: tuple[str, ...]) -> pa.Table:
    """Read rows; columns inside others become columns of their own."""
    rows_read = table.scan(row_filter=rows, selected_fields=columns).to_arrow()
    return pa.table({name: _column(rows_read, name) for name in columns})


def _column(rows_read: pa.Table, name: str) -> pa.ChunkedArray:
    head, _, inner = name.partition(".")
    column = pc.struct_field(rows_read[head], inner) if inner else rows_read[head]
    return column.dictionary_encode().unify_dictionaries() if name in _FEW else column


def _usable(rows: pa.Table) -> tuple[pa.Table, int]:
    if not any(rows[name].null_count for name in _NEEDED):
        return rows, 0
    usable = rows.filter(reduce(pc.and_, [pc.is_valid(rows[name]) for name in _NEEDED]))
    return usable, rows.num_rows - usable.num_rows


def _by_partition(rows_read: pa.Table) -> Iterator[tuple[TopicPartition, PartitionRides]]:
    if not rows_read.num_rows:
        return
    topics, topic = _codes(rows_read["source.topic"])
    keys = np.stack(
        [topic, _ints(rows_read["source.partition"]), _ints(rows_read["source.offset"])], axis=1
    )
    rows = np.lexsort((keys[:, 2], keys[:, 1], keys[:, 0]))
    keys = keys[rows]
    is_new = np.ones(len(rows), np.bool_)
    is_new[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    rows, keys = rows[is_new], keys[is_new]
    times = _ints(rows_read[_TIME].cast(pa.timestamp("us", "UTC")))
    values = [rows_read[name].to_numpy() for name in _FEATURES]
    cuts = np.flatnonzero((keys[1:, :2] != keys[:-1, :2]).any(axis=1)) + 1
    for part in np.split(np.arange(len(rows)), cuts):
        at = rows[part]
        yield (
            (topics[keys[part[0], 0]], int(keys[part[0], 1])),
            PartitionRides(
                keys[part, 2], times[at], np.stack([column[at] for column in values], axis=1), at
            ),
        )


def _codes(column: pa.ChunkedArray) -> tuple[list[str], Ints]:
    """Return the different texts, sorted, and which of them each row is."""
    encoded = column.combine_chunks()
    texts = encoded.dictionary.to_pylist()
    ordered = sorted(texts)
    ranks = np.array([ordered.index(text) for text in texts], np.int64)
    return ordered, ranks[encoded.indices.to_numpy()]


def _ints(column: pa.ChunkedArray) -> Ints:
    numbers: Ints = column.cast(pa.int64()).to_numpy()
    return numbers


def _ranges(offsets: Ints, width: int) -> Ints:
    """Return first and last offsets, shape (k, 2), that reach `width` before every offset."""
    first = np.maximum(offsets - width, 0)
    is_apart = np.flatnonzero(first[1:] > offsets[:-1]) + 1
    begins, ends = np.r_[0, is_apart], np.r_[is_apart, len(offsets)] - 1
    return np.stack([first[begins], offsets[ends]], axis=1)


def _covering(ranges: dict[TopicPartition, Ints]) -> str:
    """Return the filter of what holds at least the ranges."""
    spans = np.concatenate(list(ranges.values()))
    spans = spans[np.argsort(spans[:, 0])]
    latest = np.maximum.accumulate(spans[:, 1])
    gaps = spans[1:, 0] - latest[:-1]
    widest = np.argsort(-gaps, kind="stable")[: _MOST_RANGES - 1]
    cuts = np.sort(widest[gaps[widest] > 0])
    begins, ends = spans[np.r_[0, cuts + 1], 0], latest[np.r_[cuts, len(spans) - 1]]
    offsets = " or ".join(
        f"(source.offset >= {low} and source.offset <= {up})"
        for low, up in zip(begins.tolist(), ends.tolist(), strict=True)
    )
    topics = sorted({topic for topic, _ in ranges})
    if any("'" in topic for topic in topics):  # a file's name; the filter knows no escape
        return f"({offsets})"
    return f"({offsets}) and source.topic in ({', '.join(map(repr, topics))})"


def _runs(
    partition: TopicPartition, rides: PartitionRides, others: PartitionRides | None, ranges: Ints
) -> Iterator[RideRun]:
    offsets, times, values = rides.offsets, rides.occurred_at, rides.values
    rows = np.arange(len(rides))
    if others is not None:
        offsets = np.r_[offsets, others.offsets]
        times = np.r_[times, others.occurred_at]
        values = np.concatenate([values, others.values])
        rows = np.r_[rows, np.full(len(others), -1)]
    # of an offset that was loaded under two times, the day's own
    offsets, first = np.unique(offsets, return_index=True)
    times, values, rows = times[first], values[first], rows[first]
    for low, up in ranges:
        cut = slice(*np.searchsorted(offsets, [low, up + 1]))
        yield RideRun(partition, offsets[cut], times[cut], values[cut], rows[cut], bool(low == 0))
