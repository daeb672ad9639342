"""Merchants' total payment volume: two-hour intervals against their forecast band.

A payment is never judged by itself. Payments add up to intervals, and an interval that ends outside
the band of its merchant opens an episode; late payments may revise or retract it.
"""

from hashlib import sha256
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from models.domain import Domain
from models.domains.tpv_judge import TpvJudge
from models.judge import Identity, Model
from models.registry.artefact import encode_parameters
from models.simulation.payments import PaymentSimulation, simulate
from schemas.anomalies import ModelRef
from schemas.payments import Payment

DAY_S = 86_400

Seconds = Annotated[float, Meta(ge=0)]


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
    most_merchants : int
        Of one partition; payments of further ones are counted as untracked.
    directions : {"both", "above", "below"}
        Which deviations are told.
    min_absolute, min_relative : float
        Smaller deviations are never told: in the currency, and as a share of what was expected.
    cold_start_score : float
        A merchant that is younger than two weeks must score this to be told.
    forecast_intervals, forecast_every : int
        After every so many closed intervals, publish so many to come; 0 publishes none.
    warning_score, critical_score : float
        From which score on an anomaly is more than information.
    """

    interval_s: Annotated[int, Meta(ge=60, le=DAY_S)] = 7_200
    timezone: str = "UTC"
    delay_s: Seconds = 300.0
    lateness_s: Seconds = 7_200.0
    most_merchants: Annotated[int, Meta(ge=1, le=1 << 24)] = 1_000_000
    directions: Literal["both", "above", "below"] = "both"
    min_absolute: Annotated[float, Meta(ge=0)] = 0.0
    min_relative: Annotated[float, Meta(ge=0)] = 0.1
    cold_start_score: Annotated[float, Meta(ge=1)] = 3.0
    forecast_intervals: Annotated[int, Meta(ge=0, le=168)] = 12
    forecast_every: Annotated[int, Meta(ge=1, le=168)] = 12
    warning_score: Annotated[float, Meta(ge=1)] = 1.5
    critical_score: Annotated[float, Meta(ge=1)] = 3.0

    def __post_init__(self) -> None:
        if DAY_S % self.interval_s:
            raise ValueError("interval_s: must divide a day, 86400")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"timezone: no time zone {self.timezone!r}") from error
        if self.critical_score < self.warning_score:
            raise ValueError("critical_score: at least warning_score")


class BandParameters(msgspec.Struct, frozen=True):
    """What a model of the band holds.

    Attributes
    ----------
    coverage : float
        Share of intervals that are to end within the published band.
    false_alarm_rate : float
        Share of ordinary intervals that may score above 1.0.
    """

    coverage: Annotated[float, Meta(ge=0.5, lt=1)] = 0.95
    false_alarm_rate: Annotated[float, Meta(gt=0, le=0.05)] = 0.001


def default_model() -> Model:
    """Return the model in use while the registry holds no champion."""
    parameters = BandParameters()
    digest = sha256(encode_parameters(parameters)).hexdigest()
    return Model(ModelRef("tpv", "default", digest), parameters)


def build_judge(policy: TpvPolicy, model: Model, identity: Identity) -> TpvJudge:
    """Return a fresh judge."""
    return TpvJudge(policy, model, identity)


DOMAIN = Domain(
    name="tpv",
    event_type=Payment,
    policy_type=TpvPolicy,
    parameters_type=BandParameters,
    default_model=default_model,
    build_judge=build_judge,
    simulation_type=PaymentSimulation,
    simulate=simulate,
    forecasts=True,
)
