"""Settings are read, merged and checked; every error names the key and its source."""

import socket
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from eddy.app.settings import checks, sources, stack_file
from eddy.app.settings.model import Settings, StorageConfig
from eddy.app.settings.sources import Sources, Tree
from eddy.models.registry import address
from eddy.schemas.errors import ConfigError

_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
_DEFAULT_DOMAINS: Tree = {"rides": {}}


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
        Naming the key, where it came from, and the nearest key there is.
    """
    origin = Sources()
    if path := file or sources.default_file():
        origin.add(f"in {path}", sources.read_file(path))
    environment = sources.read_environment(Settings.model_fields, known_keys())
    origin.add(sources.ENVIRONMENT, environment)
    origin.add("flag", sources.flag_tree(flags or {}))
    merged = origin.merged()
    merged["domains"] = _domains(merged.get("domains", {}), origin)
    if decided:
        merged = sources.merge(_stack_defaults(merged), merged)
    try:
        settings = complete(Settings(**merged))
    except ValidationError as error:
        raise ConfigError(_explain(error, origin)) from error
    except ConfigError as error:
        key = str(error).partition(":")[0]
        raise ConfigError(f"{error}{origin.origin(key)}") from error
    settings._sources = origin
    return settings


def foreign_variables() -> list[str]:
    """Return the variables ``EDDY_*`` that are nobody's setting and are left alone."""
    return sources.foreign_variables(Settings.model_fields, known_keys())


def known_keys() -> list[str]:
    """Return the dotted names of all settings but those of domains."""
    keys = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if is_dataclass(section):
            keys += [f"{name}.{key.name}" for key in fields(section)]
        else:
            keys.append(name)
    return keys


def _domains(sections: Any, origin: Sources) -> Any:
    """Return the sections of the domains that run: a section adds one, `enabled` removes it."""
    if not isinstance(sections, dict):
        return sections  # which is an error that validation names
    running = {}
    for name, section in sources.merge(_DEFAULT_DOMAINS, sections).items():
        policy = dict(section) if isinstance(section, dict) else section
        if not isinstance(policy, dict) or _is_enabled(name, policy.pop("enabled", True), origin):
            running[name] = policy
    return running


def _is_enabled(name: str, value: Any, origin: Sources) -> bool:
    try:
        return TypeAdapter(bool).validate_python(value)
    except ValidationError as error:
        key = f"domains.{name}.enabled"
        raise ConfigError(f"{key}: true or false{origin.origin(key)}") from error


def _stack_defaults(merged: Mapping[str, Any]) -> Tree:
    """Return what the stack decided; nothing where a section is no section, an error of its own."""
    storage, lake = merged.get("storage", {}), merged.get("lake", {})
    if not isinstance(storage, dict) or not isinstance(lake, dict):
        return {}
    folder = storage.get("stack", StorageConfig().stack)
    return {"lake": stack_file.defaults(Path(str(folder)), lake)}


def _explain(error: ValidationError, origin: Sources) -> str:
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        if item["type"] in _UNKNOWN:
            message = f"unknown key{sources.nearest(key, known_keys())}"
        else:
            message = item["msg"]
        lines.append(f"{key}: {message}{origin.origin(key)}")
    return "; ".join(lines)


def complete(settings: Settings) -> Settings:
    """Fill in what depends on the machine or on files: the instance id and secrets.

    Raises
    ------
    ConfigError
        A file of a secret cannot be read, or a setting cannot be right.
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
    checks.check_brokers(kafka)
    checks.check_checkpoints(settings.storage.checkpoints_url)
    filled = {"kafka": kafka, "engine": engine, "lake": lake, "serving": serving}
    return settings.model_copy(update=filled)


def _secret(key: str, file: str) -> str:
    """Return what a file of a secret holds."""
    try:
        return Path(file).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"{key}: {file}: {error.strerror}") from error
