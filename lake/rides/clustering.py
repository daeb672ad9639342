"""A day's rides judged again: the stream's own judge over what the stream kept.

Where the lake holds what the stream saw, scores are the stream's to the last bit, for the judge
is a function of configuration, model and the events so far, in the order of their offsets. They
cannot coincide

* for rides judged by another model or under another configuration: one was promoted or set since;
* where a window reaches back to before the history began, or into rows that it lost;
* where the window is bounded by time: what it holds then depends on the latest time ever seen.

The summary says how many rides that concerns: `ClusteringSummary.compared` and
`ClusteringSummary.short_of_history`.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from eddy.lake.days import Day
from eddy.lake.rides.reading import DayOfRides, RideRun, TopicPartition
from eddy.models.judge import Events, Judge, Verdicts
from eddy.schemas.anomalies import Anomaly, ModelRef
from eddy.schemas.clustered import Clustered
from eddy.schemas.columns import Program
from eddy.schemas.rides import Ride

SCHEMA_VERSION = 1
_CHUNK = 100_000
_FEATURES = ("distance_km", "duration_s")

BuildJudge = Callable[[str, int], Judge]
"""``build(topic, partition)`` gives a fresh judge."""
ProgressCallback = Callable[[int], None]
"""Called with how many more rides were judged."""


class Compared(msgspec.Struct, kw_only=True):
    """The job's scores and verdicts beside the stream's.

    Attributes
    ----------
    equal, different : int
        Rides that the stream judged by the same model: to the last bit, or not.
    other_model : int
        Rides that it judged by another model.
    not_streamed : int
        Rides that it did not judge.
    """

    equal: int = 0
    different: int = 0
    other_model: int = 0
    not_streamed: int = 0


class PartitionDay(msgspec.Struct, kw_only=True):
    """A source partition's share of a day."""

    topic: str
    partition: int
    rides: int
    first_offset: int
    last_offset: int


class ClusteringSummary(msgspec.Struct, kw_only=True):
    """What a day came to; the same at every run over the same rides.

    Attributes
    ----------
    day : str
        ``2024-02-29``, UTC.
    rides, warming, anomalies : int
        Rides of the day; those not judged yet, for want of rides before them; those flagged.
    severities : dict of str to int
    duplicates, unusable : int
        Rows left out: delivered twice, or without what makes a ride.
    short_of_history : int
        Rides whose window may have held more in the stream than the lake has before them.
    compared : Compared
    partitions : list of PartitionDay
    detector : str
    model : ModelRef
    config_hash : str
    """

    schema_version: int = SCHEMA_VERSION
    day: str
    rides: int = 0
    warming: int = 0
    anomalies: int = 0
    severities: dict[str, int] = {}
    duplicates: int = 0
    unusable: int = 0
    short_of_history: int = 0
    compared: Compared = msgspec.field(default_factory=Compared)
    partitions: list[PartitionDay] = []
    detector: str
    model: ModelRef
    config_hash: str


@dataclass(slots=True)
class ClusteredDay:
    """The verdicts on one partition's rides of a day, in the order of their offsets.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
        NaN while warming.
    is_anomaly, is_short : ndarray of bool, shape (n,)
        `is_short`: the window may have held more.
    anomalies : list of (int, Anomaly)
        Position of the ride, and the anomaly.
    """

    scores: NDArray[np.float64]
    is_anomaly: NDArray[np.bool_]
    is_short: NDArray[np.bool_]
    anomalies: list[tuple[int, Anomaly]] = field(default_factory=list)

    @classmethod
    def nothing(cls, rides: int) -> "ClusteredDay":
        """Return the result of rides that are not judged yet."""
        blank = np.zeros(rides, np.bool_)
        return cls(np.full(rides, np.nan), blank, blank.copy())

    def take(
        self, verdicts: Verdicts, rows: NDArray[np.int64], is_short: bool, detected_at: datetime
    ) -> None:
        """Note verdicts; `rows` are positions among the day's rides, -1 of other days."""
        mine = rows >= 0
        self.scores[rows[mine]] = verdicts.scores[mine]
        self.is_short[rows[mine]] = is_short
        positions = np.flatnonzero(mine[verdicts.flagged])
        flagged = rows[verdicts.flagged[positions]]
        self.is_anomaly[flagged] = True
        built = verdicts.anomalies(positions.tolist(), detected_at)
        self.anomalies += zip(flagged.tolist(), built, strict=True)


def cluster(
    day: Day,
    rides_of_day: DayOfRides,
    build: BuildJudge,
    summary: ClusteringSummary,
    on_progress: ProgressCallback,
) -> list[Clustered]:
    """Judge a day's rides; return the anomalies by time and id, and fill in the summary.

    An anomaly counts as detected when the day was over, so that another run writes the same.
    """
    results = {
        partition: ClusteredDay.nothing(len(rides))
        for partition, rides in rides_of_day.rides.items()
    }
    for run in rides_of_day.runs:
        judge = build(*run.partition)
        mine = results[run.partition]
        for start, stop, is_short in _steps(judge, run):
            events = _events(run, slice(start, stop), rides_of_day)
            verdicts = judge.judge(events)
            rows = run.day_rows[start:stop]
            mine.take(verdicts, rows, is_short, day.end)
            on_progress(int((rows >= 0).sum()))
    anomalies = [
        _clustered(anomaly, rides_of_day, partition, row)
        for partition, result in results.items()
        for row, anomaly in result.anomalies
    ]
    anomalies.sort(key=lambda anomaly: (anomaly.occurred_at, anomaly.anomaly_id))
    _sum_up(summary, rides_of_day, results, anomalies)
    return anomalies


