"""All settings: ``eddy.toml`` < environment ``EDDY_*`` < flags; unknown keys are errors.

Below them all is what ``eddy up --lake`` decided in the stack's folder (see
`eddy.app.settings.stack_file`).
"""

from eddy.app.settings.loading import complete, foreign_variables, load
from eddy.app.settings.masking import flatten
from eddy.app.settings.model import HealthConfig, LogConfig, Settings, StorageConfig
from eddy.app.settings.sources import DEFAULT_FILE

__all__ = [
    "DEFAULT_FILE",
    "HealthConfig",
    "LogConfig",
    "Settings",
    "StorageConfig",
    "complete",
    "flatten",
    "foreign_variables",
    "load",
]
