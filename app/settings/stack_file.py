"""The defaults of ``[lake]`` that ``eddy up --lake`` wrote into the stack's folder.

They are defaults like any other: where the file, the environment or the flags name a store or a
catalog, only those count, so that the embedded store's key is never sent elsewhere.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from eddy.schemas.errors import ConfigError

FILE = "lake.json"
STORE = "object-store"
_STORE_KEYS = ("endpoint", "access_key_id", "secret_access_key", "secret_access_key_file")
_CATALOG_KEYS = ("catalog", "catalog_password", "catalog_password_file")


class StackDefaults(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The embedded parts of a stack's lake.

    Attributes
    ----------
    store_port : int or None
        Of the embedded object store; None where the settings name another.
    has_catalog : bool
        Whether the catalog is a file in the stack's folder.
    """

    store_port: int | None
    has_catalog: bool


def read(folder: Path) -> StackDefaults | None:
    """Return the stack's defaults; None where its lake is not embedded."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=StackDefaults)
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, OSError) as error:
        raise _unreadable(path, error) from error


def defaults(folder: Path, given: Mapping[str, Any]) -> dict[str, str]:
    """Return the settings of ``[lake]`` that the stack has and that nobody gives.

    Parameters
    ----------
    given : mapping
        What the file, the environment and the flags say of ``[lake]``.
    """
    decision = read(folder)
    settings: dict[str, str] = {}
    if decision and decision.store_port and not any(key in given for key in _STORE_KEYS):
        store = store_folder(folder)
        settings["endpoint"] = f"http://127.0.0.1:{decision.store_port}"
        settings["access_key_id"] = _access_key_id(store / "access-key-id")
        settings["secret_access_key_file"] = str(store / "secret-access-key")
    if decision and decision.has_catalog and not any(key in given for key in _CATALOG_KEYS):
        settings["catalog"] = f"sqlite:///{folder.absolute()}/lake/catalog.db"
    return settings


def store_folder(folder: Path) -> Path:
    """Return where the embedded object store lives."""
    return folder / STORE


def _access_key_id(path: Path) -> str:
    try:
        return path.read_text("ascii").strip()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"cannot read {path} ({error}); delete it and say `eddy up --lake` again")