def _steps(judge: Judge, run: RideRun) -> Iterator[tuple[int, int, bool]]:
    """Yield what to judge at once, and whether the window may by then have held more."""
    # what comes before the day's first is only learned from; with so many the window is full
    count, full = len(run.offsets), judge.history + 1
    edges = sorted({0, run.before, min(full, count), *range(_CHUNK, count, _CHUNK), count})
    is_short = bool(run.offsets[0] > 0)
    for start, stop in pairwise(edges):
        is_short = is_short and not judge.complete
        yield start, stop, is_short


def _events(run: RideRun, rows: slice, rides_of_day: DayOfRides) -> Events:
    program = Program.of(Ride)
    n = len(run.offsets[rows])
    values = np.full((n, len(program.numbers)), np.nan)
    values[:, [program.numbers.index(name) for name in _FEATURES]] = run.values[rows]
    at = run.day_rows[rows]
    return Events(
        offsets=run.offsets[rows],
        occurred_at=run.occurred_at[rows],
        values=values,
        keys=np.zeros((n, len(program.keys)), np.uint64),
        event=lambda row: _ride(rides_of_day, run.partition, int(at[row])),
    )


def _ride(rides_of_day: DayOfRides, partition: TopicPartition, row: int) -> Ride:
    rides, streamed = rides_of_day.rides[partition], _streamed_row(rides_of_day, partition, row)
    return Ride(
        event_id=streamed["event.event_id"],
        ride_id=streamed["event.ride_id"],
        occurred_at=_moment(int(rides.occurred_at[row])),
        vendor_id=None,
        pickup_zone=None,
        dropoff_zone=None,
        distance_km=float(rides.values[row, 0]),
        duration_s=float(rides.values[row, 1]),
    )


def _streamed_row(rides_of_day: DayOfRides, partition: TopicPartition, row: int) -> dict[str, Any]:
    streamed: dict[str, Any] = rides_of_day.streamed.slice(
        rides_of_day.rides[partition].rows[row], 1
    ).to_pylist()[0]
    return streamed


def _clustered(
    anomaly: Anomaly, rides_of_day: DayOfRides, partition: TopicPartition, row: int
) -> Clustered:
    streamed = _streamed_row(rides_of_day, partition, row)
    fields: dict[str, Any] = {name: getattr(anomaly, name) for name in Anomaly.__struct_fields__}
    return Clustered(
        **fields, streamed_score=streamed["score"], streamed_verdict=streamed["verdict"]
    )


def _sum_up(
    summary: ClusteringSummary,
    rides_of_day: DayOfRides,
    results: dict[TopicPartition, ClusteredDay],
    anomalies: list[Clustered],
) -> None:
    summary.rides = sum(map(len, rides_of_day.rides.values()))
    summary.warming = int(sum(np.isnan(result.scores).sum() for result in results.values()))
    summary.anomalies = len(anomalies)
    summary.severities = dict(sorted(Counter(anomaly.severity for anomaly in anomalies).items()))
    summary.duplicates, summary.unusable = rides_of_day.duplicates, rides_of_day.unusable
    summary.short_of_history = int(sum(result.is_short.sum() for result in results.values()))
    for partition, result in results.items():
        _compare(
            summary.compared,
            rides_of_day,
            rides_of_day.rides[partition].rows,
            result,
            summary.model.sha256,
        )
    summary.partitions = [
        PartitionDay(
            topic=topic,
            partition=partition,
            rides=len(rides),
            first_offset=int(rides.offsets[0]),
            last_offset=int(rides.offsets[-1]),
        )
        for (topic, partition), rides in sorted(rides_of_day.rides.items())
    ]


def _compare(
    compared: Compared,
    rides_of_day: DayOfRides,
    rows: NDArray[np.int64],
    result: ClusteredDay,
    sha256: str,
) -> None:
    streamed = rides_of_day.streamed
    judged = pc.is_valid(streamed["model.sha256"]).to_numpy()[rows]
    alike = pc.fill_null(pc.equal(streamed["model.sha256"], sha256), False).to_numpy()[rows]
    before = pc.fill_null(streamed["score"], float("nan")).to_numpy()[rows]
    was_anomaly = pc.fill_null(pc.equal(streamed["verdict"], "anomaly"), False).to_numpy()[rows]
    same_score = (before == result.scores) | (np.isnan(before) & np.isnan(result.scores))
    equal = alike & same_score & (was_anomaly == result.is_anomaly)
    compared.equal += int(equal.sum())
    compared.different += int((alike & ~equal).sum())
    compared.other_model += int((judged & ~alike).sum())
    compared.not_streamed += int((~judged).sum())


def _moment(micros: int) -> datetime:
    moment: datetime = np.datetime64(micros, "us").item()
    return moment.replace(tzinfo=UTC)
