"""The judge of one partition's payments: closed intervals against their bands, as episodes."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from eddy.models.arrays import Ints
from eddy.models.detectors.forecast_band.episode_changes import EpisodeChange, ForecastPublished
from eddy.models.detectors.forecast_band.episodes import NONE
from eddy.models.detectors.forecast_band.scoring import MUTED
from eddy.models.detectors.forecast_band.tracker import DEAD_US, Tracker
from eddy.models.domains.tpv.merchants import MOST_SEGMENTS, Merchants
from eddy.models.domains.tpv.parameters import BandParameters
from eddy.models.domains.tpv.policy import TpvPolicy
from eddy.models.domains.tpv.rules import Rules
from eddy.models.domains.tpv.verdicts import Subject, TpvVerdicts
from eddy.models.forecasting.calendar import CalendarFeatures, SegmentLocation, day_of, moments
from eddy.models.forecasting.deviation import Boundary
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.forecasting.warm_start import WarmStart
from eddy.models.judge import Events, Identity, Model
from eddy.models.packing import pack, unpack
from eddy.models.windows.clock import WindowClock
from eddy.models.windows.kernel import OTHERS
from eddy.models.windows.steps import DECLINED, REFUND, REVERSED, IntervalRows
from eddy.models.windows.windows import IntervalWindows
from eddy.schemas.anomalies import Entity
from eddy.schemas.columns import Program
from eddy.schemas.keys import hash_text
from eddy.schemas.payments import Payment

_EARLIEST_US, _LATEST_US = (
    int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000 for year in (2000, 2100)
)
_PROGRAM = Program.of(Payment)
_AMOUNT, _COUNT = (_PROGRAM.numbers.index(name) for name in ("amount", "count"))
_MERCHANT, _KIND, _STATUS, _SEGMENT = (
    _PROGRAM.keys.index(name) for name in ("merchant_id", "kind", "status", "segment")
)
NO_TRADE, OTHERS_NAME = "unknown", "others"
"""Segments' names: of those without one, and of those for whom there are too many segments."""

_MOST_MOMENTS = 400

_POOL = np.uint64(0x7365676D656E7400)  # tells a segment's key from a merchant's of the same name
_IS_REFUND, _IS_DECLINED, _IS_REVERSED = map(hash_text, ("refund", "declined", "reversed"))


