"""Eddy watches Kafka: it scores every event as it passes and publishes each anomaly exactly once.

The rooms of the house are folders beside this one; here stands one relative link to each, so that
all of them import as ``eddy.<room>`` and a wheel holds one top-level package. docs/architecture.md
says what each room holds. The names of ``eddy.__all__`` are what users of the library may rely on,
see docs/reference/python.md; each is imported when it is asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eddy.app.scoring import BatchScorer, ScoredBatch, simulate
    from eddy.app.settings import Settings
    from eddy.app.settings import load as load_settings
    from eddy.app.wiring import registry as open_registry
    from eddy.lake.query import connect as connect_lake
    from eddy.schemas.anomalies import Anomaly
    from eddy.schemas.errors import EddyError

    __version__: str

__all__ = [
    "Anomaly",
    "BatchScorer",
    "EddyError",
    "ScoredBatch",
    "Settings",
    "__version__",
    "connect_lake",
    "load_settings",
    "open_registry",
    "simulate",
]

_SOURCES = {
    "Anomaly": ("eddy.schemas.anomalies", "Anomaly"),
    "BatchScorer": ("eddy.app.scoring", "BatchScorer"),
    "EddyError": ("eddy.schemas.errors", "EddyError"),
    "ScoredBatch": ("eddy.app.scoring", "ScoredBatch"),
    "Settings": ("eddy.app.settings", "Settings"),
    "connect_lake": ("eddy.lake.query", "connect"),
    "load_settings": ("eddy.app.settings", "load"),
    "open_registry": ("eddy.app.wiring", "registry"),
    "simulate": ("eddy.app.scoring", "simulate"),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 - keeps `eddy --help` quick

        return version("eddy-stream")
    if name not in _SOURCES:
        raise AttributeError(f"module 'eddy' has no attribute {name!r}")
    module, attribute = _SOURCES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted(__all__)
