"""The judge of one partition's payments: closed intervals against their bands, as episodes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from models.detectors.forecast_band.tracker import Alarms, Coming, Notice, Tracker
from models.detectors.intervals.clock import WindowClock
from models.detectors.intervals.steps import DECLINED, REFUND, REVERSED, Rows
from models.detectors.intervals.windows import IntervalWindows
from models.domains.tpv_merchants import MOST_SEGMENTS, Merchants
from models.forecasting.calendar import Moments, day_of, moments
from models.forecasting.deviation import Boundary
from models.forecasting.forecaster import Forecaster
from models.judge import Events, Identity, Model
from models.packing import pack, unpack
from schemas.anomalies import Anomaly, Entity, Reason, Severity, Source, interval_id
from schemas.columns import Program
from schemas.forecasts import Forecast, ForecastPoint
from schemas.keys import hash_text
from schemas.payments import Payment

if TYPE_CHECKING:
    from models.domains.tpv import BandParameters, TpvPolicy

Ints = NDArray[np.int64]

DETECTOR = "forecast_band"
NAME = "tpv"  # of what is added up, in anomalies
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST_US, _LATEST_US = (
    int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000 for year in (2000, 2100)
)
_PROGRAM = Program.of(Payment)
_AMOUNT, _COUNT = (_PROGRAM.numbers.index(name) for name in ("amount", "count"))
_MERCHANT, _KIND, _STATUS = (
    _PROGRAM.keys.index(name) for name in ("merchant_id", "kind", "status")
)
_IS_REFUND, _IS_DECLINED, _IS_REVERSED = map(hash_text, ("refund", "declined", "reversed"))


@dataclass(frozen=True, slots=True)
class TpvVerdicts:
    """See `models.judge.Verdicts`; a payment has no score of its own.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
        NaN: what is judged are intervals.
    flagged : ndarray of int64, shape (m,)
        The rows that closed or revised an interval, one for each anomaly.
    """

    scores: NDArray[np.float64]
    flagged: Ints
    notices: list[tuple[Notice, int]]
    told: list[tuple[Coming, int]]
    judge: "TpvJudge"
    model: Model

    def anomalies(self, rows: Sequence[int], detected_at: datetime) -> list[Anomaly]:
        """Build the anomalies of `rows`, positions in `flagged`."""
        return [self._anomaly(*self.notices[row], detected_at) for row in rows]

    def forecasts(self) -> Iterator[Forecast]:
        """Build what is forecast, for each merchant of which something is known."""
        for coming, offset in self.told:
            yield from self._forecasts(coming, offset)

    def _anomaly(self, notice: Notice, offset: int, detected_at: datetime) -> Anomaly:
        judge, cell = self.judge, notice.cell
        episode, policy = notice.change.episode, judge.policy
        merchant = judge.merchants.name(notice.slot)
        begin, end = judge.bounds(notice.window)
        first, _ = judge.bounds(episode.start)
        identifier = interval_id("tpv", DETECTOR, merchant, first)
        score = float(cell["score"])
        actual, expected = float(cell["observed"]), float(cell["expected"])
        return Anomaly(
            anomaly_id=identifier,
            op=notice.change.op,
            episode_id=identifier,
            domain="tpv",
            detector=DETECTOR,
            entity=Entity("merchant", merchant),
            occurred_at=begin,
            window_start=begin,
            window_end=end,
            detected_at=detected_at,
            score=score,
            severity=_severity(episode.worst, policy),
            confidence=min(1.0, max(0.0, float(cell["confidence"]))),
            direction="above" if episode.side > 0 else "below",
            actual={NAME: actual, "payments": float(cell["payments"])},
            expected={NAME: expected},
            lower={NAME: float(cell["lower"])},
            upper={NAME: float(cell["upper"])},
            # one feature: its part is the whole score
            reasons=[Reason(NAME, actual, expected, score)],
            labels=judge.labels(notice),
            model=self.model.ref,
            config_hash=judge.identity.config_hash,
            source=Source(judge.identity.topic, judge.identity.partition, offset),
        )

    def _forecasts(self, coming: Coming, offset: int) -> Iterator[Forecast]:
        judge = self.judge
        spans = [judge.bounds(window) for window, _ in coming.bands]
        columns = [np.stack([b.expected, b.lower, b.upper], axis=1) for _, b in coming.bands]
        table = np.round(np.stack(columns, axis=1), 2)  # merchant, interval, (expected, ...)
        source = Source(judge.identity.topic, judge.identity.partition, offset)
        for slot in coming.slots.tolist():
            points = zip(spans, table[slot].tolist(), strict=True)
            yield Forecast(
                merchant_id=judge.merchants.name(slot),
                issued_at=spans[0][0],
                source=source,
                model=self.model.ref,
                config_hash=judge.identity.config_hash,
                points=[ForecastPoint(begin, end, *row) for (begin, end), row in points],
            )


class TpvJudge:
    """Judges one partition's payments; see `models.judge.TimedJudge`."""

    def __init__(self, policy: "TpvPolicy", model: Model, identity: Identity) -> None:
        self.policy, self.identity = policy, identity
        self.merchants = Merchants(policy.timezone)
        self._clock = WindowClock(policy.interval_s * 1_000_000, policy.timezone)
        self._slots_per_day = 86_400 // policy.interval_s
        self._offset = -1
        lateness_us = int(policy.lateness_s * 1e6)
        parameters: BandParameters = model.parameters
        self._tracker = Tracker(
            IntervalWindows(
                self._clock,
                delay_us=int(policy.delay_s * 1e6),
                lateness_us=lateness_us,
                most_entities=policy.most_merchants,
            ),
            Forecaster(
                MOST_SEGMENTS, slots_per_day=self._slots_per_day, coverage=parameters.coverage
            ),
            lateness_us=lateness_us,
            moments=self._moments,
            alarms=Alarms(
                above=policy.directions != "below",
                below=policy.directions != "above",
                cold_score=policy.cold_start_score,
            ),
            horizon=policy.forecast_intervals,
            every=policy.forecast_every,
        )
        self._use(model)

    def judge(self, events: Events) -> TpvVerdicts:
        """Add the payments up; say what closing and revised intervals bring about.

        Payments dated before 2000 or after 2099 are in no interval: nobody's clock is there.
        """
        times = events.occurred_at
        rows = np.flatnonzero((times >= _EARLIEST_US) & (times < _LATEST_US))

        def admit(new: Ints, slots: Ints) -> Ints:
            pairs = zip(rows[new].tolist(), slots.tolist(), strict=True)
            return np.array([self.merchants.meet(slot, events.event(row)) for row, slot in pairs])

        said = list(self._tracker.take(_rows(events, rows), admit))
        if len(rows):
            self._offset = int(events.offsets[rows[-1]])
        return self._verdicts(len(times), said, rows, events.offsets)

    def advance(self, watermark_us: int) -> TpvVerdicts:
        """Let intervals end without a payment."""
        said = list(self._tracker.advance(watermark_us))
        return self._verdicts(0, said, np.zeros(1, np.int64), np.array([self._offset]))

    def _verdicts(
        self, count: int, said: list[Notice | Coming], rows: Ints, offsets: Ints
    ) -> TpvVerdicts:
        notices = [(one, int(offsets[rows[one.row]])) for one in said if isinstance(one, Notice)]
        told = [(one, int(offsets[rows[one.row]])) for one in said if isinstance(one, Coming)]
        flagged = np.array([rows[notice.row] for notice, _ in notices], np.int64)
        return TpvVerdicts(np.full(count, np.nan), flagged, notices, told, self, self._model)

    @property
    def watermark_us(self) -> int | None:
        """See `models.judge.TimedJudge`."""
        return self._tracker.windows.watermark_us

    @property
    def due_us(self) -> int | None:
        """The end of the first interval that is not closed."""
        windows = self._tracker.windows
        if windows.watermark_us is None:
            return None
        return int(self._clock.end_us(windows.open_window))

    def adopt(self, model: Model) -> None:
        """Go on with another model; what was learned from the stream stays."""
        self._use(model)

    def snapshot(self) -> bytes:
        """Return sums, forecasts, episodes and names; the model is not in them."""
        state = self._tracker.snapshot() | self.merchants.snapshot()
        return pack("tpv", state | {"offset": np.array([self._offset])})

    def restore(self, state: bytes) -> None:
        """Take over a snapshot; ValueError where it is not one of this judge's kind."""
        arrays = unpack("tpv", state)
        try:
            self._tracker.restore(arrays)
            self.merchants.restore(arrays)
            self._offset = int(arrays["offset"][0])
        except KeyError as error:
            raise ValueError(f"a snapshot without {error}") from error

    @property
    def history(self) -> int:
        """Everything matters: the level and the shape of weeks are learned from all of it."""
        return 1 << 62

    @property
    def complete(self) -> bool:
        """Never: a rebuild without a checkpoint reads all that the log holds."""
        return False

    @property
    def entities(self) -> int:
        """Merchants tracked."""
        return self._tracker.windows.entities

    # -- for verdicts ----------------------------------------------------------------------------

    def bounds(self, window: int) -> tuple[datetime, datetime]:
        """Return when an interval begins and ends."""
        return _time(self._clock.start_us(window)), _time(self._clock.end_us(window))

    def labels(self, notice: Notice) -> list[str]:
        """Return what is particular about an anomaly."""
        cell, labels = notice.cell, []
        if notice.is_late:
            labels.append("late")
        if notice.is_shift:
            labels.append("level_shift")
        if cell["confidence"] < self._tracker.cold_start:
            labels.append("cold_start")
        if notice.change.episode.side < 0 and not cell["payments"] and not notice.is_shift:
            labels.append("silence")
        holiday = self._holiday(notice)
        return [*labels, f"holiday:{holiday}"] if holiday else labels

    def _holiday(self, notice: Notice) -> str | None:
        country = self.merchants.country(self._tracker.segment(notice.slot))
        day = self.bounds(notice.window)[0].astimezone(ZoneInfo(self.policy.timezone)).date()
        return day_of(day, country).holiday

    def _moments(self, window: int) -> Moments:
        start = int(self._clock.start_us(window))
        return moments(start, self.merchants.places(), self._slots_per_day)

    def _use(self, model: Model) -> None:
        self._model = model
        parameters: BandParameters = model.parameters
        self._tracker.forecaster.calibration.coverage = parameters.coverage
        self._tracker.forecaster.rule = Boundary(
            false_alarm_rate=parameters.false_alarm_rate,
            min_absolute=self.policy.min_absolute,
            min_relative=self.policy.min_relative,
        )


def _rows(events: Events, chosen: Ints) -> Rows:
    keys, values = events.keys[chosen], events.values[chosen]
    kinds = np.where(keys[:, _KIND] == np.uint64(_IS_REFUND), REFUND, 0).astype(np.uint8)
    kinds += np.where(keys[:, _STATUS] == np.uint64(_IS_DECLINED), DECLINED, 0).astype(np.uint8)
    kinds += np.where(keys[:, _STATUS] == np.uint64(_IS_REVERSED), REVERSED, 0).astype(np.uint8)
    return Rows.of(
        events.occurred_at[chosen],
        keys[:, _MERCHANT],
        values[:, _AMOUNT],
        kinds,
        values[:, _COUNT].astype(np.int64),
    )


def _time(micros: Any) -> datetime:
    return _EPOCH + timedelta(microseconds=int(micros))


def _severity(score: float, policy: "TpvPolicy") -> Severity:
    if score >= policy.critical_score:
        return "critical"
    return "warning" if score >= policy.warning_score else "info"
