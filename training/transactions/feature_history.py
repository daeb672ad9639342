"""What a table's features were made with: a model must be used with the same.

A model that learned with labels after seven days, and is used where they count after two, sees
other features under the same names. So tables, models and streams say what theirs are.
"""

from collections.abc import Sequence

import msgspec

from eddy.models.features.transaction_history import HistorySettings
from eddy.schemas.errors import ConfigError


class FeatureHistory(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a history that change what features mean; sizes do not.

    Attributes
    ----------
    delay_days, label_grace_s, lateness_s : float
        As `eddy.models.features.transaction_history.HistorySettings` has them.
    """

    delay_days: float
    label_grace_s: float
    lateness_s: float

    @classmethod
    def of(cls, settings: HistorySettings) -> "FeatureHistory":
        """Return what of a history's settings matters."""
        return cls(
            delay_days=settings.delay_days,
            label_grace_s=settings.label_grace_s,
            lateness_s=settings.lateness_s,
        )

    def __str__(self) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in msgspec.to_builtins(self).items())


def common(histories: Sequence[FeatureHistory | None]) -> FeatureHistory | None:
    """Return the history of several tables; None where that of one is not known.

    Raises
    ------
    ConfigError
        They were made with different ones.
    """
    known = sorted({str(history) for history in histories if history is not None})
    if len(known) > 1:
        raise ConfigError(f"features of different histories: {' and '.join(known)}")
    return histories[0] if None not in histories else None
