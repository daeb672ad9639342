"""History for a new deployment: months brought in, and what they teach written down as a start."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from eddy.app import wiring
from eddy.app.domains import domain
from eddy.app.promotion.champion import has_champion
from eddy.app.settings import Settings
from eddy.datasets.history.payments.athena import AthenaHistory, AthenaTable
from eddy.datasets.history.payments.cache import PaymentCache, Piece
from eddy.datasets.history.payments.months import Month, MonthOutcome, MonthProgress, fetch, months
from eddy.datasets.history.payments.query import Naming
from eddy.datasets.history.payments.sources import DuckDbHistory, PaymentHistory
from eddy.datasets.history.payments.totals import monthly_totals
from eddy.models.domain import Domain
from eddy.models.domains.tpv.merchants import MOST_SEGMENTS
from eddy.models.forecasting.deviation import Boundary
from eddy.models.forecasting.forecaster import Forecaster
from eddy.models.registry.names import CHAMPION
from eddy.models.windows.clock import WindowClock
from eddy.schemas.errors import ConfigError
from eddy.training.tpv.warm_start import WarmStartLearner

START = "start.eddy"


class HistoryResult(msgspec.Struct, frozen=True):
    """What a run brought about.

    Attributes
    ----------
    months : list of Piece
        Those asked for, as the folder holds them.
    fetched : int
        How many of them were read from the source now.
    start : str
        The file a judge starts from.
    sha256 : str
        Of its content.
    merchants, segments, intervals : int
        What it was learned from: all that the folder holds.
    begin, end : datetime
        First instant of that, and first after it.
    """

    months: list[Piece]
    fetched: int
    start: str
    sha256: str
    merchants: int
    segments: int
    intervals: int
    begin: datetime
    end: datetime

    @property
    def setting(self) -> str:
        """The lines for eddy.toml."""
        return f"[domains.tpv]\nstart = {json.dumps(self.start, ensure_ascii=False)}"


@dataclass(frozen=True, slots=True)
class Steps:
    """Callbacks that report the progress of a run.

    Attributes
    ----------
    month : callable
        See `eddy.datasets.history.payments.months.MonthProgress`.
    learning : callable
        ``learning(intervals)``: called once with the number of intervals to learn from.
    learned : callable
        ``learned(more)``: called with the number of intervals learned since the last call.
    """

    month: MonthProgress
    learning: Callable[[int], None]
    learned: Callable[[int], None]


class TpvHistory:
    """The history of the merchants that the settings' domain ``tpv`` judges.

    Parameters
    ----------
    settings : Settings
    folder : Path
        Where months and start are kept.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        tpv = domain("tpv")
        self._policy = wiring.policy(settings, tpv)
        self._parameters = _parameters(settings, tpv)
        self._folder = folder
        self._clock = WindowClock(self._policy.interval_s * 1_000_000, self._policy.timezone)

    def of_files(self, files: Sequence[str], naming: Naming) -> PaymentHistory:
        """Return files as a source."""
        return DuckDbHistory(files, self._clock, naming)

    def of_athena(self, table: AthenaTable, naming: Naming) -> PaymentHistory:
        """Return a table of Athena as a source."""
        return AthenaHistory(table, self._clock, naming)

    def months(self, first: str, last: str) -> list[Month]:
        """Return the months from `first` to `last`, this one too."""
        return months(first, last, self._clock, time.time_ns() // 1_000)

    def load(
        self, source: PaymentHistory, wanted: list[Month], steps: Steps, *, refresh: bool = False
    ) -> HistoryResult:
        """Bring months in, learn from all that the folder holds, and write the start.

        Raises
        ------
        Unavailable, ConfigError, MissingResource
            See `eddy.datasets.history.payments.months.fetch` and `PaymentCache.pieces`.
        """
        fetched = 0

        def on_progress(month: Month, outcome: MonthOutcome, number: int, why: str) -> None:
            nonlocal fetched
            fetched += outcome == "fetched"
            steps.month(month, outcome, number, why)

        cache = PaymentCache(self._folder, self._clock)
        pieces = fetch(
            source, wanted, cache, sleep=time.sleep, on_progress=on_progress, refresh=refresh
        )
        return self._learn(cache.pieces(), pieces, fetched, steps)

    def _learn(
        self, present: list[Piece], asked: list[Piece], fetched: int, steps: Steps
    ) -> HistoryResult:
        span_us = present[-1].end_us - present[0].begin_us
        steps.learning(span_us // self._clock.length_us)
        learner = WarmStartLearner(self._forecaster(), self._clock.zone, self._policy.interval_s)
        intervals = 0
        for totals in monthly_totals(self._folder):
            learner.take(totals, steps.learned)
            intervals += len(totals)
        start = learner.start()
        path = self._folder / START
        return HistoryResult(
            months=asked,
            fetched=fetched,
            start=str(path),
            sha256=start.save(path),
            merchants=len(start),
            segments=len(start.pairs),
            intervals=intervals,
            begin=_time(start.head.begin_us),
            end=_time(start.head.end_us),
        )

    def _forecaster(self) -> Forecaster:
        """Return a forecaster like a fresh judge's."""
        slots = 86_400 // self._policy.interval_s
        rule = Boundary(
            false_alarm_rate=self._parameters.false_alarm_rate,
            min_absolute=self._policy.min_absolute,
            min_relative=self._policy.min_relative,
        )
        coverage = self._parameters.coverage
        return Forecaster(MOST_SEGMENTS, slots_per_day=slots, coverage=coverage, rule=rule)


def athena_table(
    name: str, output: str | None, work_group: str | None, region: str | None, times: str
) -> AthenaTable:
    """Return where ``database.table`` is; ConfigError where that is not how it is written."""
    database, dot, table = name.partition(".")
    if not dot:
        raise ConfigError(f"--athena {name}: written like DATABASE.TABLE")
    if output is None:
        raise ConfigError("--athena: needs --output s3://bucket/folder/, for results")
    return AthenaTable(database, table, output, work_group, region, times)


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """Return ``name=value`` options as a mapping; ConfigError where one is not written so."""
    values = dict(pair.partition("=")[::2] for pair in given if "=" in pair)
    if len(values) != len(given):
        raise ConfigError(f"{option}: each name once, written like {option} amount=total_amount")
    return values


def _parameters(settings: Settings, tpv: Domain) -> Any:
    """Return the champion's parameters, the default's where there is none yet."""
    if not has_champion(settings, tpv.name):
        return tpv.default_model().parameters
    return wiring.registry(settings).load(tpv.name, CHAMPION, tpv.parameters_type).parameters


def _time(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)
