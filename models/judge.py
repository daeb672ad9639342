"""The judge of one partition, and what goes in and comes out of it.

A judge is a deterministic function of (configuration, model, events so far): cutting the events
into batches differently, or restoring a snapshot in between, changes no verdict.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from eddy.models.labels import LabelRecords
from eddy.schemas.anomalies import Anomaly, ModelRef
from eddy.schemas.forecasts import Forecast
from eddy.schemas.vectors import no_vectors


@dataclass(frozen=True, slots=True)
class Identity:
    """Where a judge sits; goes into anomaly ids, so it must be the same on every replay."""

    topic: str
    partition: int
    config_hash: str


@dataclass(frozen=True, slots=True)
class Events:
    """Valid events of one partition, in offset order, as columns.

    Attributes
    ----------
    offsets : ndarray of int64, shape (n,)
        Strictly increasing.
    occurred_at : ndarray of int64, shape (n,)
        Microseconds since 1970, UTC.
    values : ndarray of float64, shape (n, k)
        The event type's number fields in `eddy.schemas.columns.Program.numbers` order; NaN for
        null.
    keys : ndarray of uint64, shape (n, m)
        Hashes of the event type's key fields.
    event : callable
        ``event(i)`` decodes row i into the typed struct; only for rows that need their text.
    vectors : ndarray of float64, shape (n, w)
        The event type's field `eddy.schemas.columns.Program.vector`; NaN behind what a row holds.
        `w` depends on how events were cut into batches, so verdicts must not. None by default: (n,
        0).
    """

    offsets: NDArray[np.int64]
    occurred_at: NDArray[np.int64]
    values: NDArray[np.float64]
    keys: NDArray[np.uint64]
    event: Callable[[int], Any]
    vectors: NDArray[np.float64] = field(default_factory=lambda: no_vectors(0))

    def __post_init__(self) -> None:
        if not self.vectors.size:
            object.__setattr__(self, "vectors", no_vectors(len(self.offsets)))

    def __len__(self) -> int:
        return len(self.offsets)


class Verdicts(Protocol):
    """What a judge says of a batch: a score a row, and anomalies for the few flagged rows.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
        1.0 is the boundary; NaN while warming.
    flagged : ndarray of int64, shape (m,)
        Rows that are anomalies, ascending.
    counts : Counts
        What else came about, to be counted.
    """

    @property
    def scores(self) -> NDArray[np.float64]: ...  # noqa: D102

    @property
    def flagged(self) -> NDArray[np.int64]: ...  # noqa: D102

    @property
    def counts(self) -> "Counts": ...  # noqa: D102

    def anomalies(self, rows: Sequence[int], detected_at: datetime) -> list[Anomaly]:
        """Build the anomalies of `rows`, positions in `flagged`; reads the events' text."""
        ...


@runtime_checkable
class Forecasting(Protocol):
    """Verdicts that also say what is to come."""

    def forecasts(self) -> Iterable[Forecast]:
        """Build what is to be published on the domain's topic of forecasts."""
        ...


@runtime_checkable
class Deciding(Protocol):
    """Verdicts that keep what they were made from, for labels to be joined to."""

    def decisions(self) -> Iterable[bytes]:
        """Build the records of the domain's topic of decisions, see `eddy.schemas.decisions`."""
        ...


Counts = Mapping[tuple[str, str], int]
"""How often what came about, by what and which: ("late", "revised"), ("late", "dropped"),
("untracked", "pooled"), ("evicted", "silent"), ("suppressed", "snooze") and so on. Of scores:
("champion", "1") is how many lay up to 1, ("challenger", ...) likewise, and ("shadow", "disagree")
how often the two were of different opinion."""


class Judge(Protocol):
    """Belongs to one partition of one topic and holds all that was learned from it."""

    def judge(self, events: Events) -> Verdicts:
        """Score the events, then learn from them."""
        ...

    def set_model(self, model: "Model") -> None:
        """Go on with another model without losing what was learned from the stream."""
        ...

    def snapshot(self) -> bytes:
        """Return the state, independent of the model in use."""
        ...

    def restore(self, state: bytes) -> None:
        """Take over a snapshot; ValueError where it is not one of this judge's kind."""
        ...

    @property
    def history(self) -> int:
        """Upper estimate of the events before now on which the next verdict can depend."""
        ...

    @property
    def complete(self) -> bool:
        """Whether verdicts no longer depend on events older than those this judge has seen."""
        ...

    @property
    def entities(self) -> int:
        """How many entities (or stored rows) the judge holds; a gauge."""
        ...


@runtime_checkable
class TimedJudge(Judge, Protocol):
    """A judge for which time passes: it says something when an interval has ended.

    Events move its watermark; where none come, whoever feeds it moves it step by step.
    """

    @property
    def watermark_us(self) -> int | None:
        """Event time up to which all is taken to have come, None before the first event.

        Microseconds since 1970, UTC; never goes back.
        """
        ...

    @property
    def due_us(self) -> int | None:
        """The watermark at which it has something to close; None where there is nothing."""
        ...

    def advance(self, watermark_us: int) -> Verdicts:
        """Move the watermark without an event and say what that closes; no rows are scored."""
        ...


@runtime_checkable
class ForecastingJudge(Judge, Protocol):
    """A judge whose verdicts are `Forecasting`."""

    @property
    def forecast_errors(self) -> Mapping[str, tuple[float, float]]:
        """By forecaster: absolute errors and volume, both summed, over the same intervals."""
        ...


@runtime_checkable
class LabelledJudge(Judge, Protocol):
    """A judge that learns from the labels of its events."""

    @property
    def label_offsets(self) -> Mapping[int, int]:
        """By partition of the topic of labels: the next offset to learn from; state."""
        ...

    def forget_labels(self, partition: int) -> None:
        """Learn from the beginning of a partition again: it is not what it was."""
        ...

    def learn(self, records: LabelRecords) -> Counts:
        """Take labels in; those of offsets that were taken in before change nothing.

        Returns
        -------
        mapping
            ("champion", "found"): frauds that were flagged; likewise "missed", "false_alarm" and
            "passed", and the same of the "challenger"; ("late", "label"): labels that came after
            they should have counted.
        """
        ...


@runtime_checkable
class ShadowedJudge(Judge, Protocol):
    """A judge that lets another model score beside its own, to be compared, not published."""

    def set_challenger(self, model: "Model | None") -> None:
        """Let a challenger score beside the champion from now on, or nobody."""
        ...


@runtime_checkable
class Reconfigurable(Judge, Protocol):
    """A judge whose policy may change while it runs."""

    def update_policy(self, policy: Any, identity: Identity) -> None:
        """Go on under another policy of the same fixed settings."""
        ...


class Model(msgspec.Struct, frozen=True):
    """A loaded artefact: who it is, and its parameters as the domain's own struct."""

    ref: ModelRef
    parameters: Any
