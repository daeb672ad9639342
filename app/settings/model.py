"""The sections of the settings, each setting with its default."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from eddy.app.settings.sources import Sources
from eddy.lake.config import LakeConfig
from eddy.serving.config import ServingConfig
from eddy.streams.config import EngineConfig
from eddy.streams.connection import Connection

_FORBID: dict[str, str] = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Where state, models and the embedded stack rest.

    Attributes
    ----------
    checkpoints_url : str
        A folder, ``file://``, ``memory://`` or ``s3://BUCKET/PREFIX`` of the snapshots of state.
    registry : str
        A folder, or an address as in `eddy.models.registry.address`; what MLflow wants to know of
        the user comes from its own variables (``MLFLOW_TRACKING_TOKEN`` and the like).
    stack : str
        The folder of the embedded stack: its data, logs and locks.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    checkpoints_url: str = ".eddy/checkpoints"
    registry: str = ".eddy/models"
    stack: str = ".eddy"


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """Where ``/live``, ``/ready`` and ``/metrics`` answer.

    Attributes
    ----------
    host : str
        The address to listen on.
    port : int
        Port 0 takes a free one.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 9464


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How to log.

    Attributes
    ----------
    format : {"console", "json"}
        ``console`` for people, ``json`` for machines.
    level : {"DEBUG", "INFO", "WARNING", "ERROR"}
        What is less grave is not logged.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    format: Literal["console", "json"] = "console"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Settings(BaseModel):
    """Every setting with its default.

    Attributes
    ----------
    kafka, engine, storage, health, log, lake, serving
        The sections.
    reload_interval_s : float
        Seconds between two looks at the registry and at the file of settings.
    max_model_age_days : float, optional
        A model that was trained longer ago is not taken up.
    topic_prefix : str
        Begins the names of all topics but ``control`` and ``labels``.
    domains : dict
        Which domains run: rides, unless ``[domains.rides]`` says ``enabled = false``, and those
        that have a section. The other keys of a section are those of the domain's own policy.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kafka: Connection = Field(default_factory=Connection)
    engine: EngineConfig = Field(default_factory=EngineConfig)
    storage: StorageConfig = Field(default_factory=StorageConfig)
    health: HealthConfig = Field(default_factory=HealthConfig)
    log: LogConfig = Field(default_factory=LogConfig)
    lake: LakeConfig = Field(default_factory=LakeConfig)
    serving: ServingConfig = Field(default_factory=ServingConfig)
    reload_interval_s: float = Field(default=10.0, gt=0)
    max_model_age_days: float | None = Field(default=None, gt=0)
    topic_prefix: str = ""
    domains: dict[str, dict[str, Any]] = {"rides": {}}

    _sources: Sources = PrivateAttr(default_factory=Sources)

    def origin(self, key: str) -> str:
        """Return which source gives a setting, as ``(in eddy.toml)``; empty for a default."""
        return self._sources.origin(key)
