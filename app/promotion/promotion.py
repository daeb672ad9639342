"""Promotion of models of transactions: only through the gate, or with a reason that is logged."""

from dataclasses import dataclass

from eddy.app import wiring
from eddy.app.promotion import champion
from eddy.app.settings import Settings
from eddy.app.training.history_in_use import check_model
from eddy.app.training.transaction_models import NAME, learned_until
from eddy.models.detectors.fraud.parameters import FraudParameters
from eddy.models.detectors.fraud.scorer import Scorer
from eddy.models.registry.names import CHAMPION
from eddy.schemas.errors import ConfigError, GateRefused, UnknownModel
from eddy.training.transactions import gate
from eddy.training.transactions.settings import Gate
from eddy.training.transactions.table import TrainingTable
from eddy.training.transactions.train import moment


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion, and what the gate said of it, if it was asked."""

    change: champion.ChampionChange
    decision: gate.GateDecision | None


def promote(
    settings: Settings, which: str, table: TrainingTable | None, how: Gate, force: str = ""
) -> Promotion:
    """Make a version champion where the gate lets it.

    Parameters
    ----------
    settings : Settings
    which : str
        A version, an alias, or latest.
    table : TrainingTable, optional
        What the gate judges on.
    how : Gate
    force : str
        Why the gate is not asked; goes into the audit log.

    Raises
    ------
    ConfigError
        Neither a table nor a reason is given; or the version learned from other features than the
        stream has, which no reason mends.
    GateRefused
        The gate does not let it; that is in the audit log, too.
    """
    if table is None and not force:
        raise ConfigError(
            f"{NAME}: --on TABLE, for the gate to judge on, or --force REASON, which is logged"
        )
    manifest = wiring.registry(settings).resolve(NAME, which)
    version = manifest.version
    check_model(settings, manifest)
    if table is None or force:
        change = champion.promote(settings, NAME, version, reason=f"forced: {force}")
        return Promotion(change, None)
    decision = decide(settings, version, table, how)
    evidence = {**decision.numbers, "window": decision.window}
    if not decision.accepted:
        champion.refuse(settings, NAME, version, reason=decision.reason, evidence=evidence)
        raise GateRefused(f"{NAME} {version}: {decision.reason}")
    change = champion.promote(settings, NAME, version, reason=decision.reason, evidence=evidence)
    return Promotion(change, decision)


def decide(settings: Settings, which: str, table: TrainingTable, how: Gate) -> gate.GateDecision:
    """Return what the gate says of a version against the champion there is."""
    registry = wiring.registry(settings)
    manifest = registry.resolve(NAME, which)
    candidate = registry.load(NAME, manifest.version, FraudParameters).parameters
    until = learned_until(manifest)
    if until is None:
        reason = "it is not known what it has learned from: it may have seen the days to judge on"
        return gate.GateDecision(accepted=False, reason=reason)
    return gate.judge_candidate(
        table,
        candidate,
        _champion(settings),
        how,
        learned_until_us=moment(until),
    )


def _champion(settings: Settings) -> Scorer | None:
    try:
        found: Scorer = wiring.registry(settings).load(NAME, CHAMPION, FraudParameters).parameters
    except UnknownModel:
        return None
    return found
