"""What may be a name: of a model, a version, an alias, a file; the same in every registry."""

import re

from eddy.schemas.errors import ConfigError

CHAMPION = "champion"
CHALLENGER = "challenger"
LATEST = "latest"  # reserved: always the newest version, so that no registry lets it be set

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_ALIAS = re.compile(r"(?!v[0-9]+$)[a-z][a-z0-9_-]{0,63}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")


def is_name(name: str) -> bool:
    """Whether `name` can name a model in every registry."""
    return _NAME.fullmatch(name) is not None


def is_file_name(name: str) -> bool:
    """Whether a version may have a file of this name: no folders, nothing hidden."""
    return _FILE_NAME.fullmatch(name) is not None


def check_name(name: str) -> None:
    """Raise ConfigError unless `name` can name a model in every registry."""
    if not is_name(name):
        raise ConfigError(f"model name {name!r}: lower-case letters, digits, - and _, at most 64")


def check_alias(alias: str) -> None:
    """Raise ConfigError unless `alias` can be set in every registry."""
    if not is_alias(alias):
        raise ConfigError(
            f"alias {alias!r}: lower-case letters, digits, - and _, beginning with a letter; "
            f"{LATEST!r} and v1, v2, ... are reserved"
        )


def is_alias(alias: str) -> bool:
    """Whether `alias` can be set in every registry."""
    return _ALIAS.fullmatch(alias) is not None and alias != LATEST


def is_version(which: str) -> bool:
    """Tell a version from an alias."""
    return _VERSION.fullmatch(which) is not None
