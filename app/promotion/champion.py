"""The champion: which version of a model detectors judge with, and how it changes."""

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from eddy.app import wiring
from eddy.app.domains import domain, domain_names
from eddy.app.operator import operator
from eddy.app.settings import Settings
from eddy.models.registry.names import CHAMPION
from eddy.schemas.errors import EddyError
from eddy.schemas.topics import CONTROL
from eddy.streams.control import Command
from eddy.streams.sender import Sender
from eddy.streams.topics import cluster_topics

_PATIENCE_S = 3.0


class ChampionChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a promotion or a rollback did.

    Attributes
    ----------
    announced : bool
        Whether running detectors were told; those that were not look by themselves.
    """

    name: str
    version: str
    announced: bool


def has_champion(settings: Settings, name: str) -> bool:
    """Whether a model has a champion, good or bad."""
    return CHAMPION in wiring.registry(settings).aliases(name)


def promote(
    settings: Settings,
    name: str,
    which: str,
    *,
    reason: str = "",
    evidence: Mapping[str, Any] = {},
) -> ChampionChange:
    """Make a version the champion and tell running detectors.

    Parameters
    ----------
    settings : Settings
    name, which : str
        The model, and a version, an alias or "latest".
    reason : str
        Why, for the audit log.
    evidence : mapping
        The figures it was decided on, for the same; plain values only.

    Raises
    ------
    ModelRefused
        Where there is no such version, or detectors could not load it: nothing changes then.
    """
    registry = wiring.registry(settings)
    version = registry.resolve(name, which).version
    if name in domain_names():
        registry.load(name, version, domain(name).parameters_type)
    registry.promote(name, version, by=operator(), reason=reason, evidence=evidence)
    return ChampionChange(name=name, version=version, announced=announce(settings, name, version))


def refuse(
    settings: Settings,
    name: str,
    which: str,
    *,
    reason: str,
    evidence: Mapping[str, Any] = {},
) -> None:
    """Write into the audit log that a version was not made the champion, and why."""
    registry = wiring.registry(settings)
    registry.refuse(name, which, by=operator(), reason=reason, evidence=evidence)


def rollback(settings: Settings, name: str, *, reason: str = "") -> ChampionChange:
    """Make the champion the one it replaced and tell running detectors."""
    version = wiring.registry(settings).rollback(name, by=operator(), reason=reason).version
    return ChampionChange(name=name, version=version, announced=announce(settings, name, version))


def announce(settings: Settings, name: str, version: str) -> bool:
    """Send ``model_promoted`` on the control topic; return whether the broker took it.

    A hint, best effort: who does not hear it looks every ``reload_interval_s`` anyway.
    """
    command = Command(
        command_id=str(uuid.uuid4()),
        kind="model_promoted",
        name=name,
        arguments={"version": version},
    )
    try:
        if CONTROL not in cluster_topics(settings.kafka, timeout_s=_PATIENCE_S):
            return False
        sender = Sender(settings.kafka)
        sender.send(CONTROL, msgspec.json.encode(command), command.command_id.encode())
        sender.flush(_PATIENCE_S)
    except EddyError:
        return False
    return True
