"""What is said of a batch of payments: anomalies of intervals, and forecasts."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from eddy.models.arrays import Ints
from eddy.models.detectors.forecast_band.episode_changes import EpisodeChange, ForecastPublished
from eddy.models.detectors.forecast_band.nowcast import NowcastColumns
from eddy.models.domains.tpv.policy import TpvPolicy
from eddy.models.judge import Counts, Identity, Model
from eddy.models.windows.clock import WindowClock
from eddy.schemas import forecasts
from eddy.schemas.anomalies import Anomaly, Entity, Reason, Source, interval_id, severity_of
from eddy.schemas.forecasts import Forecast

DETECTOR = "forecast_band"
NAME = "tpv"
"""Of what is added up, in anomalies."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Subject(NamedTuple):
    """Of whom an anomaly is, what is particular about it, and payments that moved no money."""

    entity: Entity
    unpaid: dict[str, float]
    labels: list[str]
    suppressed_by: list[str]


class TpvVerdicts:
    """What is judged of payments are intervals; a payment has no score itself.

    Follows `eddy.models.judge.Verdicts` and `eddy.models.judge.Forecasting`.

    Parameters
    ----------
    count : int
        Payments judged.
    clock : WindowClock
    policy : TpvPolicy
    identity : Identity
    model : Model

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
        NaN: what is judged are intervals.
    counts : mapping
        See `eddy.models.judge.Counts`.
    """

    def __init__(
        self, count: int, clock: WindowClock, policy: TpvPolicy, identity: Identity, model: Model
    ) -> None:
        self.scores = np.full(count, np.nan)
        self.counts: Counts = {}
        self._clock, self._policy = clock, policy
        self._identity, self._model = identity, model
        self._changes: list[tuple[EpisodeChange, Subject, int, int]] = []
        self._coming: list[tuple[ForecastPublished, list[Entity], int]] = []

    def add_change(self, change: EpisodeChange, subject: Subject, row: int, offset: int) -> None:
        """Add an anomaly, brought about by the event of a row."""
        self._changes.append((change, subject, row, offset))

    def coming(self, coming: ForecastPublished, who: list[Entity], offset: int) -> None:
        """Add forecasts, one for each of `who`."""
        self._coming.append((coming, who, offset))

    @property
    def flagged(self) -> Ints:
        """The rows that closed or revised an interval, one for each anomaly; shape (m,)."""
        return np.array([row for _, _, row, _ in self._changes], np.int64)

    def anomalies(self, rows: Sequence[int], detected_at: datetime) -> list[Anomaly]:
        """Build the anomalies of `rows`, positions in `flagged`."""
        return [self._anomaly(*self._changes[row], detected_at) for row in rows]

    def forecasts(self) -> Iterator[Forecast]:
        """Build what is forecast, for each merchant of which something is known."""
        for coming, who, offset in self._coming:
            yield from self._forecasts(coming, who, offset)

    def _anomaly(
        self, change: EpisodeChange, subject: Subject, _: int, offset: int, detected_at: datetime
    ) -> Anomaly:
        cell, episode = change.cell, change.change.episode
        begin, end = self._bounds(change.window)
        first = self._bounds(episode.start)[0]
        # an id is a merchant's or a segment's: both may have the same name
        entity = subject.entity
        name = entity.id if entity.type == "merchant" else f"{entity.type}:{entity.id}"
        identifier = interval_id("tpv", DETECTOR, name, first)
        score = float(cell["score"])
        actual, expected = float(cell["observed"]), float(cell["expected"])
        return Anomaly(
            anomaly_id=identifier,
            op=change.change.op,
            episode_id=identifier,
            domain="tpv",
            detector=DETECTOR,
            entity=entity,
            occurred_at=begin,
            window_start=begin,
            window_end=end,
            detected_at=detected_at,
            score=score,
            severity=severity_of(
                episode.worst, self._policy.warning_score, self._policy.critical_score
            ),
            confidence=min(1.0, max(0.0, float(cell["confidence"]))),
            direction="above" if episode.side > 0 else "below",
            actual={NAME: actual, "payments": float(cell["payments"])} | subject.unpaid,
            expected={NAME: expected},
            lower={NAME: float(cell["lower"])},
            upper={NAME: float(cell["upper"])},
            # one feature: its part is the whole score
            reasons=[Reason(NAME, actual, expected, score)],
            labels=subject.labels,
            suppressed_by=subject.suppressed_by,
            model=self._model.ref,
            config_hash=self._identity.config_hash,
            source=self._source(offset),
        )

    def _forecasts(
        self, coming: ForecastPublished, who: list[Entity], offset: int
    ) -> Iterator[Forecast]:
        spans = [self._bounds(window) for window, _ in coming.bands]
        bounds = [*(begin for begin, _ in spans), spans[-1][1]]
        source, now = self._source(offset), coming.nowcast
        columns = (
            _by_entity([getattr(band, name) for _, band in coming.bands])
            for name in ("expected", "lower", "upper")
        )
        running = [None] * len(who) if now is None else _running(now, spans[0])
        for entity, expected, lower, upper, nowcast in zip(who, *columns, running, strict=True):
            yield Forecast(
                merchant_id=entity.id,
                entity_type=entity.type,
                issued_at=bounds[0] if nowcast is None else nowcast.as_of,
                source=source,
                model=self._model.ref,
                config_hash=self._identity.config_hash,
                bounds=bounds,
                expected=expected,
                lower=lower,
                upper=upper,
                nowcast=nowcast,
            )

    def _source(self, offset: int) -> Source:
        return Source(self._identity.topic, self._identity.partition, offset)

    def _bounds(self, window: int) -> tuple[datetime, datetime]:
        return _time(int(self._clock.start_us(window))), _time(int(self._clock.end_us(window)))


def _by_entity(intervals: list[NDArray[np.float64]]) -> list[list[float]]:
    rounded: list[list[float]] = np.round(np.stack(intervals, axis=1), 2).tolist()
    return rounded


def _running(
    now: NowcastColumns, span: tuple[datetime, datetime]
) -> list[forecasts.Nowcast | None]:
    as_of = _time(now.as_of_us)
    numbers = np.stack([now.observed, now.expected, now.lower, now.upper], axis=1)
    return [forecasts.Nowcast(*span, as_of, *row) for row in np.round(numbers, 2).tolist()]


def _time(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)
