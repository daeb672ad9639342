"""The history of transactions the stream has: what learns for it, or judges in it, has the same."""

import msgspec

from eddy.app import wiring
from eddy.app.domains import domain
from eddy.app.settings import Settings
from eddy.models.features.transaction_history import HistorySettings
from eddy.models.registry.manifest import Manifest
from eddy.schemas.errors import ConfigError
from eddy.training.transactions.feature_history import FeatureHistory
from eddy.training.transactions.settings import Preparation

_NAME = "transactions"
_SECTION = "domains.transactions.history"


def _settings(settings: Settings) -> HistorySettings:
    found: HistorySettings = wiring.policy(settings, domain(_NAME)).history
    return found


def stream_history(settings: Settings) -> FeatureHistory:
    """Return what the stream's features are made with."""
    return FeatureHistory.of(_settings(settings))


def as_the_stream(settings: Settings, how: Preparation) -> Preparation:
    """Return parameters that describe transactions as the stream does.

    Raises
    ------
    ConfigError
        They say otherwise.
    """
    if how.history is None:
        return msgspec.structs.replace(how, history=_settings(settings))
    said, streams = FeatureHistory.of(how.history), stream_history(settings)
    if said != streams:
        raise ConfigError(
            f"prepare.history: {said}; [{_SECTION}], which the stream goes by: {streams}. Make "
            "them the same, or leave prepare.history out"
        )
    return how


def check_model(settings: Settings, manifest: Manifest) -> None:
    """Refuse a model that learned from other features than the stream has.

    A model of which nobody wrote down what its features were made with is let through.

    Raises
    ------
    ConfigError
        Naming both.
    """
    said = manifest.training.settings.get("history")
    if said is None:
        return
    try:
        learned = msgspec.convert(said, FeatureHistory)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{_NAME} {manifest.version}: its history: {error}") from error
    streams = stream_history(settings)
    if learned != streams:
        raise ConfigError(
            f"{_NAME} {manifest.version} learned from features with {learned}; the stream's have "
            f"{streams} ([{_SECTION}]): the same names, and other meanings. Prepare and train anew"
        )
