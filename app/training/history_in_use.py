"""The feature history of the stream: what learns for it, or judges in it, has the same."""

import msgspec

from eddy.app import wiring
from eddy.app.settings import Settings
from eddy.models.domains.transactions.domain import DOMAIN
from eddy.models.features.transaction_history import HistorySettings
from eddy.models.registry.manifest import Manifest
from eddy.schemas.errors import ConfigError
from eddy.training.transactions.feature_history import FeatureHistory
from eddy.training.transactions.settings import Preparation

_SECTION = "domains.transactions.history"


def _settings(settings: Settings) -> HistorySettings:
    history: HistorySettings = wiring.policy(settings, DOMAIN).history
    return history


def stream_history(settings: Settings) -> FeatureHistory:
    """Return what the stream's features are made with."""
    return FeatureHistory.of(_settings(settings))


def as_the_stream(settings: Settings, preparation: Preparation) -> Preparation:
    """Return parameters that describe transactions as the stream does.

    Raises
    ------
    ConfigError
        They differ from the stream's.
    """
    if preparation.history is None:
        return msgspec.structs.replace(preparation, history=_settings(settings))
    asked, streams = FeatureHistory.of(preparation.history), stream_history(settings)
    if asked != streams:
        raise ConfigError(
            f"prepare.history: {asked}; [{_SECTION}], which the stream goes by: {streams}. Make "
            "them the same, or leave prepare.history out"
        )
    return preparation


def check_model(settings: Settings, manifest: Manifest) -> None:
    """Refuse a model that learned from other features than the stream has.

    A model of which nobody wrote down what its features were made with is let through.

    Raises
    ------
    ConfigError
        Naming both.
    """
    history = manifest.training.settings.get("history")
    if history is None:
        return
    try:
        learned = msgspec.convert(history, FeatureHistory)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{DOMAIN.name} {manifest.version}: its history: {error}") from error
    streams = stream_history(settings)
    if learned != streams:
        raise ConfigError(
            f"{DOMAIN.name} {manifest.version} learned from features with {learned}; the stream's "
            f"have {streams} ([{_SECTION}]): the same names, and other meanings. Prepare and train "
            "anew"
        )
