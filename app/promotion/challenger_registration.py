"""Offering what was learned as the challenger; nothing here makes a champion."""

from datetime import datetime

import msgspec

from eddy.models.artefact import digest
from eddy.models.registry.manifest import Training
from eddy.models.registry.names import CHALLENGER, CHAMPION, LATEST
from eddy.models.registry.registry import Registry
from eddy.schemas.errors import ModelRefused
from eddy.training.online.learner import DETECTOR, OnlineLearner
from eddy.training.transactions.train import text

_BY = "eddy learn"


class ChallengerRegistration(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a version."""

    version: str
    is_challenger: bool


def register_challenger(
    registry: Registry,
    name: str,
    artefact: bytes,
    learner: OnlineLearner,
    *,
    as_challenger: bool,
    now: datetime,
) -> ChallengerRegistration:
    """Register a learner's version, once for the same content; make it the challenger if it may be.

    It may where there is no challenger, where the challenger is the learner's own earlier version,
    or has become the champion. A challenger that somebody trained is left alone.

    Raises
    ------
    ModelRefused, Unavailable, MissingResource
        The registry does not take it.
    """
    version = _same(registry, name, artefact)
    if version is None:
        training = Training(
            trained_at=now,
            settings={
                "detector": DETECTOR,
                **msgspec.to_builtins(learner.settings.classifier),
                "learned_until": text(learner.learned_until_us),
            },
            rows=learner.rows,
        )
        metrics = {**learner.recent.quality(), "frauds": float(learner.frauds)}
        version = registry.register(name, artefact, training=training, metrics=metrics)
    takes = as_challenger and _is_free(registry, name)
    if takes:
        registry.set_alias(name, CHALLENGER, version, by=_BY)
    return ChallengerRegistration(version=version, is_challenger=takes)


def _same(registry: Registry, name: str, artefact: bytes) -> str | None:
    """Return the newest version if it has this content."""
    if not registry.versions(name):
        return None
    newest = registry.resolve(name, LATEST)
    return newest.version if newest.sha256 == digest(artefact) else None


def _is_free(registry: Registry, name: str) -> bool:
    aliases = registry.aliases(name)
    present = aliases.get(CHALLENGER)
    if present is None or present == aliases.get(CHAMPION):
        return True
    try:
        trained = registry.resolve(name, CHALLENGER).training
    except ModelRefused:
        return True  # nobody can use it
    return trained.settings.get("detector") == DETECTOR
