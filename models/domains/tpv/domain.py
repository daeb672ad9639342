"""Merchants' total payment volume: two-hour intervals against their forecast band.

A payment is never judged by itself. Payments add up to intervals, and an interval that ends outside
the band of its merchant opens an episode; late payments may revise or retract it.
"""

from hashlib import sha256

from eddy.models.artefact import encode_parameters
from eddy.models.domain import Domain
from eddy.models.domains.tpv.judge import TpvJudge, start_of
from eddy.models.domains.tpv.parameters import BandParameters
from eddy.models.domains.tpv.policy import FIXED, TpvPolicy
from eddy.models.judge import Identity, Model
from eddy.schemas.anomalies import ModelRef
from eddy.schemas.payments import Payment


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