class TpvJudge:
    """Judges one partition's payments; see `eddy.models.judge.TimedJudge`."""

    def __init__(self, policy: TpvPolicy, model: Model, identity: Identity) -> None:
        self.policy, self.identity = policy, identity
        start = start_of(policy)
        self.merchants = Merchants(policy.timezone, None if start is None else start.pairs)
        self._clock = WindowClock(policy.interval_s * 1_000_000, policy.timezone)
        self._slots_per_day = 86_400 // policy.interval_s
        self._offset = -1
        self._places: list[SegmentLocation] = []
        self._seen_moments: dict[int, CalendarFeatures] = {}
        self._day = (NONE, date.min)
        lateness_us = int(policy.lateness_s * 1e6)
        parameters: BandParameters = model.parameters
        self._tracker = Tracker(
            IntervalWindows(
                self._clock,
                delay_us=int(policy.delay_s * 1e6),
                lateness_us=lateness_us,
                most_entities=policy.most_merchants,
                most_pools=MOST_SEGMENTS,
                pauses=policy.nowcasts_per_interval,
                dead_us=DEAD_US,
            ),
            Forecaster(
                MOST_SEGMENTS, slots_per_day=self._slots_per_day, coverage=parameters.coverage
            ),
            lateness_us=lateness_us,
            moments=self._moments,
            alarms=self._rules(),
            start=start,
        )
        self._look_ahead()
        self._use(model)

    def judge(self, events: Events) -> TpvVerdicts:
        """Add the payments up; say what closing and revised intervals bring about.

        Payments dated before 2000 or after 2099 are in no interval: nobody's clock is there.
        """
        times = events.occurred_at
        rows = np.flatnonzero((times >= _EARLIEST_US) & (times < _LATEST_US))

        def admit(new: Ints, slots: Ints) -> Ints:
            pairs = zip(rows[new].tolist(), slots.tolist(), strict=True)
            return np.array([self._meet(slot, events.event(row)) for row, slot in pairs])

        changes = self._tracker.take(_rows(events, rows), admit)
        verdicts = self._verdicts(len(times), changes, rows, events.offsets)
        if len(rows):
            self._offset = int(events.offsets[rows[-1]])
        return verdicts

    def advance(self, watermark_us: int) -> TpvVerdicts:
        """Let intervals end without a payment."""
        changes = self._tracker.advance(watermark_us)
        return self._verdicts(0, changes, np.zeros(1, np.int64), np.array([self._offset]))

    def _verdicts(
        self,
        count: int,
        changes: Iterator[EpisodeChange | ForecastPublished],
        rows: Ints,
        offsets: Ints,
    ) -> TpvVerdicts:
        verdicts = TpvVerdicts(count, self._clock, self.policy, self.identity, self._model)
        for change in changes:  # names at once: a slot may be somebody else's a moment later
            row = int(rows[change.row])
            if isinstance(change, EpisodeChange):
                verdicts.add_change(change, self._subject(change), row, int(offsets[row]))
            else:
                who = [self._entity(slot) for slot in change.slots.tolist()]
                verdicts.coming(change, who, int(offsets[row]))
        verdicts.counts = +self._tracker.tallies
        self._tracker.tallies.clear()
        return verdicts

    @property
    def watermark_us(self) -> int | None:
        """See `eddy.models.judge.TimedJudge`."""
        return self._tracker.windows.watermark_us

    @property
    def due_us(self) -> int | None:
        """The end of the first interval that is not closed, or a nowcast before it."""
        windows = self._tracker.windows
        return None if windows.watermark_us is None else windows.stop_us

    def set_model(self, model: Model) -> None:
        """Go on with another model; what was learned from the stream stays."""
        self._use(model)

    def update_policy(self, policy: TpvPolicy, identity: Identity) -> None:
        """Go on under another policy; the settings in `tpv_policy.FIXED` must be the same."""
        self.policy, self.identity = policy, identity
        self._tracker.set_alarms(self._rules())
        self._look_ahead()
        self._use(self._model)

    def snapshot(self) -> bytes:
        """Return sums, forecasts, episodes and names; the model is not in them."""
        state = self._tracker.snapshot() | self.merchants.snapshot()
        return pack("tpv", state | {"offset": np.array([self._offset])})

    def restore(self, state: bytes) -> None:
        """Take over a snapshot; ValueError where it is not one of this judge's kind."""
        arrays = unpack("tpv", state)
        try:
            self.merchants.restore(arrays)
            self._tracker.restore(arrays)
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

    @property
    def forecast_errors(self) -> dict[str, tuple[float, float]]:
        """See `eddy.models.judge.ForecastingJudge`."""
        errors = self._tracker.forecaster.errors
        return {
            name: (float(error.absolute.sum()), float(error.volume.sum()))
            for name, error in errors.items()
        }

    # -- who is meant ----------------------------------------------------------------------------

    def _meet(self, slot: int, payment: Payment) -> int:
        windows, name = self._tracker.windows, payment.merchant_id
        if windows.is_pool[slot]:
            name = OTHERS_NAME if windows.keys[slot] == OTHERS else payment.segment or NO_TRADE
        return self.merchants.meet(slot, name, payment)

    def _entity(self, slot: int) -> Entity:
        kind = "segment" if self._tracker.windows.is_pool[slot] else "merchant"
        return Entity(kind, self.merchants.name(slot))

    def _subject(self, change: EpisodeChange) -> Subject:
        muted = MUTED[int(change.cell["muted"])]
        unpaid = self._unpaid(change)
        return Subject(
            self._entity(change.slot), unpaid, self._labels(change), [muted] if muted else []
        )

    def _unpaid(self, change: EpisodeChange) -> dict[str, float]:
        """Return how many payments were declined and reversed, where any were."""
        windows, counts = self._tracker.windows, change.unpaid
        is_kept = change.cause == "interval" or change.window >= windows.oldest
        if counts is None and is_kept:
            cell = windows.cell(change.window, change.slot)
            counts = int(cell["declined"]), int(cell["reversed"])
        named = zip(("declined", "reversed"), counts or (), strict=False)
        return {name: float(count) for name, count in named if count}

    def _labels(self, change: EpisodeChange) -> list[str]:
        """Return what is particular about an anomaly."""
        cell = change.cell
        labels: list[str] = [] if change.cause == "interval" else [change.cause]
        if cell["confidence"] < self._tracker.cold_start:
            labels.append("cold_start")
        is_below = change.change.episode.side < 0 and change.cause != "level_shift"
        if is_below and not cell["payments"]:
            labels.append("silence")
        holiday = self._holiday(change)
        return [*labels, f"holiday:{holiday}"] if holiday else labels

    def _holiday(self, change: EpisodeChange) -> str | None:
        country = self.merchants.country(self._tracker.segment(change.slot))
        if change.window != self._day[0]:  # many may be told of one interval
            begin = datetime.fromtimestamp(int(self._clock.start_us(change.window)) / 1e6, UTC)
            self._day = change.window, begin.astimezone(ZoneInfo(self.policy.timezone)).date()
        return day_of(self._day[1], country).holiday

    # -- policy and model ------------------------------------------------------------------------

    def _rules(self) -> Rules:
        def trade(slot: int) -> str:
            return self.merchants.trade(self._tracker.segment(slot))

        return Rules(self.policy, self.merchants.name, trade)

    def _look_ahead(self) -> None:
        schedule = self._tracker.schedule
        schedule.horizon = self.policy.forecast_intervals
        schedule.every = self.policy.forecast_every
        schedule.nowcast = self.policy.nowcast

    def _moments(self, window: int) -> CalendarFeatures:
        """Return a window as the segments see it; each is asked for again and again."""
        places = self.merchants.places()
        if places != self._places or len(self._seen_moments) > _MOST_MOMENTS:
            self._places, self._seen_moments = places, {}
        features = self._seen_moments.get(window)
        if features is None:
            start = int(self._clock.start_us(window))
            features = self._seen_moments[window] = moments(start, places, self._slots_per_day)
        return features

    def _use(self, model: Model) -> None:
        self._model = model
        parameters: BandParameters = model.parameters
        forecaster = self._tracker.forecaster
        forecaster.use(parameters.network, parameters.uses)
        forecaster.calibration.coverage = parameters.coverage
        forecaster.rule = Boundary(
            false_alarm_rate=parameters.false_alarm_rate,
            min_absolute=self.policy.min_absolute,
            min_relative=self.policy.min_relative,
        )


def start_of(policy: TpvPolicy) -> WarmStart | None:
    """Return the start that a policy names, one for all judges of the process.

    Raises
    ------
    MissingResource, ConfigError
        It cannot be read, is none, or of other intervals.
    """
    if policy.start is None:
        return None
    start = _load_start(policy.start)
    start.check(policy.timezone, policy.interval_s)
    return start


@cache
def _load_start(path: str) -> WarmStart:
    return WarmStart.load(Path(path))


def _rows(events: Events, rows: Ints) -> IntervalRows:
    keys, values = events.keys[rows], events.values[rows]
    kinds = np.where(keys[:, _KIND] == np.uint64(_IS_REFUND), REFUND, 0).astype(np.uint8)
    kinds += np.where(keys[:, _STATUS] == np.uint64(_IS_DECLINED), DECLINED, 0).astype(np.uint8)
    kinds += np.where(keys[:, _STATUS] == np.uint64(_IS_REVERSED), REVERSED, 0).astype(np.uint8)
    return IntervalRows.of(
        events.occurred_at[rows],
        keys[:, _MERCHANT],
        values[:, _AMOUNT],
        kinds,
        values[:, _COUNT].astype(np.int64),
        keys[:, _SEGMENT] ^ _POOL,
    )
