"""All settings: ``eddy.toml`` < environment ``EDDY_*`` < flags; unknown keys are errors.

Below them all is what ``eddy up --lake`` decided in the stack's folder (see
`eddy.app.lake.stack_defaults`).
"""

import os
import socket
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eddy.app.lake import stack_defaults as decision
from eddy.lake.config import LakeConfig
from eddy.models.registry import address
from eddy.schemas.errors import ConfigError
from eddy.serving.config import ServingConfig
from eddy.streams.config import EngineConfig
from eddy.streams.connection import Connection

_FORBID: dict[str, str] = {"extra": "forbid"}
DEFAULT_FILE = Path("eddy.toml")
# Variables of the same family that are no settings of the running product.
_OTHER_VARIABLES = {"EDDY_CACHE", "EDDY_CONFIG", "EDDY_DATA"}
_SECRET_WORDS = ("password", "secret", "token", "private", ".key")


@dataclass(frozen=True, slots=True)
class StorageConfig:
    """Where state, models and the embedded stack rest.

    `registry` is a folder, or as in `eddy.models.registry.address`; what MLflow wants to know of
    the user comes from its own variables (``MLFLOW_TRACKING_TOKEN`` and the like).
    """

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    checkpoints_url: str = ".eddy/checkpoints"
    registry: str = ".eddy/models"
    stack: str = ".eddy"


@dataclass(frozen=True, slots=True)
class HealthConfig:
    """Where ``/live``, ``/ready`` and ``/metrics`` answer; port 0 takes a free one."""

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    host: str = "127.0.0.1"
    port: int = 9464


@dataclass(frozen=True, slots=True)
class LogConfig:
    """How to log: ``console`` for people, ``json`` for machines."""

    __pydantic_config__: ClassVar[dict[str, str]] = _FORBID

    format: Literal["console", "json"] = "console"
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"


class Settings(BaseModel):
    """Every setting with its default.

    `domains` chooses and configures domains: the keys under ``[domains.<name>]`` are those of
    the domain's own policy.
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


def load(
    file: Path | None = None, flags: Mapping[str, Any] | None = None, *, decided: bool = True
) -> Settings:
    """Return the settings: file, then environment, then flags, each overriding the one before.

    Parameters
    ----------
    file : Path, optional
        A TOML file that must exist; by default ``eddy.toml`` where there is one.
    flags : mapping, optional
        Dotted names to values; None means "not given".
    decided : bool
        Whether what the stack decided counts where nobody says otherwise.

    Raises
    ------
    ConfigError
        Naming the key and where it came from.
    """
    chosen = file or _default_file()
    tree = _read(chosen) if chosen else {}
    _refuse_unknown_variables()
    environment = _environment()
    given: dict[str, Any] = {}
    for name, value in (flags or {}).items():
        if value is not None:
            _put(given, name, value)
    merged = _merge(_merge(tree, environment), given)
    if decided:
        merged = _merge(_decided(merged), merged)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise ConfigError(_explain(error, chosen)) from error
    return complete(settings)


def flatten(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Yield every setting as (dotted name, value), secrets masked."""
    for name in type(settings).model_fields:
        yield from _flatten(name, getattr(settings, name))


def _flatten(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flatten(f"{name}.{key}", inner)
    elif value is not None and any(word in name for word in _SECRET_WORDS):
        yield name, "********"
    else:
        yield name, value


def _default_file() -> Path | None:
    named = os.environ.get("EDDY_CONFIG")
    if named:
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; give another with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error


def _is_setting(name: str) -> bool:
    return (
        name.startswith("EDDY_")
        and name not in _OTHER_VARIABLES
        and not name.startswith("EDDY_TEST_")
    )


def _environment() -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in os.environ.items():
        if _is_setting(name):
            _put(tree, name.removeprefix("EDDY_").lower().replace("__", "."), value)
    return tree


def _refuse_unknown_variables() -> None:
    for name in os.environ:
        head = name.removeprefix("EDDY_").lower().partition("__")[0]
        if _is_setting(name) and head not in Settings.model_fields:
            raise ConfigError(
                f"environment variable {name}: no such setting; sections are "
                f"{', '.join(Settings.model_fields)} (as in EDDY_KAFKA__BOOTSTRAP_SERVERS)"
            )


def _put(tree: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    for part in path:
        tree = tree.setdefault(part, {})
    tree[last] = value


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, dict)
        result[key] = _merge(old, value) if both else value  # type: ignore[arg-type]
    return result


def _decided(merged: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the stack decided; nothing where a section is no section, which is told later."""
    storage, lake = merged.get("storage", {}), merged.get("lake", {})
    if not isinstance(storage, dict) or not isinstance(lake, dict):
        return {}
    folder = storage.get("stack", StorageConfig().stack)
    return {"lake": decision.defaults(Path(str(folder)), lake)}


def _explain(error: ValidationError, file: Path | None) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        unknown = item["type"] in ("extra_forbidden", "unexpected_keyword_argument")
        lines.append(f"{key}: {'unknown key' if unknown else item['msg']}")
    where = f" (in {file}, the environment or the flags)" if file else ""
    return "; ".join(lines) + where


def complete(settings: Settings) -> Settings:
    """Fill in what depends on the machine or on files: the instance id and secrets.

    Raises
    ------
    ConfigError
        Where a file of a secret cannot be read, or the registry's address is none.
    """
    address.parse(settings.storage.registry)
    kafka, engine, lake = settings.kafka, settings.engine, settings.lake
    serving = settings.serving
    if kafka.sasl_password_file:
        secret = _secret("kafka.sasl_password_file", kafka.sasl_password_file)
        kafka = replace(kafka, sasl_password=secret)
    if lake.catalog_password_file:
        secret = _secret("lake.catalog_password_file", lake.catalog_password_file)
        lake = replace(lake, catalog_password=secret)
    if lake.secret_access_key_file:
        secret = _secret("lake.secret_access_key_file", lake.secret_access_key_file)
        lake = replace(lake, secret_access_key=secret)
    if serving.token_sha256_file:
        secret = _secret("serving.token_sha256_file", serving.token_sha256_file)
        if not secret:  # a file that was not filled in must not open the door
            raise ConfigError("serving.token_sha256_file: the file is empty")
        serving = replace(serving, token_sha256=secret)
    if not engine.instance_id:
        engine = replace(engine, instance_id=socket.gethostname())
    filled = {"kafka": kafka, "engine": engine, "lake": lake, "serving": serving}
    return settings.model_copy(update=filled)


def _secret(key: str, file: str) -> str:
    """Return what a file of a secret holds."""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{key}: {file}: {error.strerror}") from error
