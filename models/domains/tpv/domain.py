"""Merchants' total payment volume: two-hour intervals against their forecast band.

A payment is never judged by itself. Payments add up to intervals, and an interval that ends outside
the band of its merchant opens an episode; late payments may revise or retract it.
"""

from hashlib import sha256
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from eddy.models.artefact import encode_parameters
from eddy.models.domain import Domain
from eddy.models.domains.tpv.judge import TpvJudge, start_of
from eddy.models.domains.tpv.policy import FIXED, TpvPolicy
from eddy.models.forecasting.network.weights import NetworkWeights
from eddy.models.judge import Identity, Model
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.payments import Payment


class BandParameters(msgspec.Struct, frozen=True):
    """What a model of the band holds.

    Attributes
    ----------
    coverage : float
        Share of intervals that are to end within the published band.
    false_alarm_rate : float
        Share of ordinary intervals that may score above 1.0.
    network : NetworkWeights, optional
        An LSTM across merchants; where its intervals are of another length it is left aside.
    uses : {"baseline", "network"}
        Whose forecasts count: those of a network beside the baseline are only measured.
    """

    coverage: Annotated[float, Meta(ge=0.5, lt=1)] = 0.95
    false_alarm_rate: Annotated[float, Meta(gt=0, le=0.05)] = 0.001
    network: NetworkWeights | None = None
    uses: Literal["baseline", "network"] = "baseline"

    def __post_init__(self) -> None:
        if self.uses == "network" and self.network is None:
            raise ValueError("uses: there is no network")


def default_model() -> Model:
    """Return the model in use while the registry holds no champion."""
    parameters = BandParameters()
    digest = sha256(encode_parameters(parameters)).hexdigest()
    return Model(ModelRef("tpv", "default", digest), parameters)


def build_judge(policy: TpvPolicy, model: Model, identity: Identity) -> TpvJudge:
    """Return a fresh judge."""
    return TpvJudge(policy, model, identity)


def contents(policy: TpvPolicy) -> str:
    """Return the SHA-256 of the start; nothing without one."""
    start = start_of(policy)
    return "" if start is None else start.sha256


DOMAIN = Domain(
    name="tpv",
    event_type=Payment,
    policy_type=TpvPolicy,
    parameters_type=BandParameters,
    default_model=default_model,
    build_judge=build_judge,
    forecasts=True,
    fixed=FIXED,
    is_timed=True,
    contents=contents,
)
