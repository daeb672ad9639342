"""The gate of models of transactions: a candidate must beat the champion on the newest days."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eddy.app import wiring
from eddy.app.settings import Settings
from eddy.app.training.transaction_models import learned_until, parameters_of, table_of
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.detectors.fraud.scorer import Scorer
from eddy.models.domains.transactions.domain import DOMAIN
from eddy.models.registry.manifest import Manifest
from eddy.models.registry.names import CHAMPION
from eddy.schemas.errors import UnknownModel
from eddy.training.gate_decision import GateDecision
from eddy.training.transactions.gate import judge_candidate
from eddy.training.transactions.train import moment


def decide(
    settings: Settings, manifest: Manifest, table: Path, options: Mapping[str, Any]
) -> GateDecision:
    """Compare a version with the champion on a training table; see `eddy.app.domains.row.Gate`."""
    until = learned_until(manifest)
    if until is None:
        reason = "it is not known what it has learned from: it may have seen the days to judge on"
        return GateDecision(accepted=False, reason=reason)
    parameters = parameters_of(options)
    return judge_candidate(
        table_of(table, parameters),
        _scorer(settings, manifest.version),
        _champion(settings),
        parameters.gate,
        learned_until_us=moment(until),
    )


def _scorer(settings: Settings, version: str) -> Scorer:
    model = wiring.registry(settings).load(DOMAIN.name, version, FraudParameters)
    scorer: Scorer = model.parameters
    return scorer


def _champion(settings: Settings) -> Scorer | None:
    try:
        return _scorer(settings, CHAMPION)
    except UnknownModel:
        return None
