"""Rides: real green-taxi rides whose fare contradicts their distance and duration.

The meter's formula bounds the fare of a ride at the standard rate by its distance and duration.
Where it lies clearly outside, one of the three was badly recorded. The detector never sees fares.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.cluster import DBSCAN
from sklearn.ensemble import IsolationForest

from bench.quality.rows import Case, Labels, Row, Target, average_precision, f1_at_one, rows
from eddy.datasets.history.rides import ride_records
from eddy.models.arrays import Floats
from eddy.models.domains.rides.default import default_model
from eddy.models.domains.rides.domain import DOMAIN as RIDES
from eddy.models.domains.rides.features import NAMES
from eddy.models.domains.rides.policy import RidesPolicy
from eddy.models.judge import Events, Identity, Model
from eddy.schemas.columns import Columns, Program
from eddy.schemas.decoding import Decoder, buffers
from eddy.training.rides.train import RidesTraining, train

DATASET = "green taxis 2023-12, fare"
HISTORY, STREAM = "rides/green_tripdata_2022-01.parquet", "rides/green_tripdata_2023-12.parquet"
DEFAULT, TRAINED = "eddy, default model", "eddy, trained on 2022-01"
ALL, FLAGS = ("AP", "F1 at score > 1", "AUROC"), ("F1 at score > 1",)

_ZONE = "America/New_York"
_FLAG_FALL, _UNIT = 3.0, 0.7  # dollars; a unit for a fifth of a mile or a minute
_BATCH = 4_000
_FOREST_SEEDS = 3


@dataclass(frozen=True, slots=True)
class LabelledRides:
    """A month of rides as a partition delivers them, with their label.

    Attributes
    ----------
    columns : Columns
        Decoded, in the file's order.
    miles, minutes : ndarray of float64, shape (n,)
    day : ndarray of int64, shape (n,)
        The day each ride began.
    judged : ndarray of bool, shape (n,)
        Rides the label can speak of: standard rate, a fare above zero.
    wrong : ndarray of bool, shape (n,)
        The label.
    """

    columns: Columns
    miles: Floats
    minutes: Floats
    day: NDArray[np.int64]
    judged: Labels
    wrong: Labels

    @property
    def labels(self) -> Labels:
        """The labels of the rides that are judged."""
        return self.wrong[self.judged]


@cache
def decoded(path: Path) -> Columns:
    """Read a file of rides through the decoder, as if it came from a topic."""
    decoder = Decoder(RIDES.event_type, max_skew_s=300.0)
    parts = []
    for payloads in ride_records(path, zone=_ZONE):
        kept, addresses, lengths = buffers(payloads)
        parts.append(decoder.decode(addresses, lengths, np.full(len(payloads), -1)).columns)
        del kept
    return Columns(
        np.concatenate([part.occurred_at for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.valid for part in parts]),
    )


@cache
def stream(path: Path) -> LabelledRides:
    """Return the rides to judge, with the label made from their fares."""
    names = ["lpep_pickup_datetime", "lpep_dropoff_datetime", "trip_distance"]
    table = pq.read_table(path, columns=[*names, "fare_amount", "RatecodeID"])
    begin, end, miles, fare, rate = (column.to_numpy() for column in table.columns)
    minutes = (end - begin) / np.timedelta64(1, "m")
    judged = (rate == 1) & (fare > 0)
    wrong = contradicts(miles, minutes, fare)
    day = begin.astype("M8[D]").astype(np.int64)
    return LabelledRides(decoded(path), miles, minutes, day, judged, wrong)


def contradicts(miles: Floats, minutes: Floats, fare: Floats) -> Labels:
    """Whether a fare is outside its bounds by more than a dollar and a tenth.

    The meter counts distance while driving fast and time while slow: at least the greater of both,
    at most their sum.
    """
    least = _FLAG_FALL + _UNIT * np.maximum(5 * miles, minutes)
    most = _FLAG_FALL + _UNIT * (5 * miles + minutes)
    wrong: Labels = (fare < least - 1 - 0.1 * least) | (fare > most + 1 + 0.1 * most)
    return wrong


def judged_scores(rides: LabelledRides, policy: RidesPolicy, model: Model) -> Floats:
    """Return what the domain's judge says of all rides; NaN while warming or for rejected ones."""
    judge = RIDES.build_judge(policy, model, Identity("events.rides", 0, ""))
    columns, valid = rides.columns, np.flatnonzero(rides.columns.valid)
    scores = np.full(len(columns), np.nan)
    for start in range(0, len(valid), _BATCH):
        at = valid[start : start + _BATCH]
        events = Events(at, columns.occurred_at[at], columns.values[at], columns.keys[at], _no_text)
        scores[at] = judge.judge(events).scores
    return scores


def _no_text(_: int) -> Any:
    raise NotImplementedError("only scores are wanted")


