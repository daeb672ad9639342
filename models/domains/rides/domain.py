"""Rides: judged by distance and duration against the rides of the last while."""

from typing import Any

from eddy.models.domain import Domain
from eddy.models.domains.rides.default import default_model
from eddy.models.domains.rides.judge import RidesJudge
from eddy.models.domains.rides.parameters import DbscanParameters
from eddy.models.domains.rides.policy import RidesPolicy
from eddy.models.judge import Identity, Model
from eddy.schemas.rides import Ride


def _build(policy: Any, model: Model, identity: Identity) -> RidesJudge:
    return RidesJudge(policy, model, identity)


DOMAIN = Domain(
    name="rides",
    event_type=Ride,
    policy_type=RidesPolicy,
    parameters_type=DbscanParameters,
    default_model=default_model,
    build_judge=_build,
)
