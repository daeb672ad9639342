"""Promotion of a version: through its domain's gate, or with a reason that is logged."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eddy.app import wiring
from eddy.app.domains import domain_names, domain_row
from eddy.app.domains.row import Gate
from eddy.app.promotion import champion
from eddy.app.settings import Settings
from eddy.schemas.errors import ConfigError, GateRefused
from eddy.training.gate_decision import GateDecision


@dataclass(frozen=True, slots=True)
class Promotion:
    """A promotion, and what the gate decided, if it was asked."""

    change: champion.ChampionChange
    decision: GateDecision | None = None


def gate_of(name: str) -> Gate | None:
    """Return the gate that versions of a model must pass; None where there is none."""
    gate = domain_row(name).gate if name in domain_names() else None
    return None if gate is None else gate()


def promote(
    settings: Settings,
    name: str,
    version: str,
    *,
    table: Path | None = None,
    options: Mapping[str, Any] = {},
    force: str = "",
) -> Promotion:
    """Make a version champion where its domain's gate lets it.

    Parameters
    ----------
    settings : Settings
    name, version : str
        The model, and a version, an alias, or latest.
    table : Path, optional
        What the gate judges on.
    options : mapping
        Of the gate, by name.
    force : str
        Why the gate is not asked; goes into the audit log.

    Raises
    ------
    ConfigError
        Neither a table nor a reason is given, or one is and there is no gate; or the version cannot
        judge under these settings, which no reason mends.
    GateRefused
        The gate does not let it; that is in the audit log, too.
    """
    gate = gate_of(name)
    if gate is None:
        if table or force:
            raise ConfigError(f"--on and --force: {name} has no gate")
        return Promotion(champion.promote(settings, name, version))
    if table is None and not force:
        raise ConfigError(
            f"{name}: --on TABLE, for the gate to judge on, or --force REASON, which is logged"
        )
    manifest = wiring.registry(settings).resolve(name, version)
    number = manifest.version
    gate.check(settings, manifest)
    if table is None or force:
        return Promotion(champion.promote(settings, name, number, reason=f"forced: {force}"))
    decision = gate.decide(settings, manifest, table, options)
    evidence = {**decision.numbers, "window": decision.window}
    if not decision.accepted:
        champion.refuse(settings, name, number, reason=decision.reason, evidence=evidence)
        raise GateRefused(f"{name} {number}: {decision.reason}")
    change = champion.promote(settings, name, number, reason=decision.reason, evidence=evidence)
    return Promotion(change, decision)