def trained(folder: Path, settings: RidesTraining) -> Model:
    """Train on an earlier month, without labels."""
    columns = decoded(folder / HISTORY)
    places = [Program.of(RIDES.event_type).numbers.index(name) for name in NAMES]
    parameters, _ = train(columns.values[columns.valid][:, places], settings)
    return Model(default_model().ref, parameters)


def daily_dbscan(rides: LabelledRides) -> Floats:
    """Return flags (2.0) of a DBSCAN a day on standardised logs: the usual batch job.

    On all rides and on logs cut off at 0.01: the best for it of forty ways, by the label itself.
    """
    logs = np.log(np.maximum(np.column_stack([rides.miles, rides.minutes]), 0.01))
    scores = np.zeros(len(logs))
    for day in np.unique(rides.day):
        at = np.flatnonzero(rides.day == day)
        spread = np.maximum(logs[at].std(axis=0), 1e-12)
        points = (logs[at] - logs[at].mean(axis=0)) / spread
        scores[at] = 2.0 * (DBSCAN(eps=0.2, min_samples=20).fit_predict(points) == -1)
    return scores


def forest(rides: LabelledRides, seed: int, *, speed: bool) -> Floats:
    """Return scores of an isolation forest that sees the whole month at once."""
    logs = _logs(rides, speed=speed)[rides.judged]
    scores = np.zeros(len(rides.judged))
    fitted = IsolationForest(random_state=seed).fit(logs)
    # its own boundary is -0.5: twice the score puts it at 1
    scores[rides.judged] = -2.0 * fitted.score_samples(logs)
    return scores


def _logs(rides: LabelledRides, *, speed: bool) -> Floats:
    miles, minutes = np.abs(rides.miles), np.abs(rides.minutes)
    columns = [np.log1p(miles), np.log1p(minutes)]
    if speed:
        hours = np.maximum(minutes, 1 / 60) / 60
        columns.append(np.log1p(miles / hours))
    return np.column_stack(columns)


def measure(folder: Path) -> Iterator[Row]:
    """Yield the figures of our detector and of others on the same rides."""
    rides, policy = stream(folder / STREAM), RidesPolicy()
    keep = rides.judged

    def figures(detector: str, scores: Floats, metrics: tuple[str, ...] = ALL) -> Iterator[Row]:
        return rows(DATASET, detector, rides.labels, scores[keep], metrics)

    yield from figures(DEFAULT, judged_scores(rides, policy, default_model()))
    model = trained(folder, RidesTraining(window=policy.window_rides))
    yield from figures(TRAINED, judged_scores(rides, policy, model))
    yield from figures("DBSCAN a day, eps .2, min_samples 20", daily_dbscan(rides), FLAGS)
    for speed, name in ((False, "miles, minutes"), (True, "miles, minutes, speed")):
        yield from _mean(
            list(figures(f"IsolationForest on log {name}", forest(rides, seed, speed=speed), ALL))
            for seed in range(_FOREST_SEEDS)
        )


def _mean(runs: Iterator[list[Row]]) -> Iterator[Row]:
    for same in zip(*runs, strict=True):
        value = float(np.mean([row.value for row in same]))
        chance = float(np.mean([row.random_value for row in same]))
        yield Row(same[0].dataset, same[0].detector, same[0].metric, value, chance)


def sensitivity(folder: Path, console: Console) -> None:
    """Print how window, min_samples and the dial change the figures of a trained model."""
    rides = stream(folder / STREAM)
    shown = Table(title=f"{DATASET}: trained on 2022-01")
    for name in ("window", "min_samples", "sensitivity", "eps", "flagged", "AP", "F1"):
        shown.add_column(name, justify="right")
    for window in (1_000, 2_500, 10_000):
        for share in (0.01, 0.02, 0.04):
            for dial in (0.35, 0.5, 0.65):
                least = round(window * share)
                settings = RidesTraining(window=window, min_samples=least, sensitivity=dial)
                model = trained(folder, settings)
                policy = RidesPolicy(window_rides=window, min_window=min(1_000, window))
                scores = np.nan_to_num(judged_scores(rides, policy, model)[rides.judged])
                shown.add_row(
                    f"{window:,}",
                    str(least),
                    f"{dial:g}",
                    f"{model.parameters.eps:.3f}",
                    f"{np.mean(scores > 1):.2%}",
                    f"{average_precision(rides.labels, scores):.3f}",
                    f"{f1_at_one(rides.labels, scores):.3f}",
                )
        shown.add_section()
    console.print(shown)


CASES = (
    Case(
        name="rides",
        files=(HISTORY, STREAM),
        measure=measure,
        targets=tuple(
            Target(DATASET, detector, metric, above)
            for detector in (DEFAULT, TRAINED)
            for metric, above in (("AP", 0.374), ("F1 at score > 1", 0.372))
        ),
        sensitivity=sensitivity,
    ),
)
