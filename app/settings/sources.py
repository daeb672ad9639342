"""Where settings come from: a file of TOML, variables of the environment, flags."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from eddy.schemas.errors import ConfigError

DEFAULT_FILE = Path("eddy.toml")
_PREFIX = "EDDY_"
# Variables of the same family that are no settings of the running product.
_OTHER_VARIABLES = {"EDDY_CACHE", "EDDY_CONFIG", "EDDY_DATA"}
_OTHER_PREFIX = "EDDY_TEST_"
# What Kubernetes sets for services whose names begin with "eddy".
_SERVICE = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?$")
_ADDRESS = re.compile(r"^(tcp|udp|sctp)://", re.IGNORECASE)

Tree = dict[str, Any]


class Sources:
    """The trees of settings, each by the name of its source, the weakest first."""

    def __init__(self) -> None:
        self._trees: list[tuple[str, Tree]] = []

    def __eq__(self, other: object) -> bool:
        """Take all as the same: settings are equal wherever they come from."""
        return isinstance(other, Sources)

    def __hash__(self) -> int:
        return 0

    def add(self, name: str, tree: Tree) -> None:
        """Add a source that is stronger than those before."""
        self._trees.append((name, tree))

    def merged(self) -> Tree:
        """Return the settings; each source overrides the one before."""
        result: Tree = {}
        for _, tree in self._trees:
            result = merge(result, tree)
        return result

    def origin(self, key: str) -> str:
        """Return which source gives a key, in brackets; empty where none does."""
        for name, tree in reversed(self._trees):
            value: Any = tree
            for part in key.split("."):
                value = value.get(part, _ABSENT) if isinstance(value, dict) else _ABSENT
            if value is _ABSENT:
                continue
            if name == ENVIRONMENT:
                return f" (environment variable {variable(key)})"
            return f" ({name})"
        return ""


_ABSENT = object()
ENVIRONMENT = "environment"


def variable(key: str) -> str:
    """Return the variable of a setting: ``EDDY_KAFKA__BOOTSTRAP_SERVERS``."""
    return _PREFIX + key.upper().replace(".", "__")


def default_file() -> Path | None:
    """Return the file that is read where none is named."""
    if named := os.environ.get("EDDY_CONFIG"):
        return Path(named)
    return DEFAULT_FILE if DEFAULT_FILE.is_file() else None


def read_file(file: Path) -> Tree:
    """Return the tree of a file; ConfigError where it cannot be read or is no TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}; give another with --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: not TOML: {error}") from error


def read_environment(sections: Iterable[str], keys: Iterable[str]) -> Tree:
    """Return the tree of the environment.

    Parameters
    ----------
    sections, keys : iterable of str
        The names of the first level, and all dotted names that are known.

    Raises
    ------
    ConfigError
        A variable is no setting and nobody else's either.
    """
    tree: Tree = {}
    foreign = foreign_variables(sections, keys)
    for name in _variables():
        if name in foreign:
            continue
        key = name.removeprefix(_PREFIX).lower().replace("__", ".")
        if key.partition(".")[0] not in sections:
            hint = nearest(name, map(variable, keys))
            raise ConfigError(
                f"environment variable {name}: no such setting{hint}; sections are "
                f"{', '.join(sections)} (as in EDDY_KAFKA__BOOTSTRAP_SERVERS)"
            )
        put(tree, key, os.environ[name])
    return tree


def foreign_variables(sections: Iterable[str], keys: Iterable[str]) -> list[str]:
    """Return the variables ``EDDY_*`` that are not meant for Eddy.

    Those are what Kubernetes sets for a service of this name, and what is like no setting.
    """
    spelled = [variable(key) for key in keys]
    return [name for name in _variables() if _is_foreign(name, set(sections), spelled)]


def _is_foreign(name: str, sections: set[str], spelled: list[str]) -> bool:
    key = name.removeprefix(_PREFIX).lower()
    if "__" in name or key in sections:
        return False
    if _SERVICE.search(name) or (
        name.endswith("_PORT") and _ADDRESS.match(os.environ.get(name, ""))
    ):
        return True
    return not difflib.get_close_matches(name, spelled, 1, 0.85)


def _variables() -> list[str]:
    return sorted(
        name
        for name in os.environ
        if name.startswith(_PREFIX)
        and name not in _OTHER_VARIABLES
        and not name.startswith(_OTHER_PREFIX)
    )


def flag_tree(flags: Mapping[str, Any]) -> Tree:
    """Return the tree of flags by their dotted names; None means "not given"."""
    tree: Tree = {}
    for name, value in flags.items():
        if value is not None:
            put(tree, name, value)
    return tree


def put(tree: Tree, key: str, value: Any) -> None:
    """Put a value under a dotted name."""
    *path, last = key.split(".")
    for part in path:
        inner = tree.setdefault(part, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{key}: {part} is given as a value and as a section")
        tree = inner
    tree[last] = value


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> Tree:
    """Return two trees in one; where both have a value, that of `over`."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            result[key] = merge(old, value)
        else:
            result[key] = value
    return result


def nearest(key: str, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?``, or nothing where no key is near."""
    close = difflib.get_close_matches(key, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
