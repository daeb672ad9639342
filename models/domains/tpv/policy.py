"""What may be set of merchants' TPV, and which of it while the detector runs."""

from datetime import date, datetime
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

DAY_S = 86_400
MOST_SELECTIONS = 64
"""Rules, snoozes and calendars together: whom they concern is a bit each."""

Seconds = Annotated[float, Meta(ge=0)]
Amount = Annotated[float, Meta(ge=0)]
Directions = Literal["both", "above", "below"]
Names = list[Annotated[str, Meta(min_length=1, max_length=128)]]


class Selection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom something concerns: those named and those of the segments; without either, everybody.

    Attributes
    ----------
    merchants, segments : list of str
    """

    merchants: Names = []
    segments: Names = []


class AlarmRule(Selection, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which deviations are told of some merchants; of several rules the last counts.

    Attributes
    ----------
    directions : {"both", "above", "below"}, optional
    min_absolute, min_relative : float, optional
        As in `TpvPolicy`; what is not given stays as it is.
    """

    directions: Directions | None = None
    min_absolute: Amount | None = None
    min_relative: Amount | None = None


class Snooze(Selection, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """For a time nothing is told of some merchants; their forecasts are learned as always.

    Attributes
    ----------
    begin, end : datetime
        Intervals that begin from `begin` until before `end`, with an offset.
    reason : str
        For people.
    """

    begin: Annotated[datetime, Meta(tz=True)]
    end: Annotated[datetime, Meta(tz=True)]
    reason: str = ""

    def __post_init__(self) -> None:
        if self.end <= self.begin:
            raise ValueError("end: must be after begin")


class SpecialDays(Selection, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Days like no other: nothing is told of them, and nothing learned from them.

    Attributes
    ----------
    name : str
        Such as ``black friday``; what was not told is counted under it in the logs.
    days : list of date
        On the policy's local clock.
    """

    name: str
    days: list[date]


class TpvPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Settings under ``[domains.tpv]``.

    Attributes
    ----------
    interval_s : int
        Length of an interval; divides a day.
    timezone : str
        IANA name: intervals begin at local midnight, and the local clock makes the shape of a week.
    delay_s : float
        How far the watermark stays behind the latest payment: disorder that is no lateness.
    lateness_s : float
        How long after its end an interval can still be revised; what comes later is counted only.
    start : str, optional
        File of what history taught of merchants, as `eddy tpv history` writes it.
    most_merchants : int
        Of one partition. When there are as many, those longest silent make room; while all are
        active, further ones are judged together, as one for each segment.
    directions : {"both", "above", "below"}
        Which deviations are told.
    min_absolute, min_relative : float
        Smaller deviations are never told: in the currency, and as a share of what was expected.
    cold_start_score : float
        A merchant that is younger than two weeks must score this to be told.
    forecast_intervals, forecast_every : int
        After every so many closed intervals, publish so many to come; 0 publishes none.
    nowcast : {"none", "outside", "all"}
        Of which merchants to publish what the running interval will come to: of those who will
        end outside their band, of all, or of none.
    nowcasts_per_interval : int
        How often.
    warning_score, critical_score : float
        From which score on an anomaly is more than information.
    rules, snoozes, calendars : list
        Exceptions for merchants and segments.
    publish_suppressed : bool
        Whether what a snooze or a calendar holds back is published, with `suppressed_by`.
    """

    interval_s: Annotated[int, Meta(ge=60, le=DAY_S)] = 7_200
    timezone: str = "UTC"
    delay_s: Seconds = 300.0
    lateness_s: Seconds = 7_200.0
    start: str | None = None
    most_merchants: Annotated[int, Meta(ge=1, le=1 << 24)] = 1_000_000
    directions: Directions = "both"
    min_absolute: Amount = 0.0
    min_relative: Amount = 0.1
    cold_start_score: Annotated[float, Meta(ge=1)] = 3.0
    forecast_intervals: Annotated[int, Meta(ge=0, le=168)] = 12
    forecast_every: Annotated[int, Meta(ge=1, le=168)] = 12
    nowcast: Literal["none", "outside", "all"] = "outside"
    nowcasts_per_interval: Annotated[int, Meta(ge=1, le=11)] = 1
    warning_score: Annotated[float, Meta(ge=1)] = 1.5
    critical_score: Annotated[float, Meta(ge=1)] = 3.0
    rules: list[AlarmRule] = []
    snoozes: list[Snooze] = []
    calendars: list[SpecialDays] = []
    publish_suppressed: bool = False

    def __post_init__(self) -> None:
        if DAY_S % self.interval_s:
            raise ValueError("interval_s: must divide a day, 86400")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"timezone: no time zone {self.timezone!r}") from error
        if self.critical_score < self.warning_score:
            raise ValueError("critical_score: at least warning_score")
        if len(self.rules) + len(self.snoozes) + len(self.calendars) > MOST_SELECTIONS:
            raise ValueError(
                f"rules, snoozes and calendars: at most {MOST_SELECTIONS} together; name several "
                "merchants in one"
            )


FIXED = frozenset(
    {
        "interval_s",
        "timezone",
        "delay_s",
        "lateness_s",
        "most_merchants",
        "nowcasts_per_interval",
        "start",
    }
)
"""What the state is made of: these settings take a restart."""
